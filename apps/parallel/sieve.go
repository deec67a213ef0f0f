package main

// span is how many numbers one piece of work covers: their marks fit into a
// first-level cache.
const span = 32 << 10

// segment marks the composites of one span.
type segment [span]bool

// count returns how many primes are in [from, to). factors are the primes up to
// the root of to, at least.
func (s *segment) count(from, to int, factors []int) int {
	clear(s[:])
	for _, p := range factors {
		if p*p >= to {
			break
		}
		for m := max(p*p, (from+p-1)/p*p); m < to; m += p {
			s[m-from] = true
		}
	}
	n := 0
	for i, composite := range s[:to-from] {
		if !composite && from+i >= 2 {
			n++
		}
	}
	return n
}

// primesUpTo is the plain sieve, for the few primes that are factors.
func primesUpTo(n int) (primes []int) {
	composite := make([]bool, n+1)
	for p := 2; p <= n; p++ {
		if composite[p] {
			continue
		}
		primes = append(primes, p)
		for m := p * p; m <= n; m += p {
			composite[m] = true
		}
	}
	return primes
}

// root is the integer square root, rounded up.
func root(n int) int {
	r := 0
	for r*r < n {
		r++
	}
	return r
}
