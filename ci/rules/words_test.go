package rules

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/cmdline"
	"github.com/doze-vm/doze/kernel/control"
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

// The page explains each word of a control line, and the assembler, which can't use the
// constants, begins its texts with one.
func TestWordsOfTheControlLines(t *testing.T) {
	fromGuest := []string{control.WordExit, control.WordError, control.WordInput, control.WordCrash, control.WordReg, control.WordPC}
	toGuest := []string{control.WordSignal, control.WordCPUs, control.WordEOF, control.WordData}
	page := string(read(t, "docs/nucleus.md"))
	for _, word := range append(fromGuest, toGuest...) {
		assert.Contains(t, page, "`"+word+" ", "the page does not explain it")
	}
	found := 0
	for _, source := range []string{"kernel/boot/asm/boot.s", "kernel/boot/asm/nucleus.s"} {
		for _, m := range asmText.FindAllStringSubmatch(string(read(t, source)), -1) {
			found++
			word, _, _ := strings.Cut(m[1], " ")
			assert.Contains(t, append(fromGuest, "doze:"), word, "%s: %q", source, m[1]) // doze: for COM1
		}
	}
	require.NotZero(t, found)
}

// asmText is a text of the assembler that has words.
var asmText = regexp.MustCompile(`\.asci[iz]\s+"([^" ]+ [^"]*)"`)
