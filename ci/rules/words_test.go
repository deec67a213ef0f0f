package rules

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/cmdline"
	"github.com/doze-vm/doze/kernel/control"
)

// kernel/cmdline has each word of the command line: the guest reads it, the page explains
// it, and the tags of the fields that are words have its name.
func TestWordsOfTheCommandLine(t *testing.T) {
	guest := string(read(t, kernelFiles+"cmdline.go")) + string(read(t, kernelFiles+"stack.go"))
	page := string(read(t, "docs/nucleus.md"))
	var words []string
	for _, m := range wordConstant.FindAllStringSubmatch(string(read(t, "kernel/cmdline/cmdline.go")), -1) {
		name, word := m[1], m[2]
		words = append(words, word)
		if name != "WordArgs" {
			assert.Contains(t, guest, "cmdline."+name+")", "%s: the guest does not read it", word)
		}
		key, value, flag := strings.Cut(word, "=")
		assert.Contains(t, page, "`"+key, "%s: the page does not explain it", word)
		if flag {
			assert.Contains(t, page, value+"`", "%s: the page does not explain it", word)
		}
	}
	require.NotEmpty(t, words)
	for _, tag := range cmdline.Words() {
		assert.True(t, slices.ContainsFunc(words, func(word string) bool {
			return word == tag || strings.HasPrefix(word, tag+"=")
		}), "%s is a tag, and no word of kernel/cmdline", tag)
	}
}

// wordConstant is a constant of kernel/cmdline.
var wordConstant = regexp.MustCompile(`(?m)^\s*(Word\w+)\s+= "([^"]+)"`)

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
