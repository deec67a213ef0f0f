// Command clocks compares a guest's clocks with the host's: the monotonic one
// with CLOCK_MONOTONIC_RAW, at whose rate kvmclock runs, the wall clock with
// CLOCK_REALTIME. Half-way it may stop the VMM, and everything it started, for a
// while.
//
//	clocks [-for 60s] [-stop 5s] COMMAND...
//
// COMMAND runs apps/clock; -drift and -every are added. A line arrives late by
// an unknown time but never early, so the least lag of several lines counts. It
// prints what it measured and judges nothing.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const every = 250 * time.Millisecond

// stamp is a line of the guest with the host's clocks at its arrival, in ns.
type stamp struct {
	Monotonic int64 `json:"mono_ns"`
	Wall      int64 `json:"wall_ns"`
	raw, real int64
}

func (s stamp) lag() int64     { return s.raw - s.Monotonic }
func (s stamp) wallLag() int64 { return s.real - s.Wall }

func main() {
	length := flag.Duration("for", time.Minute, "how long the guest prints stamps")
	stop := flag.Duration("stop", 0, "stop the VMM for so long half-way (SIGSTOP)")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*length, *stop, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "clocks:", err)
		os.Exit(1)
	}
}

func run(length, stop time.Duration, command []string) error {
	args := append(command[1:], "-drift", length.String(), "-every", every.String())
	cmd := exec.Command(command[0], args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stopped := make(chan int64, 1) // raw time at which the VMM went on
	if stop > 0 {
		time.AfterFunc(length/2, func() {
			all := tree(cmd.Process.Pid)
			signal(all, unix.SIGSTOP)
			time.Sleep(stop)
			stopped <- clock(unix.CLOCK_MONOTONIC_RAW)
			signal(all, unix.SIGCONT)
		})
	}
	stamps, err := collect(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return err
	}
	if len(stamps) < 8 {
		return fmt.Errorf("only %d stamps: use a longer time", len(stamps))
	}
	quarter := len(stamps) / 4
	first, last := stamps[:quarter], stamps[len(stamps)-quarter:]
	fmt.Printf("monotonic: drift %v against CLOCK_MONOTONIC_RAW over %v\n",
		ns(least(last, stamp.lag)-least(first, stamp.lag)), ns(stamps[len(stamps)-1].raw-stamps[0].raw))
	fmt.Printf("wall: behind by at most %v at first, %v at the end\n", ns(least(first, stamp.wallLag)), ns(least(last, stamp.wallLag)))
	if stop > 0 {
		report(stamps, <-stopped, first)
	}
	return nil
}

// report says how far the clocks were off in the first lines after the stop.
func report(stamps []stamp, resumed int64, first []stamp) {
	for i, s := range stamps {
		if s.raw >= resumed && i+4 <= len(stamps) {
			after := stamps[i : i+4]
			fmt.Printf("after the stop: monotonic off by %v, wall behind by at most %v\n",
				ns(least(after, stamp.lag)-least(first, stamp.lag)), ns(least(after, stamp.wallLag)))
			return
		}
	}
	fmt.Println("after the stop: too few stamps to tell")
}

// tree is a process and all that it started: QEMU has a process group of its
// own.
func tree(pid int) []int {
	all := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, tree(n)...)
			}
		}
	}
	return all
}

func signal(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil {
			fmt.Fprintf(os.Stderr, "clocks: %v to process %d: %v\n", sig, pid, err)
		}
	}
}

func collect(out io.Reader) (stamps []stamp, err error) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		s := stamp{raw: clock(unix.CLOCK_MONOTONIC_RAW), real: clock(unix.CLOCK_REALTIME)}
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("%q is no stamp: %w", lines.Text(), err)
		}
		stamps = append(stamps, s)
	}
	return stamps, lines.Err()
}

func clock(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		panic(err) // both clocks exist on every Linux
	}
	return ts.Nano()
}

func least(stamps []stamp, lag func(stamp) int64) int64 {
	m := lag(stamps[0])
	for _, s := range stamps[1:] {
		m = min(m, lag(s))
	}
	return m
}

func ns(v int64) time.Duration { return time.Duration(v).Round(time.Microsecond) }
