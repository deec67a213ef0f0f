package tests

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/doze-vm/doze/kernel/abi"
)

// A machine that doze did not start has no word about its CPUs on the command
// line: the firmware's tables say how many there are.
func TestCPUsAreFoundByTheFirmwaresTables(t *testing.T) {
	if tier := os.Getenv("DOZE_TIER"); tier != "" && tier != "qemu" {
		t.Skip("the qemu tier starts QEMU by hand")
	}
	if why := needsQEMU(); why != "" {
		t.Skip(why)
	}
	for _, c := range []struct {
		machine string
		cpus    int
	}{
		{"microvm,acpi=off", 3}, // MP table
		{"microvm,acpi=on", 3},  // MADT by XSDT
		{"q35", 3},              // MADT by RSDT
		{"pc", 2},
		{"q35", 64},
	} {
		t.Run(fmt.Sprintf("%s %d", c.machine, c.cpus), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var out bytes.Buffer
			cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-M", c.machine, "-accel", "tcg", "-cpu", "max",
				"-smp", fmt.Sprint(c.cpus), "-m", "256", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
				"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=4", abi.PortExit),
				"-kernel", app(t, "hello"), "-append", "-- hello")
			cmd.Stdout, cmd.Stderr = &out, &out
			_ = cmd.Run() // isa-debug-exit has a status of its own
			assert.Contains(t, out.String(), fmt.Sprintf(" %d CPU, ", c.cpus))
		})
	}
}
