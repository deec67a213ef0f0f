package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestArchiveIsReadByCpio(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio is not installed")
	}
	src := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(src, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(src, "sub", "odd"), []byte("12345"), 0o755))
	var buf bytes.Buffer
	a := newArchive(&buf)
	require.NoError(t, a.tree(src, "work/data"))
	a.file("work/plain", modeFile, []byte("x"))
	require.NoError(t, a.close())

	dst := t.TempDir()
	cmd := exec.Command(cpio, "-i", "--quiet")
	cmd.Dir, cmd.Stdin = dst, &buf
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	got, err := os.ReadFile(filepath.Join(dst, "work/data/sub/odd"))
	require.NoError(t, err)
	require.Equal(t, "12345", string(got))
	info, err := os.Stat(filepath.Join(dst, "work/data/sub/odd"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
}

func TestQuoteSurvivesTheShell(t *testing.T) {
	for _, s := range []string{"", "a b", "it's", "$HOME `x` \\", "-test.run=^A|B$"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(s)).Output()
		require.NoError(t, err)
		require.Equal(t, s, string(out))
	}
}

// The pulse waits for the socket, and goes on.
func TestPulse(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "pulse")
	go pulse(t.Context(), socket)
	time.Sleep(pulseEvery / 2)
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	line, err := l.Accept()
	require.NoError(t, err)
	defer line.Close()
	_, err = io.ReadFull(line, make([]byte, 2))
	require.NoError(t, err)
}

func TestReadStatus(t *testing.T) {
	name := filepath.Join(t.TempDir(), "status")
	for content, want := range map[string]int{"status 7\r\n": 7, "status 0\n": 0, "": statusError, "oops": statusError} {
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		got, err := readStatus(name)
		require.Equal(t, want, got)
		require.Equal(t, want == statusError, err != nil)
	}
}
