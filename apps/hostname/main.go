// Command hostname prints what the machine calls itself, as each place that has the name
// says it.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

func main() {
	name, err := os.Hostname()
	fmt.Println("os:", name, err)
	var u syscall.Utsname
	err = syscall.Uname(&u)
	var node strings.Builder
	for _, c := range u.Nodename {
		if c == 0 {
			break
		}
		node.WriteByte(byte(c))
	}
	fmt.Println("uname:", node.String(), err)
	for _, file := range []string{"/etc/hostname", "/proc/sys/kernel/hostname", "/etc/hosts"} {
		b, err := os.ReadFile(file)
		fmt.Printf("%s: %q %v\n", file, b, err)
	}
}
