// Command bulk reads, writes, copies and truncates much of a file at once, from several
// threads, and prints what came of it. Calls that would wait for each other on Linux, for
// a file's position or for the file, do so though they take long.
package main

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"syscall"
)

const (
	size          = 8 << 20
	copyFileRange = 326
)

func main() {
	for _, part := range []struct {
		name string
		do   func(f *os.File) string
	}{
		{"writes at one position", sharedPosition},
		{"appends", appends},
		{"reads from one position", readers},
		{"copy", copies},
		{"truncate beside a write", truncates},
		{"truncate of a name that goes", renames},
	} {
		f, err := os.CreateTemp("", "bulk")
		check(err)
		fmt.Printf("%s: %s\n", part.name, part.do(f))
		_ = os.Remove(f.Name())
		check(f.Close())
	}
}

func check(err error) {
	if err != nil {
		fmt.Println("bulk:", err)
		os.Exit(1)
	}
}

// both runs f for 'a' and for 'b' at the same time.
func both(f func(letter byte)) {
	var wg sync.WaitGroup
	for _, letter := range []byte{'a', 'b'} {
		wg.Go(func() { f(letter) })
	}
	wg.Wait()
}

func put(fd int, letter byte) {
	n, err := syscall.Write(fd, bytes.Repeat([]byte{letter}, size))
	check(err)
	if n != size {
		check(fmt.Errorf("%d bytes of %d written", n, size))
	}
}

// runs says how long a file is, and how many runs of the same byte it has.
func runs(name string) string {
	b, err := os.ReadFile(name)
	check(err)
	n := 0
	for i := range b {
		if i == 0 || b[i] != b[i-1] {
			n++
		}
	}
	return fmt.Sprintf("%d bytes, %d runs", len(b), n)
}

func sharedPosition(f *os.File) string {
	fd := int(f.Fd())
	both(func(letter byte) { put(fd, letter) })
	return runs(f.Name())
}

func appends(f *os.File) string {
	both(func(letter byte) {
		g, err := os.OpenFile(f.Name(), os.O_WRONLY|os.O_APPEND, 0)
		check(err)
		put(int(g.Fd()), letter)
		check(g.Close())
	})
	return runs(f.Name())
}

func readers(f *os.File) string {
	fd := int(f.Fd())
	put(fd, 'a')
	_, err := syscall.Seek(fd, 0, 0)
	check(err)
	var mu sync.Mutex
	sum := 0
	both(func(byte) {
		buf := make([]byte, 3<<20)
		for {
			n, err := syscall.Read(fd, buf)
			check(err)
			if n == 0 {
				return
			}
			mu.Lock()
			sum += n
			mu.Unlock()
		}
	})
	return fmt.Sprint(sum, " bytes")
}

func copies(f *os.File) string {
	put(int(f.Fd()), 'a')
	_, err := f.Seek(0, 0)
	check(err)
	to, err := os.CreateTemp("", "bulk")
	check(err)
	defer os.Remove(to.Name())
	n, _, e := syscall.Syscall6(copyFileRange, f.Fd(), 0, to.Fd(), 0, 2*size, 0)
	at, err := f.Seek(0, 1)
	check(err)
	check(to.Close())
	return fmt.Sprintf("%d, errno %d, position %d, %s", n, e, at, runs(to.Name()))
}

func truncates(f *os.File) string {
	fd := int(f.Fd())
	check(f.Truncate(size))
	m, err := syscall.Mmap(fd, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	check(err)
	for i := 0; i < size; i += 4096 {
		m[i] = 1
	}
	both(func(letter byte) {
		if letter == 'a' {
			n, err := syscall.Pwrite(fd, bytes.Repeat([]byte{letter}, size), 0)
			check(err)
			if n != size {
				check(fmt.Errorf("%d bytes written", n))
			}
			return
		}
		check(syscall.Ftruncate(fd, 0))
	})
	check(syscall.Munmap(m))
	check(f.Truncate(size + 1))
	// The write came first, or last, but was not cut in two.
	b, err := os.ReadFile(f.Name())
	check(err)
	if n := bytes.Count(b, []byte("a")); n != 0 && n != size {
		return fmt.Sprint(n, " bytes are left")
	}
	return "all or nothing"
}

// renames truncates a mapped file by a name that another file has meanwhile.
func renames(f *os.File) string {
	check(f.Truncate(size))
	m, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	check(err)
	for i := 0; i < size; i += 4096 {
		m[i] = 1
	}
	other := f.Name() + "2"
	check(os.WriteFile(other, []byte("other"), 0o600))
	both(func(letter byte) {
		if letter == 'a' {
			check(os.Truncate(f.Name(), 1))
			return
		}
		check(os.Rename(other, f.Name()))
	})
	check(syscall.Munmap(m))
	b, err := os.ReadFile(f.Name())
	check(err)
	if s := string(b); s != "o" && s != "other" {
		return fmt.Sprintf("%q", b)
	}
	return "one of them"
}
