package main

import (
	"context"
	"syscall"
	"testing"

	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A test finds a bare system, whatever the host has set.
func TestTestEnvironment(t *testing.T) {
	t.Setenv("GODEBUG", "x=1")
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("TMPDIR", "/somewhere")
	m := testMachine{GOROOT: "/derived", Env: []string{"A=B", "GODEBUG=y=2"}}
	env := m.environment("/pkg")
	assert.Subset(t, env, []string{"PWD=/pkg", "GOROOT=/derived", "GODEBUG=x=1", "A=B"})
	assert.Equal(t, "GODEBUG=y=2", env[len(env)-1], "what the user says counts last")
	for _, e := range env {
		assert.NotRegexp(t, "^(PATH|TMPDIR|GOFLAGS)=", e)
	}
}

func TestUntilQuit(t *testing.T) {
	ctx, stop := untilQuit(t.Context())
	defer stop()
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGQUIT))
	<-ctx.Done()
	assert.ErrorIs(t, context.Cause(ctx), vm.Signal(syscall.SIGQUIT))
}

func TestMemoryOfATest(t *testing.T) {
	assert.EqualValues(t, 513<<20, (&testMachine{}).memory(1))
	assert.EqualValues(t, 612<<20, (&testMachine{}).memory(100<<20))
	assert.EqualValues(t, 64<<20, (&testMachine{Memory: 64 << 20}).memory(100<<20))
}
