// Command calls makes system calls that go wrong, or wait, and prints what
// comes of them: a bad address is an error and never the end, and a goroutine
// that waits in a call does not keep the others from running.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

// nowhere are addresses that are not the program's: below its memory, and not
// canonical.
var nowhere = []uintptr{0x1234_5678_9000, 0x1234_5678_9abc_def0}

// Sink keeps reads from being left out.
var Sink byte

func main() {
	badAddresses()
	descriptors()
	waitInCall()
	protect()
	mapFile()
	code()
	untouched()
	tables()
	places()
	guarded()
	tooLarge()
}

func badAddresses() {
	zero := open("/dev/zero")
	defer syscall.Close(zero)
	for _, p := range nowhere {
		_, _, read := syscall.Syscall(syscall.SYS_READ, uintptr(zero), p, 100)
		_, _, open := syscall.Syscall(syscall.SYS_OPENAT, 0, p, 0)
		fmt.Printf("calls: read to %#x: %v, open: %v\n", p, read, open)
	}
}

func descriptors() {
	zero := open("/dev/zero")
	twin, err := syscall.Dup(zero)
	check(err)
	check(syscall.Close(zero))
	_, err = syscall.Read(zero, make([]byte, 1))
	fmt.Printf("calls: closed: %v\n", err)
	n, err := syscall.Read(twin, make([]byte, 3))
	fmt.Printf("calls: its twin: %d %v\n", n, err)
	fmt.Printf("calls: the lowest is taken again: %v\n", open("/dev/null") == zero)
}

// waitInCall sleeps in a call with the only P, which must go to the other
// goroutine.
func waitInCall() {
	runtime.GOMAXPROCS(1)
	ran := make(chan time.Time, 1)
	go func() { ran <- time.Now() }()
	nap := syscall.Timespec{Sec: 1}
	check(syscall.Nanosleep(&nap, nil))
	fmt.Printf("calls: another goroutine ran meanwhile: %v\n", time.Since(<-ran) > 500*time.Millisecond)
}

// protect takes access to memory away and gives it back.
func protect() {
	const page, readable = 4096, 8192
	debug.SetPanicOnFault(true)
	b, err := syscall.Mmap(-1, 0, 4<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	check(err)
	for i := 0; i < len(b); i += page {
		b[i] = byte(i >> 12)
	}
	check(syscall.Mprotect(b[page:2*page], syscall.PROT_NONE))
	check(syscall.Mprotect(b[readable:2<<20], syscall.PROT_READ))
	try("read without access", func() { Sink = b[page+1] })
	try("read what is read-only", func() { Sink = b[readable] })
	try("write what is read-only", func() { b[readable] = 9 })
	check(syscall.Mprotect(b, syscall.PROT_READ|syscall.PROT_WRITE))
	for i := 0; i < len(b); i += page {
		if b[i] != byte(i>>12) {
			check(fmt.Errorf("page %d was lost", i/page))
		}
	}
	check(syscall.Mprotect(b[:1<<20], syscall.PROT_NONE))
	check(syscall.Munmap(b))
}

// mapFile reads a file through a mapping.
func mapFile() {
	f, err := os.CreateTemp("", "calls")
	check(err)
	defer os.Remove(f.Name())
	const text = "the file's text"
	_, err = f.WriteString(text)
	check(err)
	b, err := syscall.Mmap(int(f.Fd()), 0, len(text), syscall.PROT_READ, syscall.MAP_PRIVATE)
	check(err)
	fmt.Printf("calls: mapped: %s\n", b)
	try("write what is mapped to read", func() { b[0] = 'T' })
	check(syscall.Munmap(b))
}

// code asks for memory that can be executed, which nothing mapped at run time can.
func code() {
	const flags = syscall.MAP_ANON | syscall.MAP_PRIVATE
	_, mapped := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, flags)
	b, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, flags)
	check(err)
	fmt.Printf("calls: code mapped: %v, memory made code: %v\n", mapped, syscall.Mprotect(b, syscall.PROT_READ|syscall.PROT_EXEC))
}

func try(what string, f func()) {
	defer func() { fmt.Printf("calls: %s: %v\n", what, recover()) }()
	f()
}

func open(name string) int {
	fd, err := syscall.Open(name, syscall.O_RDWR, 0)
	check(err)
	return fd
}

func check(err error) {
	if err != nil {
		fmt.Println("calls:", err)
		os.Exit(1)
	}
}
