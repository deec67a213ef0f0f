// Package linux has the numbers of Linux's interface to programs on amd64, once: calls
// with their names and arguments, error numbers, flags. The kernel, its file system, the
// VMM and the tests take them from here.
//
// The package holds constants and tables alone. It must never import, allocate, decide
// what is served, or read a program's memory: package strace prints calls, the kernel's
// table of calls serves them.
//
// Sources are the headers of the kernel (include/uapi, arch/x86/entry/syscalls) and the
// pages of section 2 of the manual; each group names its own.
package linux

// Call is what is known of a call.
type Call struct {
	Name  string
	Class Class
	Known bool   // Args is right
	Args  [6]Arg // None behind the last
}

// CallOf returns the call of a number, nil if there is none.
func CallOf(nr uintptr) *Call {
	if nr < Calls && table[nr].Name != "" {
		return &table[nr]
	}
	return nil
}

// NumberOf returns the number of a call.
func NumberOf(name string) (nr uintptr, ok bool) {
	for i := range table {
		if name != "" && table[i].Name == name {
			return uintptr(i), true
		}
	}
	return 0, false
}

// Class is a set of what a call is about, as strace's -e trace=%class means it.
type Class uint16

// The classes.
const (
	ClassFile    Class = 1 << iota // takes a path
	ClassDesc                      // takes or makes a descriptor
	ClassNetwork                   // is about sockets
	ClassMemory                    // maps or protects memory
	ClassProcess                   // makes, ends or names processes and threads
	ClassSignal                    // is about signals
	ClassClock                     // reads clocks, sleeps, or arms timers
	ClassCreds                     // is about users, groups and capabilities
)

// ClassNames are the names of the classes, in the order of their bits.
var ClassNames = [...]string{"file", "desc", "network", "memory", "process", "signal", "clock", "creds"}

// ClassOf returns the class of a name.
func ClassOf(name string) (c Class, ok bool) {
	for i, n := range ClassNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// Arg is the kind of an argument: how it is printed, and what a pointer is for.
type Arg uint8

// The kinds of arguments. Those from Path on are pointers.
const (
	None    Arg = iota
	Int         // a signed number
	Size        // an unsigned number, or how much
	Hex         // bits without names here
	Offset      // a position in a file, in hexadecimal
	Pointer     // an address that the call does not read or write by itself
	Fd
	DirFd // a descriptor, or AT_FDCWD
	Mode  // permissions, in octal
	OpenFlags
	MakeFlags // of calls that make a descriptor: as open's, without an access mode
	AtFlags
	Prot
	MapFlags
	Advice
	Whence
	SignalNumber
	How // of rt_sigprocmask
	Clock
	CloneFlags
	FutexOp
	EpollOp
	FcntlCommand

	Path      // a string: a path
	Str       // another string
	InBytes   // bytes that the call reads; the next argument is how many
	In        // a structure that the call reads
	InTime    // struct timespec that it reads
	InOut     // a structure that it reads and writes
	Out       // a structure that it writes
	OutBytes  // bytes that it writes; its result is how many
	OutString // a string that it writes
	OutTime   // struct timespec that it writes
	OutStat   // struct stat that it writes
	OutPair   // two descriptors that it writes
)

// Reads reports whether a call reads the program's memory at such an argument.
func (a Arg) Reads() bool { return a >= Path && a <= InOut }

// Writes reports whether a call writes there.
func (a Arg) Writes() bool { return a >= InOut }
