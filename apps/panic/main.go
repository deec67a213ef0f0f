// Command panic dies of a panic, two calls deep and outside the main goroutine:
// the trace belongs on stderr, with both functions named, and the status is 2.
package main

import "fmt"

func main() {
	fmt.Println("about to panic")
	done := make(chan struct{})
	go outer(done)
	<-done
}

//go:noinline
func outer(done chan struct{}) {
	inner(3)
	close(done)
}

//go:noinline
func inner(n int) {
	panic(fmt.Sprintf("out of patience after %d tries", n))
}
