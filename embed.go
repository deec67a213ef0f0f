// Package doze carries the sources that the doze command needs to derive a
// GOROOT: the files that replace or join the standard library, and the guest
// packages they import. They are embedded so that the command works without a
// checkout beside it. The package holds no code.
package doze

import "embed"

// Sources holds the module's guest side by its path in the module.
//
//go:embed all:runtime_pv/goroot kernel drivers
var Sources embed.FS
