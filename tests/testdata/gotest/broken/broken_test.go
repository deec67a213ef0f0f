// Package broken does not compile, on purpose.
package broken

import "testing"

func TestBroken(t *testing.T) { undefined() }
