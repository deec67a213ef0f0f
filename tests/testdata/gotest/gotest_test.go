package gotest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestPasses(t *testing.T) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint("of ", n), func(t *testing.T) {
			if Sum(n, n) != 2*n {
				t.Error("wrong")
			}
		})
	}
}

func TestFails(t *testing.T) {
	t.Log("as it must")
	if got := Sum(1, 2); got != 4 {
		t.Errorf("Sum(1, 2) = %d, want 4", got)
	}
}

func TestSkips(t *testing.T) { t.Skip("on purpose") }

func TestShort(t *testing.T) {
	if testing.Short() {
		t.Skip("only when there is time")
	}
}

func TestPrints(t *testing.T) {
	fmt.Println("on stdout")
	fmt.Fprintln(os.Stderr, "on stderr")
	fmt.Print("without an end of line")
}

// TestFolder needs a file system with the package's folder in it.
func TestFolder(t *testing.T) {
	text, err := os.ReadFile("testdata/greeting.txt")
	if err != nil || string(text) != "hello\n" {
		t.Fatalf("%q, %v", text, err)
	}
	_, file, _, _ := runtime.Caller(0)
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	wd, err := os.Getwd()
	if err != nil || wd != filepath.Dir(file) {
		t.Errorf("in %s, not in the folder of %s: %v", wd, file, err)
	}
	if err := os.WriteFile("written.txt", []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
	os.Remove("written.txt")
}

func TestPanics(t *testing.T) {
	if os.Getenv("PANIC") != "" {
		panic("asked to")
	}
}

func TestHangs(t *testing.T) {
	if os.Getenv("HANG") != "" {
		select {}
	}
}

func BenchmarkSum(b *testing.B) {
	for b.Loop() {
		Sum(1, 2, 3)
	}
}

func ExampleSum() {
	fmt.Println(Sum(1, 2, 3))
	// Output: 6
}
