package account

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/drivers/pvclock"
	"github.com/doze-vm/doze/hostvmm/thread"
	"github.com/doze-vm/doze/hostvmm/vm"
)

func stolen(a []byte) uint64  { return binary.LittleEndian.Uint64(a[pvclock.StealTime:]) }
func version(a []byte) uint32 { return binary.LittleEndian.Uint32(a[pvclock.StealVersion:]) }

// burn uses CPU time of the calling thread.
func burn(t *testing.T, d time.Duration) {
	start, err := thread.CPU(0)
	require.NoError(t, err)
	for {
		now, err := thread.CPU(0)
		require.NoError(t, err)
		if now-start >= uint64(d) {
			return
		}
	}
}

func TestThreadsAddUp(t *testing.T) {
	a := New(nil)
	const each = 20 * time.Millisecond
	for range 3 { // each time another thread: a locked goroutine that ends takes its thread along
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			burn(t, each) // not the vCPU's
			a.Enter()
			burn(t, each)
			a.Leave()
			burn(t, each) // not either
		}()
		<-done
	}
	ran := time.Duration(a.Times().Run)
	assert.GreaterOrEqual(t, ran, 3*each)
	assert.Less(t, ran, 6*each, "what the threads did besides is not counted")
	before := a.Times()
	a.Leave()
	assert.Equal(t, before, a.Times(), "a second Leave changes nothing")
}

func TestWithheldTimeIsStolen(t *testing.T) {
	area := make([]byte, pvclock.StealSize)
	binary.LittleEndian.PutUint32(area[pvclock.StealVersion:], 6)
	binary.LittleEndian.PutUint64(area[pvclock.StealTime:], 100)
	a := New(area)
	a.Withheld(0)
	assert.Equal(t, uint32(6), version(area), "nothing was written")
	a.Withheld(time.Second)
	assert.Equal(t, uint64(100+time.Second), stolen(area))
	assert.Equal(t, uint32(8), version(area), "even: the guest may read it")
	assert.Equal(t, vm.CPU{Steal: uint64(time.Second)}, a.Times())
}

// KVM adds the whole delay of a thread that it sees for the first time: Enter takes it away
// before, and adds what the thread before had.
func TestAnotherThreadsDelayIsNotTheVCPUs(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := thread.Delay(unix.Gettid()); err != nil {
		t.Skip("this host does not count the delay of threads")
	}
	area := make([]byte, pvclock.StealSize)
	a := New(area)
	a.Enter()
	mine := a.delay
	assert.Equal(t, -mine, stolen(area), "modulo 2^64")
	a.Leave()
	a.Enter()
	a.Leave()
	assert.Zero(t, version(area)&1)
	assert.Less(t, a.Times().Steal, a.left+1, "no more than the thread waited in all")
	between := -(stolen(area) + mine)
	assert.LessOrEqual(t, between, a.left-mine, "what the thread waited when it was not the vCPU's")
}
