// Package rules holds the tests of the repository itself: which folder may
// import which, formatting, what may be committed, where danger may live. They
// read tracked files only, so run `git add` before you ask them.
//
// The rules follow docs/architecture.md. Loosen one only together with that
// page; never make one depend on the machine it runs on.
package rules
