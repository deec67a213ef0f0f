// Command faults does what no program should, one kind a run, named by its
// argument. Each ends with the Go error that Linux would give, or, where the
// program broke the machine beneath it, with a crash report.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Instructions and addresses that only assembly can reach (faults_amd64.s).
func halt()
func wrmsr()
func cli()
func loadCR3()
func loseStack()
func undefined()
func outsb()
func jump(to uintptr)
func overrunNucleus()

var (
	data = [64]byte{0xc3}             // RET, but data
	heap = slices.Clone(data[:])      // RET, but on the heap
	high = uintptr(0x8000_0000) << 32 // no canonical address
)

var faults = map[string]struct {
	what string
	do   func()
}{
	"nil":       {"read through a nil pointer", func() { fmt.Println(*(*int)(nil)) }},
	"divide":    {"divide by zero", func() { fmt.Println(1 / zero) }},
	"wild":      {"read an address nobody owns", func() { fmt.Println(*at(0x1234_5678_9000)) }},
	"nucleus":   {"read ring 0's memory", func() { fmt.Println(*at(0x101000)) }},
	"tables":    {"write a page table", func() { *at(0x105000) = 0 }},
	"text":      {"write the program's text", func() { *at(textAddress()) = 0 }},
	"data":      {"execute data", func() { jump(uintptr(unsafe.Pointer(&data))) }},
	"null":      {"jump to address 0", func() { jump(0) }},
	"halt":      {"execute a privileged instruction", halt},
	"undefined": {"execute an undefined instruction", undefined},
	"port":      {"use a port that is not open", outsb},
	"stack":     {"recurse without end", func() { fmt.Println(recurse(1)) }},
	"locked":    {"read through a nil pointer on a locked thread", onThread},
	"high":      {"read an address that is none", func() { fmt.Println(*at(high)) }},
	"heap":      {"execute the heap", func() { jump(uintptr(unsafe.Pointer(&heap[0]))) }},
	"wrmsr":     {"write a model-specific register", wrmsr},
	"cli":       {"turn interrupts off", cli},
	"cr3":       {"load a page table", loadCR3},
	"trap":      {"stop at a breakpoint", runtime.Breakpoint},
	"lost":      {"push where no stack is", loseStack},
	"sent":      {"send itself a fault's signal", func() { send(syscall.SIGSEGV) }},
	"gate":      {"ask ring 0 to map where there are no tables", overrunNucleus},
}

var zero int

func main() {
	if len(os.Args) != 2 {
		usage()
	}
	f, ok := faults[os.Args[1]]
	if !ok {
		usage()
	}
	debug.SetMaxStack(1 << 20)
	fmt.Println("about to", f.what)
	f.do()
	fmt.Println("nothing happened")
}

func usage() {
	var names []string
	for name := range faults {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintln(os.Stderr, "usage: faults", strings.Join(names, "|"))
	os.Exit(64)
}

// at turns a number into a pointer, which vet rightly dislikes elsewhere.
func at(address uintptr) *byte { return *(**byte)(unsafe.Pointer(&address)) }

func textAddress() uintptr {
	f := recurse
	return **(**uintptr)(unsafe.Pointer(&f))
}

// onThread faults where a thread serves one goroutine alone.
func onThread() {
	go func() {
		runtime.LockOSThread()
		fmt.Println(*(*int)(nil))
	}()
	select {} // the fault ends the program
}

// send waits for what comes of a signal.
func send(sig syscall.Signal) {
	if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
		fmt.Println("kill:", err)
	}
	time.Sleep(time.Minute)
}

// recurse goes on for longer than any stack.
func recurse(n int) int {
	if n == 0 {
		return 0
	}
	var pad [1024]byte
	pad[n%len(pad)] = 1
	return recurse(n+1) + int(pad[0])
}
