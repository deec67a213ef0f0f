package thread

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestParseDelay(t *testing.T) {
	for text, want := range map[string]uint64{"12 34 5\n": 34, "0 0 0": 0, "1 18446744073709551615 2": 1<<64 - 1} {
		got, err := parseDelay([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "12", "1 x 2", "1 -2 3"} {
		_, err := parseDelay([]byte(text))
		assert.Error(t, err, "%q", text)
	}
}

// A thread that works has CPU time, one of many that work waits for CPUs.
func TestCountsOfBusyThreads(t *testing.T) {
	var all sync.WaitGroup
	threads := 4 * runtime.NumCPU()
	delays, cpus := make([]uint64, threads), make([]uint64, threads)
	for i := range threads {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			tid := unix.Gettid()
			for start := time.Now(); time.Since(start) < 200*time.Millisecond; {
			}
			var err error
			delays[i], err = Delay(tid)
			assert.NoError(t, err)
			cpus[i], err = CPU(tid)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	var cpu, delay uint64
	for i := range threads {
		cpu, delay = cpu+cpus[i], delay+delays[i]
	}
	assert.NotZero(t, cpu)
	assert.NotZero(t, delay)
}

func TestThreadsThatAreNotThere(t *testing.T) {
	_, err := Delay(1 << 30)
	assert.Error(t, err)
	_, err = CPU(1 << 29 >> 3)
	assert.Error(t, err)
}

// Threads come and go; the files of those that went are closed.
func TestFilesOfDeadThreadsAreClosed(t *testing.T) {
	open := func() (n int) {
		schedstats.Range(func(any, any) bool { n++; return true })
		return n
	}
	before := open()
	for range 50 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			_, err := Delay(unix.Gettid())
			assert.NoError(t, err)
		}()
		<-done
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.Eventually(t, func() bool { forgetDead(); return open() <= before+1 }, 10*time.Second, time.Millisecond)
}

// The number of a thread that ended may belong to another one later.
func TestAFileOfADeadThreadIsOpenedAgain(t *testing.T) {
	done := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		tid := unix.Gettid()
		_, err := Delay(tid)
		assert.NoError(t, err)
		done <- tid
	}()
	tid := <-done
	assert.Eventually(t, func() bool { _, err := Delay(tid); return err != nil }, 10*time.Second, time.Millisecond)
	_, held := schedstats.Load(tid)
	assert.False(t, held)
}
