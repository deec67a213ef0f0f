package tests

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What TestMain sets up.
var (
	doze    string // the command under test
	scratch string // folder for what is built
)

func TestMain(m *testing.M) { os.Exit(setup(m)) }

func setup(m *testing.M) int {
	if os.Getenv(spinVariable) != "" {
		spinForever()
		return 0
	}
	if why := missing(os.Getenv("DOZE_TIER")); why != "" {
		fmt.Printf("tier skipped: %s\n", why)
		return 0
	}
	if signal.Ignored(syscall.SIGHUP) {
		// As under nohup. doze leaves an ignored signal ignored, but the tests send
		// it: one that is handled here has its default action in what is started.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "doze-tests-"); err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		return 1
	}
	defer os.RemoveAll(scratch)
	if doze = os.Getenv("DOZE_BIN"); doze != "" {
		if doze, err = filepath.Abs(doze); err != nil {
			fmt.Fprintln(os.Stderr, "tests:", err)
			return 1
		}
		return m.Run()
	}
	doze = filepath.Join(scratch, "doze")
	if out, err := exec.Command("go", "build", "-o", doze, "../cmd/doze").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "tests: building cmd/doze: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// missing says why a tier can't run here at all.
func missing(tier string) string {
	if version := os.Getenv("DOZE_GO"); version != "" {
		cmd := exec.Command("go", "version")
		cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+version)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Sprintf("no toolchain %s: %v: %s", version, err, out)
		}
	}
	switch tier {
	case "kvm":
		return needsKVM()
	case "qemu":
		return needsQEMU()
	case "linux":
		if needsKVM() != "" {
			return needsQEMU()
		}
	}
	return ""
}

// built holds a function per package that builds its image the first time.
var built sync.Map

// image returns the image of a package, built once.
func image(t *testing.T, pkg string) string {
	t.Helper()
	name, _, _ := strings.Cut(path.Base(pkg), "@")
	if dir := os.Getenv("DOZE_IMAGES"); dir != "" {
		file, err := filepath.Abs(filepath.Join(dir, name+".doze"))
		require.NoError(t, err)
		if _, err := os.Stat(file); err != nil {
			t.Skipf("no image of %s was brought along: %v", pkg, err)
		}
		return file
	}
	build, _ := built.LoadOrStore(pkg, sync.OnceValues(func() (string, error) {
		file := filepath.Join(scratch, name+".doze")
		cmd := exec.Command(doze, "build", "-o", file, pkg)
		if version := os.Getenv("DOZE_GO"); version != "" {
			cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+version)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("doze build %s: %w\n%s", pkg, err, out)
		}
		info, err := buildinfo.ReadFile(file)
		if want := os.Getenv("DOZE_GO"); err != nil || want != "" && info.GoVersion != want {
			return "", fmt.Errorf("%s was to be built by %q: %w, %+v", file, want, err, info)
		}
		return file, nil
	}))
	file, err := build.(func() (string, error))()
	require.NoError(t, err)
	return file
}

// app is the image of one of the programs in apps.
func app(t *testing.T, name string) string {
	t.Helper()
	return image(t, "../apps/"+name)
}
