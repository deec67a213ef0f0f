// Package hostvmm runs Doze images on /dev/kvm: one machine per image file, with
// memory, a vCPU, an interrupt controller in the kernel, two consoles and the
// park protocol by which an idle guest costs nothing (docs/nucleus.md).
//
// Run does it all; Host, Machine and the packages below are for those who run
// many. Nothing that a guest does may make this package panic, hang or touch
// memory that is not the guest's: what is not understood ends the machine with a
// crash report.
package hostvmm
