package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/qemu"
	"github.com/doze-vm/doze/runtime_pv/port"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this host offers and what doze run will use",
		Long: `Says what this host offers: KVM and whether a guest really runs on it, QEMU, the
Go toolchain, limits; and which --vmm auto chooses, and why.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return examine(cmd.Context(), cmd.OutOrStdout())
		},
	}
}

// examine prints one line for each thing, and why it is not there.
func examine(ctx context.Context, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	facts, err := hostvmm.Probe()
	describeKVM(line, facts, err)
	describeQEMU(ctx, line)
	describeGo(ctx, line)
	describeLimits(line)
	b, err := backendFlags{vmm: vmmAuto}.choose()
	if err != nil {
		line("--vmm auto", "nothing: %v", err)
	} else {
		line("--vmm auto", "%v (%s)", b, b.why)
	}
	return w.Flush()
}

type printLine func(name, format string, args ...any)

func describeKVM(line printLine, f hostvmm.Facts, err error) {
	if err != nil {
		line("kvm", "not usable: %s", oneLine(err))
		return
	}
	line("kvm", "usable: backend %s, API %d, a guest that looks around took %v", f.Backend, f.APIVersion, f.Boot.Round(10_000))
	line("kvm guest", "%s", describeGuest(f.Guest))
	var list []string
	for _, c := range f.Capabilities {
		list = append(list, fmt.Sprintf("%s %d", c.Name, c.Value))
	}
	line("kvm features", "%s", strings.Join(list, ", "))
}

// describeGuest lists what this KVM gives a guest, and what it does not.
func describeGuest(g hostvmm.GuestFacts) string {
	var has, lacks []string
	for _, f := range []struct {
		name string
		ok   bool
	}{
		{"kvmclock", g.Clock}, {"one clock for all vCPUs", g.StableClock}, {"steal time", g.Steal},
		{"TSC-deadline timer", g.Deadline}, {"CPUID in ring 3", g.CPUID},
	} {
		if f.ok {
			has = append(has, f.name)
		} else {
			lacks = append(lacks, f.name)
		}
	}
	text := "has " + strings.Join(has, ", ")
	if len(lacks) > 0 {
		text += "; lacks " + strings.Join(lacks, ", ")
	}
	if !g.CPUID {
		text += " (it answers for the machine around this host; no machine of Doze decides by it)"
	}
	return text
}

func describeQEMU(ctx context.Context, line printLine) {
	info, err := qemu.Find(ctx)
	if err != nil {
		line("qemu", "not usable: %s", oneLine(err))
		return
	}
	line("qemu", "%s, accelerators %s (%s)", info.Version, strings.Join(info.Accels, ", "), info.Path)
	if err := (thisHost{}).kvmOpen(); err != nil {
		line("qemu with kvm", "not usable: %s", oneLine(err))
	} else if err := probeQEMU(qemu.MicroVM); err != nil {
		line("qemu with kvm", "not usable: %s", oneLine(err))
	} else {
		line("qemu with kvm", "usable: a guest of two instructions runs")
	}
}

func describeGo(ctx context.Context, line printLine) {
	tc, err := port.Find(ctx, "")
	if err == nil {
		err = port.CheckVersion(tc.Version)
	}
	if err != nil {
		line("go", "not usable: %s", oneLine(err))
		return
	}
	line("go", "%s (%s)", tc.Version, tc.GOROOT)
}

func describeLimits(line printLine) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		line("limits", "%d open files in a process (hard limit %d)", files.Cur, files.Max)
	}
}
