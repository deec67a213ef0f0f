package main

const (
	held      = 24       // blocks a worker keeps: 16 workers hold 3 MiB on average
	sizeLimit = 16 << 10 // one block in eight is larger than the small size classes
	depth     = 200      // frames of recursion, enough to move a 2 KiB stack several times
)

// worker owns a list of blocks and shares a channel of them with the others.
type worker struct {
	seed uint64
	list *block
	size int
	pass chan *block
}

// next advances the generator (xorshift64, Marsaglia 2003).
func (w *worker) next() uint64 {
	w.seed ^= w.seed << 13
	w.seed ^= w.seed >> 7
	w.seed ^= w.seed << 17
	return w.seed
}

// round adds a block, swaps one with another worker, checks and drops the rest.
func (w *worker) round() {
	b := w.newBlock(w.randomSize())
	b.next, w.list = w.list, b
	if w.size++; w.size > held {
		w.drop()
	}
	select {
	case w.pass <- w.newBlock(w.randomSize()):
	case got := <-w.pass:
		got.check("from another goroutine")
	}
	if got := sumDown(depth, w.list); got != depth*int(w.list.data[0]) {
		corrupt("recursion over a moved stack gave %d", got)
	}
}

func (w *worker) randomSize() int {
	if w.next()%8 == 0 {
		return 1 + int(w.next()%sizeLimit)
	}
	return 1 + int(w.next()%512)
}

// drop checks the whole list and cuts it to half.
func (w *worker) drop() {
	n := 0
	for b := w.list; b != nil; b = b.next {
		b.check("in a list")
		if n++; n == held/2 {
			b.next = nil
		}
	}
	w.size = n
}

// sumDown carries a pointer in every frame, so that a stack that moves or is
// preempted must keep all of them right.
//
//go:noinline
func sumDown(n int, b *block) int {
	var pad [64]byte
	pad[n%len(pad)] = b.data[0]
	if n == 0 {
		return 0
	}
	return sumDown(n-1, b) + int(pad[n%len(pad)])
}
