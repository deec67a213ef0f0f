package tests

import (
	"debug/elf"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"
)

// commitSize is dozeCommitSize of the kernel: an upcall at one of so many bytes of
// dozeCommit finds a complete save area.
const commitSize = 38

// The bytes are those of the instructions up to the last one that changes the flag for
// upcalls. The assembler counts them, and nothing else can.
func TestCommitEndsBehindTheFlag(t *testing.T) {
	im, err := elf.Open(app(t, "hello"))
	require.NoError(t, err)
	defer im.Close()
	symbols, err := im.Symbols()
	require.NoError(t, err)
	text := im.Section(".text")
	for _, s := range symbols {
		if !strings.HasPrefix(s.Name, "runtime.dozeCommit") {
			continue
		}
		code := make([]byte, 128)
		_, err := text.ReadAt(code, int64(s.Value-text.Addr))
		require.NoError(t, err)
		var last string
		for at := 0; at < commitSize; {
			i, err := x86asm.Decode(code[at:], 64)
			require.NoError(t, err)
			last = x86asm.IntelSyntax(i, s.Value+uint64(at), nil)
			at += i.Len
			assert.LessOrEqual(t, at, commitSize, "an instruction goes over the end: %s", last)
		}
		assert.Regexp(t, `^mov dword ptr gs:\[.*\], 0x0$`, last)
		return
	}
	assert.Fail(t, "the image has no dozeCommit")
}
