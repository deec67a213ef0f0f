package hostvmm

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

const testMemory = 8 << 20

// limit is far more than any of these guests needs.
const limit = time.Minute

func runCode(t *testing.T, code *guesttest.Code) (res vm.Result, stdout, stderr string) {
	t.Helper()
	guesttest.NeedKVM(t)
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	res, err := Run(ctx, vm.Config{Image: guesttest.WriteImage(t, code.Bytes()), Memory: testMemory,
		CPUs: 1, Stdout: &out, Stderr: &errs})
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "the guest did not end")
	return res, out.String(), errs.String()
}

// newMachine makes a machine that is closed with the test.
func newMachine(t *testing.T, code *guesttest.Code) *Machine {
	t.Helper()
	guesttest.NeedKVM(t)
	im, err := loader.Open(guesttest.WriteImage(t, code.Bytes()))
	require.NoError(t, err)
	defer im.Close()
	h, err := OpenHost()
	require.NoError(t, err)
	defer h.Close()
	m, err := New(h, im, vm.Config{Image: "test", Memory: testMemory, CPUs: 1}, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// end is how a guest says that it ended with a status.
func end(c *guesttest.Code, line string) *guesttest.Code {
	return c.Text(abi.PortControl, line+"\n").Out8(abi.PortExit, 0)
}

func TestExitStatusAndSerialPorts(t *testing.T) {
	c := new(guesttest.Code).Text(abi.PortCOM1, "out\n").Text(abi.PortCOM2, "err\n")
	res, out, errs := runCode(t, end(c, "exit 7"))
	require.Equal(t, 7, res.ExitCode)
	require.Nil(t, res.Crash)
	require.Equal(t, "out\n", out)
	require.Equal(t, "err\n", errs)
}

func TestStringOutput(t *testing.T) {
	c := new(guesttest.Code).Stack(0x200000).Line(abi.PortCOM1, "several bytes an exit").Line(abi.PortControl, "exit 3\n")
	res, out, _ := runCode(t, c.Out8(abi.PortExit, 0))
	require.Equal(t, 3, res.ExitCode)
	require.Equal(t, "several bytes an exit", out)
}

func TestYieldsAreServedAndCounted(t *testing.T) {
	c := new(guesttest.Code)
	for range 3 {
		c.Out8(abi.PortYield, 0)
	}
	res, _, _ := runCode(t, end(c, "exit 0"))
	require.Equal(t, 0, res.ExitCode)
	require.Contains(t, res.Stats, vm.Stat{Name: "  yield", Value: "3"})
}

func TestLineStatusSaysEmpty(t *testing.T) {
	res, out, _ := runCode(t, end(new(guesttest.Code).In8(abi.PortCOM1+uartLSR).OutAL(abi.PortCOM1), "exit 0"))
	require.Equal(t, 0, res.ExitCode)
	require.Equal(t, "\x60", out)
}

// A writer that does not return holds up nobody: the end of ctx ends Run.
func TestWriterThatNeverReturns(t *testing.T) {
	guesttest.NeedKVM(t)
	c := new(guesttest.Code)
	loop := c.Here()
	c.Text(abi.PortCOM1, "text").Jump(loop)
	stuck := &stuckWriter{called: make(chan struct{}), release: make(chan struct{})}
	defer close(stuck.release)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := Run(ctx, vm.Config{Image: guesttest.WriteImage(t, c.Bytes()), Memory: testMemory, CPUs: 1, Stdout: stuck})
		ended <- err
	}()
	<-stuck.called
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(limit):
		require.Fail(t, "Run waits for its writer")
	}
}

// stuckWriter says that it was called, and then waits.
type stuckWriter struct {
	once            sync.Once
	called, release chan struct{}
}

func (w *stuckWriter) Write(b []byte) (int, error) {
	w.once.Do(func() { close(w.called) })
	<-w.release
	return len(b), nil
}

func TestConsoles(t *testing.T) {
	const descs, avail, used, text = 0x201000, 0x202000, 0x203000, 0x204000
	c := new(guesttest.Code)
	for i, word := range []uint64{0x6f206f7420796153, 0x7272652074756f20} { // 8 letters each
		base := uint32(abi.VirtioBase + i*abi.PageSize)
		off := uint32(i * 0x100) // what a device has stays as it is
		c.Store(text+off, word)
		for _, w := range [][2]uint32{{0x70, 0}, {0x70, 3}, {0x24, 1}, {0x20, 1}, {0x70, 11}, {0x30, 1}, {0x38, 8},
			{0x80, descs + off}, {0x90, avail + off}, {0xa0, used + off}, {0x44, 1}, {0x70, 15}} {
			c.Store32(base+w[0], w[1])
		}
		c.Store(descs+off, uint64(text+off)).Store(descs+off+8, 8)
		c.Store(avail+off, uint64(1)<<16).Store(used+off, 0)
		c.Store32(base+0x50, 1)
	}
	res, out, errs := runCode(t, end(c, "exit 0"))
	require.Equal(t, 0, res.ExitCode)
	require.Equal(t, "Say to o", out)
	require.Equal(t, " out err", errs)
}

func TestGuestError(t *testing.T) {
	guesttest.NeedKVM(t)
	code := end(new(guesttest.Code), "error no such thing")
	_, err := Run(t.Context(), vm.Config{Image: guesttest.WriteImage(t, code.Bytes()), Memory: testMemory})
	require.EqualError(t, err, "no such thing")
}

func TestCrashes(t *testing.T) {
	for name, c := range map[string]struct {
		code *guesttest.Code
		want string
	}{
		"triple fault": {new(guesttest.Code).UD2(), "triple fault"},
		"port":         {new(guesttest.Code).Out8(0x1234, 1), "OUT to port 0x1234, where nothing is"},
		"in":           {new(guesttest.Code).In8(0x1235), "IN from port 0x1235, where nothing is"},
		"mmio":         {new(guesttest.Code).Load32(abi.VirtioBase + 0x10000), "access to guest-physical address 0xfeb10000"},
		"below":        {new(guesttest.Code).Load32(abi.VirtioBase - 4), "access to guest-physical address 0xfeaffffc"},
		"silence":      {new(guesttest.Code).Out8(abi.PortExit, 1), "ended without"},
		"said":         {end(new(guesttest.Code), "crash on purpose\nreg rax 2a\npc 400000"), "on purpose"},
	} {
		t.Run(name, func(t *testing.T) {
			res, _, _ := runCode(t, c.code)
			require.Equal(t, crashStatus, res.ExitCode)
			require.NotNil(t, res.Crash)
			require.Contains(t, res.Crash.Text, c.want)
		})
	}
}

func TestCrashHasRegisters(t *testing.T) {
	res, _, _ := runCode(t, new(guesttest.Code).Out32(0x1234, 0xabcdef))
	require.Contains(t, res.Crash.Regs, vm.Reg{Name: "rax", Value: 0xabcdef})
	require.NotEmpty(t, res.Crash.PCs)
	require.InDelta(t, abi.BlobBase, res.Crash.PCs[0], 0x1000)
}

// parkFor is a guest that parks n times, each for step, from the time at start.
const startAt = 0x200000

func parkFor(n, step uint32) *guesttest.Code {
	c := new(guesttest.Code)
	c.Repeat(n, func() {
		c.LoadRAX(startAt).AddStore(step, startAt).AddStore(0, abi.VCPUPage0+abi.ParkDue).Out8(abi.PortPark, 0)
	})
	return end(c, "exit 0")
}

func TestParkUntilDeadline(t *testing.T) {
	const n, step = 5, 20 * time.Millisecond
	m := newMachine(t, parkFor(n, uint32(step)))
	start := m.now()
	binary.LittleEndian.PutUint64(m.mem[startAt:], start)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	res, err := m.Run(ctx)
	require.NoError(t, err)
	require.NoError(t, ctx.Err())
	require.Equal(t, 0, res.ExitCode)
	require.GreaterOrEqual(t, m.now()-start, uint64(n*step), "woke early")
	s := m.Stats()
	require.EqualValues(t, n, s.Park.Parks)
	require.Equal(t, s.Park.Sleeps, s.Wakeups())
	require.EqualValues(t, n, s.Exits["park"])
	t.Logf("kernel counters: %v; %v", m.Stats().List(), res.Stats)
}

func TestRaiseWakes(t *testing.T) {
	c := new(guesttest.Code)
	start := c.Here()
	c.Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0)
	c.Exchange0(abi.VCPUPage0 + abi.ParkPending).JumpZero(start)
	m := newMachine(t, end(c, "exit 9"))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	go func() {
		for !m.Parked() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		m.Raise(abi.EventKick)
	}()
	res, err := m.Run(ctx)
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "the kick did not arrive")
	require.Equal(t, 9, res.ExitCode)
	require.EqualValues(t, 1, m.Stats().Park.Events)
	require.False(t, m.Running())
}

func TestKickOfOneself(t *testing.T) {
	c := new(guesttest.Code).Out32(abi.PortKick, 0).Out32(abi.PortKick, 77).
		Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0)
	res, _, _ := runCode(t, end(c, "exit 4"))
	require.Equal(t, 4, res.ExitCode)
}

// Guests that don't end by themselves are ended by a signal.
func TestSignalEndsAnyGuest(t *testing.T) {
	spin := new(guesttest.Code)
	spin.Jump(spin.Here())
	halt := new(guesttest.Code).Halt()
	sleep := new(guesttest.Code).Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0)
	for name, code := range map[string]*guesttest.Code{"spin": spin, "halt": halt, "park": sleep} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, code)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				for !m.Running() {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(50 * time.Millisecond)
				cancel(vm.Signal(syscall.SIGINT))
			}()
			res, err := m.Run(ctx)
			require.NoError(t, err)
			require.Equal(t, 130, res.ExitCode)
		})
	}
}

func TestWallClockIsKept(t *testing.T) {
	m := newMachine(t, end(new(guesttest.Code), "exit 0"))
	_, err := m.Run(t.Context())
	require.NoError(t, err)
	seq := binary.LittleEndian.Uint32(m.mem[abi.MachinePage+abi.MachineWallSeq:])
	require.NotZero(t, seq)
	require.Zero(t, seq&1)
	offset := int64(binary.LittleEndian.Uint64(m.mem[abi.MachinePage+abi.MachineWall:]))
	require.WithinDuration(t, time.Now(), time.Unix(0, int64(m.now())+offset), time.Second)
}

func TestManyMachinesOfOneImage(t *testing.T) {
	code := new(guesttest.Code).Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0)
	var done []chan error
	ctx, cancel := context.WithCancel(t.Context())
	for range 10 {
		m := newMachine(t, code)
		end := make(chan error)
		done = append(done, end)
		go func() { _, err := m.Run(ctx); end <- err }()
		require.Eventually(t, m.Parked, limit, time.Millisecond)
	}
	cancel()
	for _, end := range done {
		require.NoError(t, <-end)
	}
}

func TestBadConfigs(t *testing.T) {
	image := guesttest.WriteImage(t, nil)
	im, err := loader.Open(image)
	require.NoError(t, err)
	defer im.Close()
	for want, c := range map[string]vm.Config{
		"too small":        {Memory: 1 << 20},
		"at most 64":       {Memory: testMemory, CPUs: 65},
		"at most 3840 MiB": {Memory: 8 << 30},
		"multiple of 4096": {Memory: testMemory + 1},
	} {
		require.ErrorContains(t, checkConfig(im, c), want)
	}
	_, err = Run(t.Context(), vm.Config{Image: filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestProbe(t *testing.T) {
	guesttest.NeedKVM(t)
	f, err := Probe()
	require.NoError(t, err)
	require.Equal(t, 12, f.APIVersion)
	require.True(t, f.Guest.Clock, "every KVM has kvmclock")
	t.Logf("%+v", f)
}
