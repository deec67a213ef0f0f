// Command cat copies its standard input to its standard output. With -sum it
// prints length and SHA-256 instead; with -lines N it stops after so many lines;
// with -poll it reads by the poller.
package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

func main() {
	sum := flag.Bool("sum", false, "print length and SHA-256 of the input")
	lines := flag.Int("lines", -1, "copy so many lines, then end")
	poll := flag.Bool("poll", false, "read by the poller, with a deadline")
	flag.Parse()
	switch {
	case *sum:
		h := sha256.New()
		n, err := io.Copy(h, os.Stdin)
		check(err)
		fmt.Printf("%d %x\n", n, h.Sum(nil))
	case *lines >= 0:
		in := bufio.NewScanner(os.Stdin)
		for range *lines {
			if !in.Scan() {
				break
			}
			fmt.Println(in.Text())
		}
	case *poll:
		polled()
	default:
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	}
}

// polled reads with O_NONBLOCK, as a program does that wants deadlines.
func polled() {
	check(syscall.SetNonblock(0, true))
	in := os.NewFile(0, "stdin")
	check(in.SetReadDeadline(time.Now().Add(100 * time.Millisecond)))
	_, err := in.Read(make([]byte, 1))
	fmt.Printf("deadline: %v\n", errors.Is(err, os.ErrDeadlineExceeded))
	check(in.SetReadDeadline(time.Time{}))
	_, err = io.Copy(os.Stdout, in)
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cat:", err)
		os.Exit(1)
	}
}
