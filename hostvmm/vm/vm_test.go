package vm

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
)

// list is a writer that can't be compared.
type list []byte

func (list) Write(p []byte) (int, error) { return len(p), nil }

func TestOneStream(t *testing.T) {
	var a, b bytes.Buffer
	assert.True(t, (&Config{Stdout: &a, Stderr: &a}).OneStream())
	assert.False(t, (&Config{Stdout: &a, Stderr: &b}).OneStream())
	assert.False(t, (&Config{}).OneStream())
	assert.False(t, (&Config{Stdout: list{}, Stderr: list{}}).OneStream())
}
