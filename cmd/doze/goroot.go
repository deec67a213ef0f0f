package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newGoroot() *cobra.Command {
	return &cobra.Command{
		Use:   "goroot",
		Short: "Print the path of the GOROOT that images are built with",
		Long: `Prints the path of the derived GOROOT for the toolchain of the current folder,
and makes it if needed. For editors and other tools:

  GOROOT=$(doze goroot) GOTOOLCHAIN=local CGO_ENABLED=0 go build ./...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, root, err := derive(cmd.Context(), "")
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), root)
			return nil
		},
	}
}
