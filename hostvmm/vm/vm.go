// Package vm holds what every way to run an image has in common: what to run
// and what came of it. hostvmm and hostvmm/qemu take and return these types. It
// must never depend on either.
package vm

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"
)

// Config is a machine to run. A field with a tag `word` is that word of the guest's command
// line (docs/nucleus.md 7).
type Config struct {
	Image  string   // path of the image
	Name   string   // argv[0]; the image's file name if empty
	Args   []string // the program's arguments, without argv[0]
	Env    []string `word:"doze.env"` // NAME=VALUE
	Memory uint64   // bytes of RAM
	// MaxMemory is how many bytes of RAM there may come to be, as the program needs
	// them; 0 means Memory. hostvmm only.
	MaxMemory uint64 `word:"doze.memory.max"`
	CPUs      int    `word:"doze.cpus"` // vCPUs, at least 1
	// MaxCPUs is how many vCPUs there can come to be; 0 is CPUs.
	MaxCPUs int `word:"doze.cpus.max"`

	// If both are the same, what the program writes arrives in the order in
	// which it wrote it. A write of the program's returns when the writer has
	// taken it, with the error number of the writer's error (EIO without one). A
	// Write that has not returned when the machine ends is left to itself.
	Stdout, Stderr io.Writer

	// Stdin is the program's standard input, at its end if nil. Nothing is read of
	// it before the program reads, and then a piece at a time. A Read that has not
	// returned when the machine ends is left to itself.
	Stdin io.Reader
	// Signals are passed on to the program as long as the machine runs.
	Signals <-chan Signal

	// Hostname is what the machine calls itself, "doze" if empty.
	Hostname string `word:"doze.hostname"`
	// Dir is the program's first working directory, / if empty.
	Dir string `word:"doze.cwd"`
	// TreeWritable lets the program change the files embedded in the image, for
	// itself and while it runs.
	TreeWritable bool `word:"doze.tree=rw"`

	// Idle is how the guest sleeps: IdlePark where it is offered, or IdleHLT.
	Idle string `word:"doze.idle"`
	// SMP is what vCPUs do about those of them that the host has preempted: SMPAll, or
	// less of it, to compare.
	SMP string `word:"doze.smp"`
	// Strace makes the guest print calls on stderr: those of a list as strace(1) takes
	// it (package kernel/strace), "all" for each, none if it is empty.
	Strace string `word:"doze.strace"`
	// Start is when the command was started, for the guest to show how long it
	// took to main; the zero time means now.
	Start time.Time `word:"doze.start"`
}

// OneStream says whether stdout and stderr are the same writer.
func (c *Config) OneStream() bool {
	defer func() { _ = recover() }() // writers of a type that can't be compared are two
	return c.Stdout != nil && c.Stdout == c.Stderr
}

// Values of Config.Idle; the empty string is IdlePark.
const (
	IdlePark = "park"
	IdleHLT  = "hlt"
)

// Values of Config.SMP (docs/smp.md); the empty string is SMPAll.
const (
	SMPAll  = "all"
	SMPLock = "lock" // who waits for another vCPU gives its physical CPU back
	SMPWake = "wake" // where much is stolen no further vCPU is woken at once
	SMPNone = "none"
)

// Result is what came of a machine that ran to its end.
type Result struct {
	// ExitCode is the program's exit status, 2 if it crashed, or 128 + the
	// signal that ended the machine.
	ExitCode int
	// Crash is the crash report as the guest sent it, nil if there was none.
	Crash *Crash
	// Output is why the host did not take output of the program's, nil if it took all, or
	// if its reader had gone (EPIPE). The program was told; if it ended with status 0
	// all the same, ExitCode is OutputLost.
	Output error
	// Stats has a line for `doze run --stats`, in the order to print.
	Stats []Stat
}

// Lost notes that the host did not take output, for the reason err, if it is not nil. A
// reader that went away is no loss: that is how a pipe ends.
func (r *Result) Lost(err error) {
	if err == nil || errors.Is(err, syscall.EPIPE) || r.Output != nil {
		return
	}
	if r.Output = err; r.ExitCode == 0 {
		r.ExitCode = OutputLost
	}
}

// OutputLost is the exit status of a machine whose program did not mind that output of
// its was lost.
const OutputLost = 1

// Crash is an end that the program or the kernel could not report itself
// (docs/nucleus.md 8).
type Crash struct {
	Text string
	Regs []Reg
	PCs  []uint64 // innermost first
}

// Reg is a register of a crash report.
type Reg struct {
	Name  string
	Value uint64
}

// Stat is a figure about a run.
type Stat struct{ Name, Value string }

// GuestError is an error that the guest reported: the machine can't run the
// image. Its text is for the user.
type GuestError struct{ Text string }

func (e *GuestError) Error() string { return e.Text }

// Signal is the cause of a context that a signal cancelled: the machine ends and
// its exit status is the shell's for that signal.
type Signal syscall.Signal

func (s Signal) Error() string { return syscall.Signal(s).String() }

// ExitCode is the status of a machine that the signal ended.
func (s Signal) ExitCode() int { return 128 + int(s) }

// Interrupted returns the exit status of a machine that the end of ctx ended.
func Interrupted(ctx context.Context) int {
	var s Signal
	if errors.As(context.Cause(ctx), &s) {
		return s.ExitCode()
	}
	return Signal(syscall.SIGTERM).ExitCode()
}
