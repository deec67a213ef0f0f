package linux

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The numbers are those of golang.org/x/sys, which takes them from the kernel's headers.
func TestCallsAreThoseOfXSys(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix/zsysnum_linux_amd64.go"))
	require.NoError(t, err)
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+=\s+(\d+)$`).FindAllStringSubmatch(string(text), -1) {
		nr, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		if nr >= Calls {
			continue // newer than this table
		}
		c := CallOf(uintptr(nr))
		if assert.NotNil(t, c, "%s, number %d", m[1], nr) {
			assert.Equal(t, strings.ToLower(m[1]), c.Name)
			found++
		}
	}
	have := 0
	for i := range uintptr(Calls + 10) {
		if c := CallOf(i); c != nil {
			have++
			back, ok := NumberOf(c.Name)
			assert.True(t, ok)
			assert.Equal(t, i, back, c.Name)
		}
	}
	assert.Equal(t, found, have)
	_, ok := NumberOf("nothing")
	assert.False(t, ok)
	_, ok = NumberOf("")
	assert.False(t, ok)
}

func TestErrnosAreTheHosts(t *testing.T) {
	for e := range Errno(200) {
		text := syscall.Errno(e).Error()
		if strings.HasPrefix(text, "errno ") {
			continue
		}
		assert.True(t, strings.EqualFold(text, ErrnoText(e)), "%s: %s, not %s", ErrnoName(e), ErrnoText(e), text)
		assert.NotEmpty(t, ErrnoName(e), text)
	}
	assert.Equal(t, "ENOENT", ErrnoName(ENOENT))
	assert.Empty(t, ErrnoName(0))
	assert.Empty(t, ErrnoText(4000))
	e, failed := Failure(^EBADF + 1)
	assert.True(t, failed)
	assert.Equal(t, EBADF, e)
	for _, r := range []uintptr{0, 1, 1 << 47, ^uintptr(MaxErrno)} {
		_, failed := Failure(r)
		assert.False(t, failed, "%#x", r)
	}
}

// A call's bytes are followed by how many they are, and only the last argument is
// followed by none.
func TestArgumentsAreWhole(t *testing.T) {
	for i := range table {
		c := &table[i]
		ended := false
		for k, a := range c.Args {
			assert.False(t, ended && a != None, "%s: argument %d behind the last", c.Name, k)
			ended = ended || a == None
			if (a == InBytes || a == OutBytes) && assert.Less(t, k, len(c.Args)-1, c.Name) {
				assert.Equal(t, Size, c.Args[k+1], "%s: argument %d", c.Name, k)
			}
		}
		assert.False(t, !c.Known && c.Args[0] != None, c.Name)
		path := false
		for _, a := range c.Args {
			path = path || a == Path
		}
		if path && c.Name != "symlinkat" {
			assert.NotZero(t, c.Class&ClassFile, "%s takes a path", c.Name)
		}
	}
}

func TestClasses(t *testing.T) {
	for i, n := range ClassNames {
		c, ok := ClassOf(n)
		assert.True(t, ok)
		assert.Equal(t, Class(1)<<i, c)
	}
	_, ok := ClassOf("fish")
	assert.False(t, ok)
}

func TestFlagsHaveNames(t *testing.T) {
	f := FlagsOf(OpenFlags)
	require.NotNil(t, f)
	assert.Contains(t, f.Bits, Flag{syscall.O_CLOEXEC, "O_CLOEXEC"})
	assert.Nil(t, FlagsOf(Int))
	assert.Nil(t, FlagsOf(OutPair))
	for a := range Arg(60) {
		if f := FlagsOf(a); f != nil {
			for _, v := range f.Values {
				assert.Zero(t, v.Bits&^f.Mask, v.Name)
			}
		}
	}
}
