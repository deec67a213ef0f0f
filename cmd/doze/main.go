// Command doze turns Go programs into virtual machines that really sleep, and
// runs them. Each subcommand is a short file that calls a library.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/spf13/cobra"
)

// exitOwn is the exit status of doze's own errors; a guest's status is passed
// on as it is (as env, nice and docker do).
const exitOwn = 125

// exitStatus is an error that carries the guest's exit status.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case ctx.Err() != nil:
		return vm.Interrupted(ctx)
	}
	fmt.Fprintln(os.Stderr, "doze: "+oneLine(err))
	return exitOwn
}

// oneLine returns the text of an error as one line.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "doze",
		Short: "Turn a Go program into a virtual machine that really sleeps",
		Long: `Doze turns any pure-Go program into a bootable image and runs it as a virtual
machine that costs nothing while it sleeps.

Exit status: that of the program in the machine; 125 for errors of doze itself,
wrong usage included.`,
		Version:       ownVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate(versions())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newBuild(), newRun(), newTest(), newTestMachine(), newDensity(), newDensityWorker(), newGoroot(), newDoctor(), newVersion(),
		newPS(), newStats(), newTop(), newBalloon(), newCPUs(), newPause(), newResume(), newStop(), newProfile())
	return root
}
