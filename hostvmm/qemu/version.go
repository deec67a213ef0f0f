package qemu

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Info is what `doze doctor` shows of QEMU.
type Info struct {
	Path    string
	Version string
	Accels  []string // accelerators that it was built with
}

// Find looks for QEMU in PATH and asks for its version.
func Find(ctx context.Context) (Info, error) {
	path, err := exec.LookPath(Binary)
	if err != nil {
		return Info{}, ErrNotFound
	}
	version, err := ask(ctx, path, "--version")
	if err != nil {
		return Info{}, err
	}
	accels, err := ask(ctx, path, "-accel", "help")
	if err != nil {
		return Info{}, err
	}
	first, _, _ := strings.Cut(version, "\n")
	info := Info{Path: path, Version: strings.TrimPrefix(first, "QEMU emulator version ")}
	for _, line := range strings.Split(accels, "\n") {
		if name := strings.TrimSpace(line); name == KVM || name == TCG {
			info.Accels = append(info.Accels, name)
		}
	}
	return info, nil
}

func ask(ctx context.Context, path string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), err, oneLine(said.String()))
	}
	return string(out), nil
}
