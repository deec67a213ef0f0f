package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/doze-vm/doze/kernel/abi"
	"github.com/doze-vm/doze/runtime_pv/port"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of doze and of what it works with",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versions())
			return err
		},
	}
}

// versions is what both `doze version` and --version print.
func versions() string {
	return fmt.Sprintf("doze %s (built with %s)\nmachine contract: version %d\nGo for images: %s\n",
		ownVersion(), runtime.Version(), abi.Version, port.Supported())
}

// ownVersion is the module's version, or the commit it was built from.
func ownVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
