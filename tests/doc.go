// Package tests boots images and looks at what comes out: the kvm, qemu, linux and
// nested tiers. Everything goes through the doze command, as it would for a
// user, and one set of tests serves every VMM.
//
//	DOZE_TIER    kvm or qemu: only these machines (default: both); linux: for its test
//	DOZE_BIN     the doze command to test (default: built from this tree)
//	DOZE_IMAGES  folder of ready images NAME.doze, for a machine that has no Go
//	DOZE_GO      the toolchain that builds images, as go1.27.4 (default: the one installed)
//	DOZE_LONG    1: more readings, longer runs
//
// A test waits for events with generous limits and never asserts how fast
// something was. Figures that depend on the host are logged.
package tests
