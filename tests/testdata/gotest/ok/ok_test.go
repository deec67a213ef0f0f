// Package ok has a test that passes.
package ok

import "testing"

func TestOK(t *testing.T) {}
