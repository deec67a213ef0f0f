package hostvmm

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// Guests of pauses: one that never stops and one that sleeps for ever.
func pausable() map[string]*guesttest.Code {
	spin := new(guesttest.Code)
	top := spin.Here()
	spin.AddStore(1, abi.LowEnd).Jump(top)
	sleep := new(guesttest.Code)
	start := sleep.Here()
	sleep.Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0).Exchange0(abi.VCPUPage0 + abi.ParkPending).JumpZero(start)
	return map[string]*guesttest.Code{"spin": spin, "park": end(sleep, "exit 9")}
}

// started runs a machine in the background.
func started(t *testing.T, m *Machine) (stop func() vm.Result) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan vm.Result)
	go func() {
		res, err := m.Run(ctx)
		require.NoError(t, err)
		done <- res
	}()
	require.Eventually(t, m.Running, limit, time.Millisecond)
	return func() vm.Result { cancel(); return <-done }
}

func TestPauseStopsTheGuest(t *testing.T) {
	for name, code := range pausable() {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, code)
			require.ErrorIs(t, m.Pause(), errGone, "before it runs")
			stop := started(t, m)
			counter := func() uint64 { return binary.LittleEndian.Uint64(m.mem[abi.LowEnd:]) }
			for range 20 {
				require.NoError(t, m.Pause())
				require.NoError(t, m.Pause(), "twice is once")
				require.True(t, m.Paused())
				before, sleeps := counter(), m.Stats().Park
				time.Sleep(5 * time.Millisecond)
				require.Equal(t, before, counter(), "the guest ran during a pause")
				require.Equal(t, sleeps.Parks, m.Stats().Park.Parks)
				require.NoError(t, m.Resume())
				require.NoError(t, m.Resume())
				require.False(t, m.Paused())
				if name == "spin" {
					require.Eventually(t, func() bool { return counter() != before }, limit, time.Millisecond)
				}
			}
			require.Zero(t, m.Stats().Park.Events, "a pause woke the guest")
			stop()
			require.ErrorIs(t, m.Pause(), errGone)
			require.ErrorIs(t, m.Resume(), errGone)
		})
	}
}

// What comes during a pause is found after it, and nothing of it before.
func TestAnEventWaitsForTheEndOfAPause(t *testing.T) {
	m := newMachine(t, pausable()["park"])
	stop := started(t, m)
	require.Eventually(t, m.Parked, limit, time.Millisecond)
	require.NoError(t, m.Pause())
	m.Raise(abi.EventKick)
	time.Sleep(20 * time.Millisecond)
	require.True(t, m.Running())
	require.NoError(t, m.Resume())
	require.Eventually(t, func() bool { return !m.Running() }, limit, time.Millisecond)
	require.Equal(t, 9, stop().ExitCode)
}

func TestAPausedMachineCanBeStopped(t *testing.T) {
	for name, code := range pausable() {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, code)
			stop := started(t, m)
			require.NoError(t, m.Pause())
			require.NotZero(t, stop().ExitCode)
		})
	}
}
