package symbols

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// own returns the path of this test's program, an image in all that matters here.
func own(t testing.TB) string {
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

func TestAPlaceIsTheRuntimes(t *testing.T) {
	table, err := Open(own(t))
	require.NoError(t, err)
	defer table.Close()
	for _, f := range []any{Open, TestAPlaceIsTheRuntimes, bytes.Equal, os.Getpid} {
		pc := uint64(reflect.ValueOf(f).Pointer())
		want := runtime.FuncForPC(uintptr(pc))
		file, line := want.FileLine(uintptr(pc))
		place, ok := table.Place(pc)
		require.True(t, ok, want.Name())
		assert.Equal(t, Frame{Function: want.Name(), File: file, Line: line, Entry: uint64(want.Entry())}, place)
		frames := table.Frames(pc)
		require.NotEmpty(t, frames)
		assert.Equal(t, want.Name(), frames[len(frames)-1].Function, "the outermost is the function itself")
		text, ok := table.Instruction(pc)
		assert.True(t, ok)
		assert.NotContains(t, text, "not decoded")
	}
}

func TestAnAddressOutsideTheProgram(t *testing.T) {
	table, err := Open(own(t))
	require.NoError(t, err)
	defer table.Close()
	for _, pc := range []uint64{0, 0x10, 1 << 47, ^uint64(0)} {
		assert.Empty(t, table.Frames(pc), "%#x", pc)
		_, ok := table.Place(pc)
		assert.False(t, ok, "%#x", pc)
		_, ok = table.Instruction(pc)
		assert.False(t, ok, "%#x", pc)
	}
}

func TestFilesThatAreNoProgram(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(own(t))
	require.NoError(t, err)
	for name, content := range map[string][]byte{"empty": {}, "text": []byte("no image"), "cut": whole[:len(whole)/2]} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err := Open(path)
		assert.Error(t, err, name)
	}
	_, err = Open(filepath.Join(dir, "absent"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// patched is a file some bytes of which are others.
type patched struct {
	file  []byte
	bytes map[int64]byte
}

// ReadAt implements io.ReaderAt.
func (p patched) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(p.file)) {
		return 0, io.EOF
	}
	n := copy(b, p.file[off:])
	for at, v := range p.bytes {
		if at >= off && at < off+int64(n) {
			b[at-off] = v
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// A file that is damaged is an error or a wrong answer, never a panic.
func FuzzRead(f *testing.F) {
	whole, err := os.ReadFile(own(f))
	require.NoError(f, err)
	file, err := elf.NewFile(bytes.NewReader(whole))
	require.NoError(f, err)
	heads := []uint64{0, 0} // of the file and of what the patches are for
	for _, name := range []string{".gopclntab", ".symtab", ".note.gnu.build-id", ".shstrtab"} {
		if s := file.Section(name); s != nil {
			heads = append(heads, s.Offset)
		}
	}
	heads[1] = binary.LittleEndian.Uint64(whole[0x28:]) // e_shoff: the section headers
	const size = 5                                      // of a patch: which head, how far behind it, the byte
	f.Add([]byte{2, 0, 0, 0, 0xff}, uint64(0))
	f.Add([]byte{1, 0, 0, 0x50, 0xff, 2, 0, 0, 8, 0xff, 0, 0, 0, 0x28, 1}, reflectPC())
	f.Add([]byte{2, 0, 0, 0x20, 0xff, 2, 0, 0, 0x21, 0xff}, reflectPC())
	f.Fuzz(func(t *testing.T, patches []byte, pc uint64) {
		p := patched{file: whole, bytes: map[int64]byte{}}
		for ; len(patches) >= size; patches = patches[size:] {
			far := uint64(patches[1])<<16 | uint64(patches[2])<<8 | uint64(patches[3])
			p.bytes[int64(heads[int(patches[0])%len(heads)]+far)] = patches[4]
		}
		table, err := Read(func() (*elf.File, error) { return elf.NewFile(p) })
		if err != nil {
			return
		}
		for _, at := range []uint64{pc, reflectPC()} {
			table.Frames(at)
			table.Place(at)
			table.Instruction(at)
		}
		table.BuildID()
		assert.NoError(t, table.Close())
	})
}

// reflectPC is the address of a function of this program.
func reflectPC() uint64 { return uint64(reflect.ValueOf(Open).Pointer()) }
