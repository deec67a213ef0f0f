package port_test

import (
	"os/exec"
	"testing"

	"github.com/doze-vm/doze/runtime_pv/port/standin"
	"github.com/stretchr/testify/require"
)

const networkProgram = `package main

import (
	"fmt"
	"net"
	"os"
	"time"
	_ "time/tzdata"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go net.Dial("tcp", l.Addr().String())
	if _, err := l.Accept(); err != nil {
		panic(err)
	}
	time.Sleep(time.Millisecond)
	fmt.Println("pid", os.Getpid() > 0)
}
`

// With the stand-in a program must run as a Linux process: the rules keep the
// runtime whole, and package runtime may import guest packages.
func TestProgramBuiltWithStandInRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	for _, tc := range standin.Toolchains(t) {
		t.Run(tc.Version, func(t *testing.T) {
			program := standin.Build(t, tc, map[string]string{"main.go": networkProgram})
			out, err := exec.Command(program).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, "pid true\n", string(out))
		})
	}
}
