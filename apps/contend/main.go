// Command contend has many threads wait in calls for each other: for bytes in pipes
// whose descriptors are taken from under them, for futexes, for locks of a file, and
// all the while signals come in. Nobody may be forgotten, and no byte lost.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	rounds := flag.Int("rounds", 300, "how long each part takes, in turns")
	flag.Parse()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
	crowd := 2*runtime.GOMAXPROCS(0) + 2
	bytes(*rounds * 1000)
	baton(crowd, *rounds)
	counter(crowd, *rounds)
	fmt.Println("contend: nobody was forgotten")
}

// bytes sends n bytes through a pipe, in parts of all sizes, to a reader whose
// descriptor means another pipe, without writers, from time to time. A read that waits
// goes on with the one that it began with.
func bytes(n int) {
	var p, empty [2]int
	check(syscall.Pipe(p[:]))
	check(syscall.Pipe(empty[:]))
	check(syscall.Close(empty[1]))
	const number = 200
	check(syscall.Dup2(p[0], number))
	var busy sync.WaitGroup
	var done atomic.Bool
	var tids [2]atomic.Int32
	busy.Go(func() { // the writer
		runtime.LockOSThread()
		tids[0].Store(int32(syscall.Gettid()))
		b := make([]byte, 9000)
		for sent := 0; sent < n; {
			size := min(1+sent*7919%len(b), n-sent)
			for i := range size {
				b[i] = byte((sent + i) % 251)
			}
			w, err := syscall.Write(p[1], b[:size])
			if err == syscall.EINTR {
				continue
			}
			check(err)
			sent += w
		}
		check(syscall.Close(p[1]))
	})
	busy.Go(func() { // the reader
		runtime.LockOSThread()
		tids[1].Store(int32(syscall.Gettid()))
		b := make([]byte, 5000)
		for got := 0; got < n; {
			r, err := syscall.Read(number, b[:1+got%len(b)])
			if err == syscall.EINTR {
				continue
			}
			check(err)
			for i := range r {
				if want := byte((got + i) % 251); b[i] != want {
					check(fmt.Errorf("byte %d is %d, not %d", got+i, b[i], want))
				}
			}
			got += r
		}
		done.Store(true)
	})
	for !done.Load() {
		check(syscall.Dup2(empty[0], number))
		poke(&tids[0], &tids[1])
		check(syscall.Dup2(p[0], number))
		time.Sleep(200 * time.Microsecond)
	}
	busy.Wait()
	fmt.Printf("contend: %d bytes arrived in order\n", n)
}

// poke sends threads a signal, which a handler takes.
func poke(tids ...*atomic.Int32) {
	for _, t := range tids {
		if tid := t.Load(); tid != 0 {
			_, _, _ = syscall.Syscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(tid), uintptr(syscall.SIGUSR1))
		}
	}
}

const (
	futexWait = 0 | 128 // FUTEX_PRIVATE_FLAG
	futexWake = 1 | 128
)

// baton passes a baton around a circle of more goroutines than there are Ps. Each
// waits by futex(2), so that all Ps are in calls at times.
func baton(crowd, rounds int) {
	words := make([]uint32, crowd)
	var busy sync.WaitGroup
	for i := range crowd {
		busy.Go(func() {
			mine, next := &words[i], &words[(i+1)%crowd]
			for turn := uint32(1); turn <= uint32(rounds); turn++ {
				for atomic.LoadUint32(mine) != turn {
					futex(mine, futexWait, turn-1)
				}
				due := turn
				if i == crowd-1 {
					due++
				}
				atomic.StoreUint32(next, due)
				futex(next, futexWake, 1)
			}
		})
	}
	atomic.StoreUint32(&words[0], 1)
	futex(&words[0], futexWake, 1)
	busy.Wait()
	fmt.Printf("contend: the baton went %d times around\n", rounds)
}

func futex(word *uint32, op, value uint32) {
	_, _, e := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op), uintptr(value), 0, 0, 0)
	if e != 0 && e != syscall.EAGAIN && e != syscall.EINTR {
		check(e)
	}
}

// counter counts under a lock of a file, which each goroutine opens for itself, every
// other time by flock and by a lock of the open file.
func counter(crowd, rounds int) {
	path := filepath.Join(os.TempDir(), "contend")
	check(os.WriteFile(path, nil, 0o600))
	defer os.Remove(path)
	var whole, part int
	var busy sync.WaitGroup
	for range crowd {
		busy.Go(func() {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			check(err)
			defer f.Close()
			fd := int(f.Fd())
			for range rounds {
				check(again(func() error { return syscall.Flock(fd, syscall.LOCK_EX) }))
				whole++
				check(syscall.Flock(fd, syscall.LOCK_UN))
				check(again(func() error { return lock(f, syscall.F_WRLCK) }))
				part++
				check(lock(f, syscall.F_UNLCK))
			}
		})
	}
	busy.Wait()
	if whole != crowd*rounds || part != crowd*rounds {
		check(fmt.Errorf("counted %d and %d of %d", whole, part, crowd*rounds))
	}
	fmt.Printf("contend: counted under locks: true\n")
}

// lock waits for a lock of an open file on its first bytes (F_OFD_SETLKW).
func lock(f *os.File, kind int16) error {
	const ofdSetLkw = 38
	return syscall.FcntlFlock(f.Fd(), ofdSetLkw, &syscall.Flock_t{Type: kind, Len: 10})
}

func again(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Println("contend:", err)
		os.Exit(1)
	}
}
