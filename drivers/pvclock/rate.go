package pvclock

// PITHz is the rate of the 8254's input clock (Intel 8254 on the PC's 14.31818
// MHz crystal, divided by 12).
const PITHz = 1193182

// pitSpan is where the timer's 16-bit counter starts again.
const pitSpan = 1 << 16

// maxHz keeps the long division below in 64 bits.
const maxHz = 1 << 62

// MulShift is the multiplier and shift for a counter of that rate, as KVM puts
// them into the page: mul has its top bit set, so it is as exact as 32 bits
// allow, and is rounded to the nearest. (0, 0), a clock that stands still, for
// rates of 0 and of no counter (beyond 2^62 Hz).
func MulShift(hz uint64) (mul uint32, shift int8) {
	if hz == 0 || hz > maxHz {
		return 0, 0
	}
	num, den := uint64(nsPerSecond), hz // bring num/den into [1/2, 1)
	for num >= den {
		den <<= 1
		shift++
	}
	for num<<1 < den {
		num <<= 1
		shift--
	}
	frac := uint64(0) // num/den * 2^32, bit by bit
	for range 32 {
		num <<= 1
		frac <<= 1
		if num >= den {
			num -= den
			frac |= 1
		}
	}
	if num<<1 >= den && frac != 0xffffffff {
		frac++
	}
	return uint32(frac), shift
}

// Rate is the counter's rate in Hz that mul and shift stand for, rounded to the
// nearest. 0 if it is 0 or out of range.
func Rate(mul uint32, shift int8) uint64 {
	if mul == 0 || shift > 62 {
		return 0
	}
	q, r := uint64(nsPerSecond)<<32/uint64(mul), uint64(nsPerSecond)<<32%uint64(mul)
	if shift > 0 {
		half := uint64(1) << (uint8(shift) - 1)
		return (q + half) >> uint8(shift)
	}
	for ; shift < 0; shift++ {
		if q > maxHz {
			return 0
		}
		q, r = q<<1, r<<1
		if r >= uint64(mul) {
			q, r = q+1, r-uint64(mul)
		}
	}
	if r<<1 >= uint64(mul) {
		q++
	}
	return q
}

// TicksMargin added to Ticks makes sure that Scale has reached the time: Scale
// drops up to 2^-shift ticks, which is 16 for a counter below 16 GHz.
const TicksMargin = 16

// Ticks is how far the counter goes in ns: Scale the other way round, rounded
// down.
func Ticks(ns uint64, mul uint32, shift int8) uint64 {
	if mul == 0 {
		return 0
	}
	t := ns/uint64(mul)<<32 + ns%uint64(mul)<<32/uint64(mul)
	if shift >= 0 {
		return t >> uint8(shift)
	}
	return t << uint8(-int16(shift))
}

// Refine is the counter's rate if it went from tsc0 to tsc1 in that many ticks
// of the PIT, rounded to the nearest; 0 without ticks, or with more than a month
// of them.
func Refine(tsc0, tsc1, ticks uint64) (hz uint64) {
	if ticks == 0 || ticks >= maxHz/PITHz {
		return 0
	}
	d := since(tsc0, tsc1)
	return d/ticks*PITHz + (d%ticks*PITHz+ticks/2)/ticks
}

// Unwrap is the number of PIT ticks that have passed, of which delta16 has the
// low 16 bits (start minus now: the PIT counts down), if the counter advanced by
// elapsedTSC meanwhile at about hzGuess. The guess must be good to half a span
// of the PIT, 27 ms, over the time passed. Without a guess it is delta16.
func Unwrap(elapsedTSC, hzGuess uint64, delta16 uint16) (ticks uint64) {
	if hzGuess == 0 || hzGuess >= maxHz/PITHz {
		return uint64(delta16)
	}
	near := elapsedTSC/hzGuess*PITHz + elapsedTSC%hzGuess*PITHz/hzGuess
	if near+pitSpan/2 < uint64(delta16) {
		return uint64(delta16)
	}
	return uint64(delta16) + (near+pitSpan/2-uint64(delta16))&^(pitSpan-1)
}
