package qemu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The probe's guest runs where any does: emulated, on both machines.
func TestTheProbesGuestRuns(t *testing.T) {
	if _, err := exec.LookPath(Binary); err != nil {
		t.Skip(err)
	}
	for _, m := range []string{MicroVM, Q35} {
		o, err := Options{Machine: m, Accel: TCG}.complete()
		require.NoError(t, err)
		assert.NoError(t, o.probe(t.Context()), m)
	}
}

// A QEMU that aborts, fails, hangs or ends at once is one that can't be used.
func TestQEMUsThatDoNotRunTheProbe(t *testing.T) {
	for script, want := range map[string]string{
		"echo 'kvm.c: kvm_buf_set_msrs: Assertion failed.' >&2; kill -ABRT $$": "ended with signal: aborted: kvm.c: kvm_buf_set_msrs: Assertion failed.",
		"echo '" + Binary + ": -accel kvm: not there' >&2; exit 1":             "ended with exit status 1: -accel kvm: not there",
		"exit 0":          "ended without running a guest",
		"exec sleep 1000": "did not run two instructions",
	} {
		name := filepath.Join(t.TempDir(), "qemu")
		require.NoError(t, os.WriteFile(name, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
		limit := probeLimit
		if strings.Contains(script, "sleep") {
			limit = 100 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		o, err := Options{Accel: TCG, Binary: name}.complete()
		require.NoError(t, err)
		assert.ErrorContains(t, o.probe(ctx), want, script)
		cancel()
	}
}
