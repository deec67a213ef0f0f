package rules

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/cmdline"
)

// A word that the VMM writes is one that the guest reads, and docs/nucleus.md explains.
func TestWordsOfTheCommandLine(t *testing.T) {
	guest := read(t, "runtime_pv/goroot/_std/runtime/doze_cmdline.go")
	page := read(t, "docs/nucleus.md")
	words := cmdline.Words()
	require.NotEmpty(t, words)
	for _, word := range words {
		name, _, _ := strings.Cut(word, "=")
		assert.Contains(t, string(guest), `"`+name, "%s: the guest does not read it", word)
		assert.Contains(t, string(page), "`"+name, "%s: the page does not explain it", word)
	}
}
