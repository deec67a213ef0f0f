package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// files are written, read back whole and in parts, appended to, cut, renamed and
// removed, in a folder of their own that is gone in the end.
func files(r *rand.Rand) error {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	text := make([]byte, 1+r.IntN(64<<10))
	for i := range text {
		text[i] = byte(r.Uint32())
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := os.WriteFile(a, text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return err
	}
	if err := appendTo(b, text[:len(text)/2]); err != nil {
		return err
	}
	whole := append(bytes.Clone(text), text[:len(text)/2]...)
	if err := same(b, whole, r.IntN(len(whole))); err != nil {
		return err
	}
	cut := r.IntN(len(whole))
	if err := os.Truncate(b, int64(cut)); err != nil {
		return err
	}
	if got, err := os.ReadFile(b); err != nil || !bytes.Equal(got, whole[:cut]) {
		return fmt.Errorf("cut to %d bytes, read %d: %w", cut, len(got), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 || list[0].Name() != "b" {
		return fmt.Errorf("the folder holds %v instead of b: %w", list, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		return fmt.Errorf("the folder was removed, but its state says %v", err)
	}
	return nil
}

func appendTo(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// same compares a file with what it should hold, all of it and from some place
// on.
func same(name string, want []byte, from int) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("wrote %d bytes, read %d that differ: %w", len(want), len(got), err)
	}
	if _, err := f.Seek(int64(from), io.SeekStart); err != nil {
		return err
	}
	if got, err = io.ReadAll(f); err != nil || !bytes.Equal(got, want[from:]) {
		return fmt.Errorf("read %d bytes from %d that differ: %w", len(got), from, err)
	}
	part := make([]byte, len(want)-from)
	if _, err := f.ReadAt(part, int64(from)); err != nil || !bytes.Equal(part, want[from:]) {
		return fmt.Errorf("read %d bytes at %d that differ: %w", len(part), from, err)
	}
	return nil
}
