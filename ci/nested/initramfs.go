package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// workDir is where the program runs and where -file puts things.
const workDir = "work"

// initScript is process 1: it loads KVM, listens for the pulse on the third serial
// port, runs the program, reports its status on the second one and switches the
// machine off.
const initScript = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/work TMPDIR=/tmp
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /tmp /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs shm /dev/shm
ln -sf /proc/self/fd /dev/fd
for m in %s; do
	insmod /modules/$m.ko || echo "nested: cannot load $m.ko"
done
cat /dev/ttyS2 >/dev/null & # takes the interrupts that keep the machine going (pulse.go)
ip link set lo up 2>/dev/null
cd /work
sh /command
echo "status $?" >/dev/ttyS1
sync
poweroff -f
`

// buildInitramfs writes the cached part (busybox and modules) and the part of
// this run, one after the other, and returns the file's name.
func buildInitramfs(h host, o options, dir string) (string, error) {
	base, err := baseArchive(h)
	if err != nil {
		return "", err
	}
	var buf bytes.Buffer
	buf.Write(base)
	a := newArchive(&buf)
	if err := a.tree(o.program, workDir+"/"+filepath.Base(o.program)); err != nil {
		return "", err
	}
	for _, f := range o.files {
		src, dst, ok := strings.Cut(f, ":")
		if !ok {
			dst = filepath.Base(src)
		}
		if err := a.tree(src, workDir+"/"+dst); err != nil {
			return "", err
		}
	}
	a.file("command", modeExec, []byte(commandScript(o)))
	if err := a.close(); err != nil {
		return "", err
	}
	name := filepath.Join(dir, "initramfs")
	return name, os.WriteFile(name, buf.Bytes(), 0o600)
}

func commandScript(o options) string {
	var b strings.Builder
	b.WriteString("export DOZE_NESTED=1\n")
	for _, e := range o.env {
		name, value, _ := strings.Cut(e, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(value))
	}
	b.WriteString("exec ./" + quote(filepath.Base(o.program)))
	for _, arg := range o.args {
		b.WriteString(" " + quote(arg))
	}
	return b.String() + "\n"
}

// quote makes one word of s for the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// baseArchive returns the part that depends on the host alone, from the cache if
// it is there.
func baseArchive(h host) ([]byte, error) {
	script, err := filledScript(h)
	if err != nil {
		return nil, err
	}
	key := sha256.New()
	for _, f := range append([]string{h.busybox}, h.modules...) {
		info, err := os.Stat(f)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(key, f, info.Size(), info.ModTime().UnixNano())
	}
	fmt.Fprintln(key, script)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "doze", "nested")
	name := filepath.Join(cache, fmt.Sprintf("%s-%x.cpio", h.release, key.Sum(nil)[:8]))
	if data, err := os.ReadFile(name); err == nil {
		return data, nil
	}
	data, err := makeBase(h, script)
	if err != nil {
		return nil, err
	}
	return data, store(cache, name, data)
}

func filledScript(h host) (string, error) {
	var names []string
	for _, m := range h.modules {
		name, _, ok := strings.Cut(filepath.Base(m), ".ko")
		if !ok {
			return "", fmt.Errorf("%s is not a kernel module", m)
		}
		names = append(names, name)
	}
	return fmt.Sprintf(initScript, strings.Join(names, " ")), nil
}

// store puts data in place whole or not at all.
func store(dir, name string, data []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "base-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

func makeBase(h host, script string) ([]byte, error) {
	busybox, err := os.ReadFile(h.busybox)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	a := newArchive(&buf)
	for _, dir := range []string{"proc/x", "sys/x", "dev/x", "tmp/x"} {
		a.parents(dir)
	}
	a.entry("dev/console", modeChar, 5, 1, nil) // before devtmpfs is there
	a.file("bin/busybox", modeExec, busybox)
	a.file("init", modeExec, []byte(script))
	for _, m := range h.modules {
		data, err := readModule(m)
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(filepath.Base(m), ".ko")
		a.file("modules/"+name+".ko", modeFile, data)
	}
	return buf.Bytes(), a.close()
}

// readModule returns the plain module, whatever it is compressed with.
func readModule(name string) ([]byte, error) {
	switch filepath.Ext(name) {
	case ".ko":
		return os.ReadFile(name)
	case ".xz":
		return exec.Command("xz", "-dc", name).Output()
	case ".zst":
		return exec.Command("zstd", "-dcq", name).Output()
	}
	return nil, fmt.Errorf("%s: unknown compression", name)
}
