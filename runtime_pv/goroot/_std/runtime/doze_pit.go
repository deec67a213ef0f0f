package runtime

// Where there is no kvmclock (QEMU's TCG) the TSC's rate must be measured. The
// yardstick is PIT channel 0: 1193182 Hz on every PC. Mode 0 with a full count
// never interrupts again once masked, and can be read at any time; 16 bits of
// it wrap every 55 ms, which the first estimate bridges for minutes.

import (
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/pvclock"
)

// 8254 ports and commands (Intel 8254 data sheet, "Programming").
const (
	dozePITData     = 0x40
	dozePITCommand  = 0x43
	dozePITOneShot  = 0x30 // channel 0, low then high byte, mode 0
	dozePITLatch    = 0x00 // channel 0
	dozePITFirst    = 3_000_000
	dozePITAgain    = 1_000_000_000
	dozePITPatience = 1000
)

// dozePITRead returns the TSC and, as a count upwards, the PIT's low 16 bits.
// Of several tries the one with the tightest bracket of TSC readings counts.
func dozePITRead() (tsc uint64, ticks uint16) {
	best := ^uint64(0)
	for i := 0; i < 8; i++ {
		before := mmio.Rdtsc()
		mmio.Out8(dozePITCommand, dozePITLatch)
		after := mmio.Rdtsc()
		n := uint16(mmio.In8(dozePITData)) | uint16(mmio.In8(dozePITData))<<8
		if after-before < best {
			best, tsc, ticks = after-before, before+(after-before)/2, -n
		}
	}
	return
}

// dozeClockOfOurOwn starts the clock: a few milliseconds against the PIT.
func dozeClockOfOurOwn() {
	t := &dozeTime
	mmio.Out8(dozePITCommand, dozePITOneShot)
	mmio.Out8(dozePITData, 0)
	mmio.Out8(dozePITData, 0)
	tsc0, pit0 := dozePITRead()
	dozeLAPIC(dozeLAPICDivide, 0xb)
	dozeLAPIC(dozeLAPICTimer, 1<<16)
	dozeLAPIC(dozeLAPICInit, 1<<32-1)
	count0, lapic0 := mmio.Rdtsc(), dozeLAPICRead(dozeLAPICCount)
	tsc1, pit1 := tsc0, pit0
	// 3 ms in PIT ticks; a PIT that stands still gives up on patience.
	for i := 0; pit1-pit0 < dozePITFirst/1000*pvclock.PITHz/1_000_000; i++ {
		if tsc1, pit1 = dozePITRead(); i == dozePITPatience && pit1 == pit0 {
			dozeFatal("this machine has neither kvmclock nor a PIT: no clock to trust")
		}
	}
	count1, lapic1 := mmio.Rdtsc(), dozeLAPICRead(dozeLAPICCount)
	dozeLAPIC(dozeLAPICInit, 0)
	hz := pvclock.Refine(tsc0, tsc1, uint64(pit1-pit0))
	t.lapicHz = dozeRoundLAPIC((lapic0 - lapic1) * (hz / 1000) / ((count1 - count0) / 1000))
	t.tsc0, t.pit0 = tsc0, pit0
	mul, shift := pvclock.MulShift(hz)
	pvclock.Write(dozeClockPage, 0, 0, mul, shift, 0)
	t.tried = dozeNow()
}

// dozeRefineClock measures the TSC's rate again over all the time since boot,
// when a second and then always twice as long has gone by.
func dozeRefineClock() {
	t := &dozeTime
	now := dozeNow()
	if t.kvmclock || now-t.tried < max(dozePITAgain, t.tried) {
		return
	}
	t.tried = now
	tsc, pit := dozePITRead()
	mul := mmio.Load32(dozeClockPage + pvclock.InfoMul)
	shift := int8(mmio.Load8(dozeClockPage + pvclock.InfoShift))
	hz := pvclock.Rate(mul, shift)
	ticks := pvclock.Unwrap(tsc-t.tsc0, hz, pit-t.pit0)
	better := pvclock.Refine(t.tsc0, tsc, ticks)
	if diff := int64(better - hz); diff > int64(hz/1000) || -diff > int64(hz/1000) {
		return // the machine was stopped too long to tell the wraps apart
	}
	mul, shift = pvclock.MulShift(better)
	pvclock.Rebase(dozeClockPage, mmio.Rdtsc(), mul, shift)
}

// dozeRoundLAPIC takes a rate within a percent of 1 GHz for that: emulated
// LAPICs count nanoseconds (QEMU; KVM by default), and a few milliseconds can't
// measure as well as that is known.
func dozeRoundLAPIC(hz uint64) uint64 {
	if hz > 99e7 && hz < 101e7 {
		return 1e9
	}
	return hz
}

// dozeMeasureLAPIC finds the rate of the LAPIC timer where only the clock is
// known: two milliseconds against it.
func dozeMeasureLAPIC() {
	dozeLAPIC(dozeLAPICDivide, 0xb)
	dozeLAPIC(dozeLAPICTimer, 1<<16)
	dozeLAPIC(dozeLAPICInit, 1<<32-1)
	start, from := dozeNow(), dozeLAPICRead(dozeLAPICCount)
	for dozeNow()-start < 2_000_000 {
	}
	to := dozeLAPICRead(dozeLAPICCount)
	dozeTime.lapicHz = dozeRoundLAPIC((from - to) * 1e9 / uint64(dozeNow()-start))
	dozeLAPIC(dozeLAPICInit, 0)
}

// dozeWallFromRTC sets the wall clock from the time the VMM was started, if it
// told, else from the CMOS clock, which knows whole seconds.
func dozeWallFromRTC() {
	if dozeBootInfo.start != 0 {
		dozeSetWall(dozeBootInfo.start)
		return
	}
	dozeSetWall(dozeRTC()*1e9 - dozeNow())
}

// MC146818 registers (data sheet, "Address map"); BCD and 24 hours are what
// firmware leaves; register B says otherwise.
func dozeRTC() int64 {
	reg := func(i uint8) int64 {
		mmio.Out8(0x70, i)
		return int64(mmio.In8(0x71))
	}
	for reg(10)&0x80 != 0 { // update in progress
	}
	bcd := reg(11)&4 == 0
	num := func(i uint8) int64 {
		v := reg(i)
		if bcd {
			v = v>>4*10 + v&15
		}
		return v
	}
	return dozeUnix(2000+num(9), num(8), num(7)) + num(4)*3600 + num(2)*60 + num(0)
}

// dozeUnix is the Unix time of a date's midnight (days from civil, the
// Gregorian calendar shifted to begin in March).
func dozeUnix(y, m, d int64) int64 {
	if m <= 2 {
		y, m = y-1, m+12
	}
	days := 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1
	return (days - 719468) * 86400
}
