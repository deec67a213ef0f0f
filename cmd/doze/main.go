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
	"github.com/spf13/pflag"
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
	fmt.Fprintln(os.Stderr, "doze: "+oneLine(seeHelp("doze", err)))
	return exitOwn
}

// oneLine returns the text of an error as one line. What follows a question or a colon
// belongs to it.
func oneLine(err error) string {
	var text strings.Builder
	for line := range strings.FieldsFuncSeq(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		switch before := text.String(); {
		case before == "":
		case strings.HasSuffix(before, "?"), strings.HasSuffix(before, ":"):
			text.WriteString(" ")
		default:
			text.WriteString("; ")
		}
		text.WriteString(line)
	}
	return text.String()
}

// seeHelp says of a flag or command that there is none where to find those that there are,
// unless cobra guessed what was meant.
func seeHelp(command string, err error) error {
	text := err.Error()
	if !strings.HasPrefix(text, "unknown ") || strings.Contains(text, "\n") || strings.Contains(text, "--help") {
		return err
	}
	return fmt.Errorf("%w (see %s --help)", err, command)
}

// flagError says which command did not take a flag.
func flagError(cmd *cobra.Command, err error) error {
	err = seeHelp(cmd.CommandPath(), err)
	if !cmd.HasParent() {
		return err
	}
	return fmt.Errorf("%s: %w", cmd.Name(), err)
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
	root.SetFlagErrorFunc(flagError)
	cobra.AddTemplateFunc("flagsOf", flagsOf)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".LocalFlags.FlagUsages", "flagsOf .LocalFlags"))
	root.AddCommand(newBuild(), newRun(), newTest(), newTestMachine(), newDensity(), newDensityWorker(), newGoroot(), newDoctor(), newVersion(),
		newPS(), newStats(), newTop(), newBalloon(), newCPUs(), newPause(), newResume(), newStop(), newProfile())
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true // each line of usage says where its flags stand
	}
	return root
}

// flagsOf is the table of flags in a command's help. pflag writes the values that a
// switch takes, --help[=true|false]: nobody needs them, and spaces keep the columns.
func flagsOf(flags *pflag.FlagSet) string {
	const values = "[=true|false]"
	return strings.ReplaceAll(flags.FlagUsages(), values, strings.Repeat(" ", len(values)))
}
