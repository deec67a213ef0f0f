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
