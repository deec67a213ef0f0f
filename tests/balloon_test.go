package tests

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// moverMemory is the memory of the machines here: little, since the nested machine
// has little, unless long tests were asked for.
func moverMemory() uint64 {
	if long("", "1") == "1" {
		return 512 * mib
	}
	return 128 * mib
}

// A program that used most of the memory and dropped it: the host gets it back
// without anybody asking.
func TestDroppedMemoryGoesToTheHost(t *testing.T) {
	memory := moverMemory()
	onMovers(t, memory, 1, func(t *testing.T, m *mover) {
		before := m.small(t)
		used := memory / mib * 25 / 32 // 400 MiB of 512
		m.order(t, fmt.Sprintf("use %d", used))
		require.Greater(t, m.resident(), before+(used-8)*mib)
		m.order(t, "drop")
		t.Logf("resident: %d KiB before", before>>10)
		m.awaitSmall(t, before)
		t.Logf("resident: %d KiB after", m.resident()>>10)
		m.order(t, "use 8")
		m.order(t, "check")
	})
}

// A fresh machine gives up what a target asks for, and lives on; and has it again
// when the target goes up.
func TestTargetIsReached(t *testing.T) {
	memory := moverMemory()
	onMovers(t, memory, 1, func(t *testing.T, m *mover) {
		full, _, wide := m.memory(t)
		for range 3 {
			m.target(memory / 4)
			await(t, "target reached", func() bool { return m.actual() == memory/4 })
			await(t, "the collector's limit", func() bool { _, _, limit := m.memory(t); return limit < memory/4 })
			total, _, _ := m.memory(t)
			assert.Equal(t, full-memory*3/4, total)
			m.order(t, "use 4")
			m.order(t, "check")
			m.target(memory)
			await(t, "all is back", func() bool { return m.actual() == memory })
			await(t, "the limit, too", func() bool { _, _, limit := m.memory(t); return limit == wide })
		}
		m.order(t, fmt.Sprintf("use %d", memory/mib/2))
		m.order(t, "check")
	})
}

// A program that grows gets its memory back from the balloon before it fails, again and
// again, and finds what it left.
func TestGrowthDeflates(t *testing.T) {
	memory := moverMemory()
	onMovers(t, memory, 1, func(t *testing.T, m *mover) {
		m.target(memory / 4)
		await(t, "target reached", func() bool { return m.actual() == memory/4 })
		m.order(t, fmt.Sprintf("use %d", memory/mib/2))
		m.order(t, "check")
		assert.Greater(t, m.actual(), memory/2)
		assert.Equal(t, long("10 cycles", "100 cycles"), m.order(t, "cycle "+long("10", "100")))
		m.order(t, "drop")
		await(t, "target reached again", func() bool { return m.actual() == memory/4 })
	})
}

// A target that moves up and down while the program grows and shrinks on two vCPUs:
// nothing is lost, and in the end the target is reached.
func TestTargetMovesUnderLoad(t *testing.T) {
	memory := moverMemory()
	onMovers(t, memory, 2, func(t *testing.T, m *mover) {
		m.order(t, fmt.Sprintf("use %d", memory/mib/8))
		done := make(chan string)
		go func() { done <- m.order(t, "cycle "+long("15", "100")) }()
		moves := 0
		for over := false; !over; moves++ {
			m.target(memory >> (moves % 4))
			select {
			case got := <-done:
				assert.Equal(t, long("15 cycles", "100 cycles"), got)
				over = true
			case <-time.After(50 * time.Millisecond):
			}
		}
		t.Logf("%d targets", moves)
		m.target(memory / 2)
		await(t, "target reached", func() bool { return m.actual() == memory/2 })
		m.order(t, "check")
	})
}

// A target below what the program holds ends in a balloon that stays as it is, and
// nobody works at it.
func TestImpossibleTarget(t *testing.T) {
	memory := moverMemory()
	onMovers(t, memory, 1, func(t *testing.T, m *mover) {
		m.order(t, fmt.Sprintf("use %d", memory/mib/2))
		m.target(memory / 8)
		await(t, "some was given up", func() bool { return m.actual() < memory*3/4 })
		time.Sleep(3 * time.Second) // the last collections, and tidying up
		had, cost := m.actual(), m.cost()
		assert.Greater(t, had, memory/2)
		const watched = 3 * time.Second
		time.Sleep(watched)
		assert.Less(t, m.cost()-cost, watched/6, "it does not try for ever")
		assert.Equal(t, had, m.actual(), "the balloon is stable")
		m.order(t, "check")
		m.order(t, "drop")
		await(t, "now it can", func() bool { return m.actual() == memory/8 })
	})
}

// Memory beyond boot comes when the program needs it, and only then.
func TestMemoryGrows(t *testing.T) {
	if os.Getenv("DOZE_TIER") == "qemu" {
		t.Skip("memory grows under hostvmm alone: the kvm tier tests it")
	}
	if why := needsKVM(); why != "" {
		t.Skip(why)
	}
	{
		const boot, most = 32 * mib, 256 * mib
		m := startKVM(t, boot, most, 1)
		total, _, limit := m.memory(t)
		assert.Less(t, total, uint64(boot))
		assert.Greater(t, limit, uint64(most*3/4), "the collector's limit is the ceiling's")
		s := m.vm.MemoryStatus()
		assert.EqualValues(t, []uint64{boot, most, most, boot}, []uint64{s.Boot, s.Max, s.Target, s.Actual})

		m.order(t, "use 150")
		m.order(t, "check")
		total, _, _ = m.memory(t)
		assert.Greater(t, total, uint64(150*mib))
		assert.GreaterOrEqual(t, m.vm.MemoryStatus().Actual, uint64(150*mib))
		m.order(t, "drop")
		m.target(boot)
		await(t, "back to what it booted with", func() bool { return m.actual() == boot })

		m.target(boot + 8*mib)
		await(t, "a target above boot memory", func() bool { return m.actual() == boot+8*mib })
		m.order(t, "use 20")
		m.order(t, "check")
		var guest map[string]uint64
		await(t, "the statistics say so", func() bool { // the guest answers when it runs
			guest = m.vm.MemoryStatus().Guest
			return (guest["total"]+mib)&^(mib-1) == boot+8*mib
		})
		assert.Less(t, guest["free"], guest["total"])
		assert.Contains(t, guest, "minor_faults")

		require.ErrorContains(t, m.vm.SetBalloon(most+1), "this machine can have")
		require.ErrorContains(t, m.vm.SetBalloon(mib), "this machine can have")
	}
}

// What QEMU can't do is said before it starts.
func TestMaxMemoryIsRefusedByQEMU(t *testing.T) {
	out, err := exec.Command(doze, "run", "--vmm", "qemu", "--memory", "64M", "--max-memory", "1G", app(t, "hello")).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "QEMU's machines can't grow: give them that much at once, with --memory, or use --vmm kvm")
}

// What a program holds for long, and then drops, goes to the host too.
func TestMemoryHeldForLongGoesToTheHost(t *testing.T) {
	memory := moverMemory()
	onMovers(t, memory, 1, func(t *testing.T, m *mover) {
		before := m.small(t)
		m.order(t, fmt.Sprintf("use %d", memory/mib/2))
		time.Sleep(3 * time.Second) // the machine is tidied meanwhile, and finds nothing
		m.order(t, "check")
		m.order(t, "drop")
		m.awaitSmall(t, before)
	})
}
