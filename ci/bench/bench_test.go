package main

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	assert.Equal(t, time.Duration(2), median([]time.Duration{1, 2, 9}))
	assert.Equal(t, time.Duration(3), median([]time.Duration{1, 2, 4, 9}))
	assert.Equal(t, time.Duration(5), median([]time.Duration{5}))
}

// The text may come in pieces, and the program may end at once.
func TestUntilSeesTextInPieces(t *testing.T) {
	c := contender{"talker", func(_ context.Context, w io.Writer, args ...string) error {
		for _, piece := range []string{"noise He", "ll", "o", " and more", "Hello"} {
			if _, err := io.WriteString(w, piece); err != nil {
				return err
			}
		}
		return nil
	}}
	times := 0
	require.NoError(t, c.until(t.Context(), "Hello", func(time.Duration) error { times++; return nil }))
	assert.Equal(t, 1, times)
}

func TestUntilReportsAnEndWithoutText(t *testing.T) {
	c := contender{"mute", func(context.Context, io.Writer, ...string) error { return errors.New("broke") }}
	err := c.until(t.Context(), "Hello", func(time.Duration) error { return nil })
	require.ErrorContains(t, err, "broke")
}

func TestUntilEndsTheContender(t *testing.T) {
	c := contender{"endless", func(ctx context.Context, w io.Writer, _ ...string) error {
		if _, err := io.WriteString(w, "Hello"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	require.NoError(t, c.until(t.Context(), "Hello", func(time.Duration) error { return nil }))
}

func TestChildrenCPUCounts(t *testing.T) {
	busy := exec.Command("sh", "-c", "while :; do :; done")
	require.NoError(t, busy.Start())
	defer func() { _ = busy.Process.Kill(); _ = busy.Wait() }()
	first, err := childrenCPU()
	if err != nil {
		t.Skip(err)
	}
	require.Eventually(t, func() bool {
		now, err := childrenCPU()
		return err == nil && now > first
	}, time.Minute, 10*time.Millisecond)
}

func TestFiguresAreReadFromOutput(t *testing.T) {
	figures := map[string][]float64{"late p50, µs": {1}}
	assert.True(t, readFigures("lateness: 9 sleeps\ntime: late p50: 3.5 µs\r\nmachine: x: 3\ntime: rate: 12\ntime: a, b and c\n", figures))
	assert.Equal(t, map[string][]float64{"late p50, µs": {1, 3.5}, "rate": {12}}, figures)
	assert.False(t, readFigures("nothing\n", figures))
	assert.Equal(t, 2.25, middle(figures["late p50, µs"]))
}

func TestListsOfNumbers(t *testing.T) {
	list, err := numbers("1,2,4")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 4}, list)
	for _, bad := range []string{"", "0", "1,", "x"} {
		_, err := numbers(bad)
		assert.Error(t, err, bad)
	}
}
