package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/doze-vm/doze/kernel/linux"
	"github.com/doze-vm/doze/kernel/strace"
)

// callsValue is a flag's list of calls, as strace takes it. It is empty if none are
// meant, and "all" if the flag has no value.
type callsValue string

const allCalls = "all"

// Set takes a list that names only calls and classes of calls.
func (v *callsValue) Set(s string) error {
	var f strace.Filter
	if unknown, ok := f.Set(s); !ok {
		return fmt.Errorf("%q is no call and no class of calls: use names as openat, or %s, all, none; ! before the list for all others",
			unknown, strings.Join(linux.ClassNames[:], ", "))
	}
	*v = callsValue(s)
	return nil
}

func (v *callsValue) String() string { return string(*v) }

// Type is what help calls the value.
func (v *callsValue) Type() string { return "calls" }

// addStrace adds the flag that chooses calls to be printed.
func addStrace(flags *pflag.FlagSet, calls *string) {
	flags.Var((*callsValue)(calls), "strace", "print calls of the program on stderr: all, or those of a list as file,network,futex or !clock")
	flags.Lookup("strace").NoOptDefVal = allCalls
}
