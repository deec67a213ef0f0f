package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Exit statuses of our own, those of timeout(1) and env(1).
const (
	statusTimeout = 124
	statusError   = 125
)

// defaultCPUs is 1 since QEMU 7.2 with two emulated CPUs sometimes leaves a guest
// of SVM with the host's registers: a triple fault or an endless exception in
// about one boot of 500. With one CPU that was not seen in 1,000 boots.
const defaultCPUs = 1

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// options are what the command line says.
type options struct {
	files, env list
	program    string
	args       []string
	memory     int
	cpus       int
	append     string
	verbose    bool
	timeout    time.Duration
}

func main() {
	status, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nested:", err)
	}
	os.Exit(status)
}

func parse() (options, error) {
	var o options
	flag.Var(&o.files, "file", "`SRC[:DST]`: file or folder to put into the machine; DST is relative to /work, and the base name of SRC unless given; repeatable")
	flag.Var(&o.env, "env", "`NAME=VALUE` for the program's environment; repeatable")
	flag.IntVar(&o.memory, "memory", 2048, "memory of the outer machine in `MiB`")
	flag.IntVar(&o.cpus, "cpus", defaultCPUs, "CPUs of the outer machine")
	flag.StringVar(&o.append, "append", "", "more `words` for the outer kernel's command line")
	flag.BoolVar(&o.verbose, "v", false, "show the outer kernel's messages")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "give up after this `time`")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: run [flags] PROGRAM [ARG]...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		return o, errors.New("which program shall run? Name a static executable")
	}
	o.program, o.args = flag.Arg(0), flag.Args()[1:]
	return o, nil
}

func run() (int, error) {
	o, err := parse()
	if err != nil {
		return statusError, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	host, err := findHost(ctx)
	if err != nil {
		return statusError, err
	}
	dir, err := os.MkdirTemp("", "doze-nested-")
	if err != nil {
		return statusError, err
	}
	defer os.RemoveAll(dir)
	initrd, err := buildInitramfs(host, o, dir)
	if err != nil {
		return statusError, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return boot(ctx, host, o, dir, initrd)
}
