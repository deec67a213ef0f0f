// Package mmio is access to memory that somebody else reads or writes at the
// same time: device registers, pages shared with the VMM, I/O ports, and the
// few instructions that Go has no word for.
//
// Each function is one short assembly routine that the compiler can neither
// reorder, merge nor leave out, which is what makes the loads and stores usable
// for version protocols and virtqueues. Every routine is NOSPLIT, takes no frame
// and keeps to ABI0, so it may be called on any stack, from a trap included.
//
// Called from Go, a routine goes through the compiler's ABI0 wrapper, which loads
// g (R14) from thread-local storage afterwards. So FS base must be valid and that
// g must be the one whose stack the caller is on.
//
// The package must never allocate, fault on purpose, remember anything, or know
// what it is used for. It does not check addresses: a wrong one faults like any
// wild pointer. The port routines (In, Out) fault in a Linux process.
//
// Aligned loads and stores of up to 8 bytes are single-copy atomic and ordered
// as x86 orders them (Intel SDM 3A, 8.2): a load or store is never moved over
// an earlier load, a store never over an earlier store. Only a load after a
// store to another address needs Fence.
package mmio

// Load8 reads one byte.
func Load8(addr uintptr) uint8

// Load16 reads two bytes. addr must be 2-aligned to be read at once.
func Load16(addr uintptr) uint16

// Load32 reads four bytes. addr must be 4-aligned to be read at once.
func Load32(addr uintptr) uint32

// Load64 reads eight bytes. addr must be 8-aligned to be read at once.
func Load64(addr uintptr) uint64

// Store8 writes one byte.
func Store8(addr uintptr, v uint8)

// Store16 writes two bytes. addr must be 2-aligned to be written at once.
func Store16(addr uintptr, v uint16)

// Store32 writes four bytes. addr must be 4-aligned to be written at once.
func Store32(addr uintptr, v uint32)

// Store64 writes eight bytes. addr must be 8-aligned to be written at once.
func Store64(addr uintptr, v uint64)

// Or64 sets bits atomically (LOCK OR). It is a full barrier.
func Or64(addr uintptr, v uint64)

// Xchg64 writes v and returns what was there, atomically. It is a full barrier.
func Xchg64(addr uintptr, v uint64) (old uint64)

// Fence is a full barrier (MFENCE).
func Fence()

// Pause tells the CPU, and a hypervisor that watches for it, that the caller
// waits in a loop.
func Pause()

// Copy copies n bytes upwards from src to dst (REP MOVSB). The areas must not
// overlap. Stores after it are seen after it (Intel SDM 3A, 8.2.4.1).
func Copy(dst, src, n uintptr)

// Clear writes n zero bytes at addr (REP STOSB).
func Clear(addr, n uintptr)

// Zero reports whether the n bytes at addr, a multiple of 8, are zero. It reads
// them upwards up to the first eight that are not (REPE SCASQ).
func Zero(addr, n uintptr) bool

// Rdtsc reads the time-stamp counter after all earlier instructions
// (LFENCE; RDTSC).
func Rdtsc() uint64

// CPUID executes CPUID with EAX = leaf, ECX = sub.
func CPUID(leaf, sub uint32) (a, b, c, d uint32)

// In8 reads a byte from an I/O port.
func In8(port uint16) uint8

// Out8 writes a byte to an I/O port.
func Out8(port uint16, v uint8)

// In32 reads four bytes from an I/O port.
func In32(port uint16) uint32

// Out16 writes two bytes to an I/O port.
func Out16(port uint16, v uint16)

// Out32 writes four bytes to an I/O port.
func Out32(port uint16, v uint32)

// OutString writes n bytes from p to one I/O port (REP OUTSB).
func OutString(port uint16, p uintptr, n uintptr)
