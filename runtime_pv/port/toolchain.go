package port

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Toolchain is a Go installation.
type Toolchain struct {
	Version string // as `go env GOVERSION` prints it
	GOROOT  string
}

// Find returns the toolchain that the go command would use in dir. A go.mod or
// go.work there may ask for another one than the go command found in PATH; the
// go command then fetches it, and what is derived must be that one.
// extra is added to the environment.
func Find(ctx context.Context, dir string, extra ...string) (Toolchain, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "-json", "GOVERSION", "GOROOT")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), extra...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return Toolchain{}, errors.New("no go command in PATH: install Go from https://go.dev/dl")
	case err != nil:
		return Toolchain{}, fmt.Errorf("go env: %s", message(stderr.Bytes(), err))
	}
	var env struct{ GOVERSION, GOROOT string }
	if err := json.Unmarshal(out, &env); err != nil {
		return Toolchain{}, fmt.Errorf("go env: %w", err)
	}
	if complete(env.GOROOT) {
		return Toolchain{}, fmt.Errorf("GOROOT is %s, which Doze derived: unset GOROOT", env.GOROOT)
	}
	return Toolchain{Version: env.GOVERSION, GOROOT: env.GOROOT}, nil
}

// cancelDelay is how long an interrupted go command may take to clean up.
const cancelDelay = 5 * time.Second

// Command returns a go command that runs in dir with the derived tree root and
// builds for a Doze machine. Variables that would lead it elsewhere are set.
func (tc Toolchain) Command(ctx context.Context, root, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(tc.GOROOT, "bin", "go"), args...)
	// The go command removes its temporary files when it is interrupted.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = cancelDelay
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GOROOT="+root,
		"GOTOOLCHAIN=local",
		"GOOS=linux",
		"GOARCH=amd64",
		"CGO_ENABLED=0",
	)
	if dir != "" {
		cmd.Env = append(cmd.Env, "PWD="+dir)
	}
	return cmd
}

// message makes one line of what a command wrote before it failed.
func message(stderr []byte, err error) string {
	text := strings.TrimSpace(string(stderr))
	if text == "" {
		return err.Error()
	}
	lines := strings.Split(text, "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "go: ")
}
