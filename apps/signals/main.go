// Command signals says which signals reach it. It prints "ready", then a line for
// each that comes, and ends at SIGTERM with status 7. With -default it
// takes none, with -stubborn it does not end, and with -spin a goroutine keeps
// the CPU busy meanwhile.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const status = 7

// turns is what the busy goroutine counts.
var turns [2]uint64

func main() {
	ignore := flag.Bool("default", false, "leave signals their default actions")
	stubborn := flag.Bool("stubborn", false, "do not end at SIGTERM")
	spin := flag.Bool("spin", false, "keep the CPU busy")
	flag.Parse()
	ch := make(chan os.Signal, 8)
	if !*ignore {
		signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	}
	if *spin {
		go func() {
			for n := byte(0); ; n++ {
				turns[n&1]++
			}
		}()
	}
	fmt.Println("ready")
	if *ignore {
		time.Sleep(time.Hour)
	}
	for s := range ch {
		fmt.Println(s)
		if s == syscall.SIGTERM && !*stubborn {
			os.Exit(status)
		}
	}
}
