package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

func TestPageIsUpToDate(t *testing.T) {
	want, err := pageOf(root)
	require.NoError(t, err)
	have, err := os.ReadFile(filepath.Join(root, pageName))
	require.NoError(t, err)
	assert.True(t, string(want) == string(have), "%s is old: go run ./ci/compat", pageName)
}

func TestServedCallsAreFound(t *testing.T) {
	calls, err := served(root)
	require.NoError(t, err)
	found := map[int]string{}
	for _, c := range calls {
		_, twice := found[c.number]
		assert.False(t, twice, "call %d is in two switches", c.number)
		found[c.number] = c.refusal
	}
	assert.Contains(t, found, 202)
	assert.Equal(t, "EINVAL", found[275])
	assert.Equal(t, "", found[0])
	assert.NotContains(t, found, 41)
}
