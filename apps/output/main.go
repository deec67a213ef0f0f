// Command output prints in ways that try a host which does not keep up:
//
//	output ticker  prints lines as fast as they are taken, beside a ticker that
//	               counts on standard error
//	output much N  prints N bytes of a known pattern, and says on standard error
//	               how many were taken
//	output exit    fills standard output until it takes no more, then exits with
//	               status 7 from another goroutine
//	output error   prints a line, and says on standard error what came of it
//	output lines   prints lines from several goroutines at a time
//	output rate    prints 5,000 lines, and says on standard error how long each took
//	output asks    prints without end, then reads a line of standard input and says it on
//	               standard error
//	output calls   makes write(2) itself from more threads than the kernel has tickets,
//	               until all is written or the host takes no more
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "ticker":
		ticker()
	case "much":
		n, err := strconv.Atoi(os.Args[2])
		check(err)
		much(n)
	case "exit":
		exit()
	case "error":
		_, err := os.Stdout.WriteString("a line\n")
		fmt.Fprintln(os.Stderr, "errno:", number(err))
	case "lines":
		lines()
	case "rate":
		rate()
	case "asks":
		asks()
	case "calls":
		calls()
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "output:", err)
		os.Exit(2)
	}
}

// number is an error's number, 0 without one.
func number(err error) int {
	var e syscall.Errno
	if errors.As(err, &e) {
		return int(e)
	}
	return 0
}

func rate() {
	const n = 5000
	start := time.Now()
	for i := range n {
		_, err := fmt.Println("line number", i)
		check(err)
	}
	fmt.Fprintf(os.Stderr, "%.1f us a line\n", float64(time.Since(start).Nanoseconds())/1000/n)
}

func ticker() {
	go func() {
		for i := 0; ; i++ {
			if _, err := fmt.Println("line", i); err != nil {
				fmt.Fprintln(os.Stderr, "output:", err)
			}
		}
	}()
	for n := 1; ; n++ {
		time.Sleep(100 * time.Millisecond)
		fmt.Fprintln(os.Stderr, "tick", n)
	}
}

// much prints bytes of which each is told by its place.
func much(n int) {
	b := make([]byte, 32<<10)
	done := 0
	for done < n {
		part := b[:min(len(b), n-done)]
		for i := range part {
			part[i] = byte((done + i) * 7 / 5)
		}
		k, err := os.Stdout.Write(part)
		done += k
		check(err)
	}
	fmt.Fprintln(os.Stderr, "written:", done)
}

func exit() {
	var mu sync.Mutex
	last := time.Now()
	go func() {
		for line := make([]byte, 1000); ; {
			_, err := os.Stdout.Write(line)
			check(err)
			mu.Lock()
			last = time.Now()
			mu.Unlock()
		}
	}()
	for {
		time.Sleep(50 * time.Millisecond)
		mu.Lock()
		stuck := time.Since(last) > 500*time.Millisecond
		mu.Unlock()
		if stuck {
			fmt.Fprintln(os.Stderr, "exits")
			os.Exit(7)
		}
	}
}

func lines() {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 500 {
				fmt.Println("goroutine", i, "line", n)
			}
		})
	}
	wg.Wait()
}

// calls writes without os.Stdout's lock, so that many threads wait at a time.
func calls() {
	const threads, lines, size = 30, 100, 997
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			line := append(bytes.Repeat([]byte{'A' + byte(i)}, size-1), '\n')
			for range lines {
				for left := line; len(left) > 0; {
					n, err := syscall.Write(1, left)
					if err != nil {
						return
					}
					left = left[n:]
				}
			}
		})
	}
	wg.Wait()
}

// asks looks for input for the first time when the host takes no more output.
func asks() {
	go func() {
		for line := make([]byte, 1000); ; {
			_, err := os.Stdout.Write(line)
			check(err)
		}
	}()
	time.Sleep(500 * time.Millisecond)
	text, err := bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	fmt.Fprintf(os.Stderr, "read %q\n", text)
	os.Exit(0)
}
