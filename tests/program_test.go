package tests

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHello(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--env", "K=V", app(t, "hello"), "a", "b c", "", "100%", "-x", "--", "ä")
		r.ok(t)
		t.Log(r.stdout)
		assert.Contains(t, r.constant(), `Hello from a Go program.
args: ["a" "b c" "" "100%" "-x" "--" "ä"]
`)
		assert.Contains(t, r.constant(), "env: K=V\n")
		assert.Equal(t, 1, strings.Count(r.stdout, "machine: VMM "), "the program sees its machine")
		assert.Equal(t, 1, strings.Count(r.stdout, "time: "))
	})
}

func TestEnvironmentArrivesExactly(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--env", "SPACE=a  b", "--env", "PERCENT=%20%", "--env", "EMPTY=", "--env", "LINE=1\n2",
			"--env", "EQUAL=a=b", "--env", "UTF8=ü", app(t, "env"))
		r.ok(t)
		for _, line := range []string{`"SPACE=a  b"`, `"PERCENT=%20%"`, `"EMPTY="`, `"LINE=1\n2"`, `"EQUAL=a=b"`, `"UTF8=ü"`} {
			assert.Contains(t, r.stdout, line+"\n")
		}
	})
}

func TestExitStatus(t *testing.T) {
	for _, status := range []struct {
		text string
		want int
	}{{"0", 0}, {"7", 7}, {"255", 255}} {
		t.Run(status.text, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				r := m.run(t, app(t, "exit"), status.text)
				assert.Equal(t, status.want, r.status)
				assert.Empty(t, r.stdout+r.stderr)
			})
		})
	}
}

func TestPanic(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "panic"))
		assert.Equal(t, 2, r.status)
		assert.Equal(t, "about to panic\n", r.stdout)
		for _, line := range []string{"panic: out of patience after 3 tries", "main.inner(", "main.outer(", "panic/main.go:"} {
			assert.Contains(t, r.stderr, line)
		}
	})
}

const everyFault = `nil dereference: recovered 3 times: runtime error: invalid memory address or nil pointer dereference
nil function: recovered 3 times: runtime error: invalid memory address or nil pointer dereference
division by zero: recovered 3 times: runtime error: integer divide by zero
memory that is gone: recovered 3 times: runtime error: invalid memory address or nil pointer dereference
memory without access: recovered 3 times: runtime error: invalid memory address or nil pointer dereference
memory only to read: recovered 3 times: runtime error: invalid memory address or nil pointer dereference
`

func TestFaultsAreRecovered(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "nilrecover"))
		r.ok(t)
		assert.Equal(t, everyFault+"on a locked thread:\n"+everyFault+"with signals asked for:\n"+everyFault+
			"sent and received: segmentation fault\n", r.stdout)
	})
}

func TestStreams(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "stdio"))
		require.Equal(t, 0, r.status)
		same(t, expected("out", 'a'), r.stdout)
		same(t, expected("err", 'A'), r.stderr)
	})
}

// same compares large texts without printing them whole.
func same(t *testing.T, want, got string) {
	t.Helper()
	i := 0
	for i < min(len(want), len(got)) && want[i] == got[i] {
		i++
	}
	end := func(s string) string { return s[i:min(i+40, len(s))] }
	assert.True(t, want == got, "byte %d of %d (want %d): got %q, want %q", i, len(got), len(want), end(got), end(want))
}

// expected is what apps/stdio writes on one stream: 100 short lines, then 1 MiB
// of its pattern.
func expected(word string, first int) string {
	var b strings.Builder
	for i := range 100 {
		b.WriteString(word + " " + strconv.Itoa(i) + "\n")
	}
	for i := range 1 << 20 {
		if line, column := i/64, i%64; column < 63 {
			b.WriteByte(byte(first + (line+column)%26))
		} else {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestThreads(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "threads"))
		r.ok(t)
		assert.Equal(t, "threads: 4 pairs, 2000 rounds each, every ball counted\n", r.stdout)
	})
}

func TestCollectorKeepsDataWhole(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--memory", "32M", app(t, "gcstress"), "-for", long("10s", "5m"))
		r.ok(t)
		t.Log(r.stdout)
		assert.Equal(t, "gcstress: no corruption\n", r.constant())
	})
}

func TestHostname(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, c := range []struct {
			name  string
			flags []string
		}{{"doze", nil}, {"web-1.example", []string{"--hostname", "web-1.example"}}, {strings.Repeat("h", 64), []string{"--hostname", strings.Repeat("h", 64)}}} {
			r := m.run(t, append(c.flags, app(t, "hostname"))...)
			require.Zero(t, r.status, r.stderr)
			assert.Equal(t, fmt.Sprintf(`os: %[1]s <nil>
uname: %[1]s <nil>
/etc/hostname: "%[1]s\n" <nil>
/proc/sys/kernel/hostname: "%[1]s\n" <nil>
/etc/hosts: "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t%[1]s\n" <nil>
`, c.name), r.stdout)
		}
	})
}
