package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStampsAreTakenAtArrival(t *testing.T) {
	stamps, err := collect(strings.NewReader("{\"mono_ns\":1,\"wall_ns\":2}\n{\"mono_ns\":3,\"wall_ns\":4}\n"))
	require.NoError(t, err)
	require.Len(t, stamps, 2)
	require.EqualValues(t, 3, stamps[1].Monotonic)
	require.GreaterOrEqual(t, stamps[1].raw, stamps[0].raw)
	_, err = collect(strings.NewReader("panic: no\n"))
	require.ErrorContains(t, err, "is no stamp")
}

func TestTheQuickestLineCounts(t *testing.T) {
	late := []stamp{{Monotonic: 10, raw: 25}, {Monotonic: 20, raw: 31}, {Monotonic: 30, raw: 48}}
	require.EqualValues(t, 11, least(late, stamp.lag))
}
