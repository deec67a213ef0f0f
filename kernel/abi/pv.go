package abi

// PVPrctl is the first argument of prctl(2) by which package pv asks the kernel
// about the machine ("DOZE"): prctl(PVPrctl, PV..., address, words). It fills at
// most that many 64-bit words and returns how many the answer has. Linux does not
// know the option, and answers EINVAL.
const PVPrctl = 0x455a4f44

// What package pv asks. Every answer is 64-bit words, times are nanoseconds.
const (
	PVTimes  = 1 // steal time is offered (1 or 0); then per vCPU online: number, run, idle, stolen
	PVClock  = 2 // kvmclock (1) or our own (0), each vCPU by itself (1) or all the same, timer (PVTimer...), monotonic time, wall time
	PVMemory = 3 // bytes in total, free, at boot, at most, wanted, in the balloon
	PVCPUs   = 4 // vCPUs online, at most, wanted
	PVChange = 5 // waits until the number of vCPUs is to change; from, to
	PVAnswer = 6 // the answer to that: 1 allowed, 0 vetoed, in the first word
	PVExits  = 7 // wake-ups from idleness, timer interrupts, requests to ring 0, unknown calls
	PVWatch  = 8 // from now on PVChange is asked about each change; no words
)

// How a vCPU's timer is armed, in PVClock.
const (
	PVTimerDeadline = 0 // TSC-deadline MSR
	PVTimerX2APIC   = 1 // initial count by MSR
	PVTimerXAPIC    = 2 // initial count by MMIO
)
