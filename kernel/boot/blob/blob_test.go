package blob

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/abi"
	"github.com/doze-vm/doze/kernel/boot"
)

const root = "../../.."

// The assembler must see the numbers that Go sees.
func TestAssemblerSharesTheABI(t *testing.T) {
	want, err := ABI(root + "/kernel/abi/abi.go")
	require.NoError(t, err)
	got, err := os.ReadFile(root + "/kernel/boot/asm/abi.inc")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run `make boot`")
}

// The page must explain every number, as the source does.
func TestPageHasAllNames(t *testing.T) {
	const page = root + "/docs/nucleus.md"
	want, err := Names(root+"/kernel/abi/abi.go", page)
	require.NoError(t, err)
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run `make boot`")
	for _, name := range []string{"ReqHalt", "MachineAnswers", "EntryCR4", "PteNX"} {
		require.Contains(t, string(got), "| `"+name+"` | ")
	}
}

// The committed blob must be what its source assembles to.
func TestBlobIsWhatItsSourceSays(t *testing.T) {
	for _, name := range []string{"as", "ld", "objcopy"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs binutils: %v", err)
		}
	}
	got, err := Assemble(root)
	require.NoError(t, err)
	require.Equal(t, abi.BlobEnd-abi.BlobBase, len(got))
	require.Equal(t, got, boot.Blob, "run `make boot`")
}

// Ring 3 may execute exactly one HLT, at the gate's address.
func TestGateIsOneHlt(t *testing.T) {
	const hlt, ret = 0xf4, 0xc3
	require.Equal(t, []byte{hlt, ret}, boot.Blob[abi.Gate-abi.BlobBase:][:2])
}
