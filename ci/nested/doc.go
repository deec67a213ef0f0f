// Command nested runs a program on upstream KVM where the host has none: QEMU's
// TCG emulates AMD SVM, Debian's cloud kernel boots in it, loads kvm-amd and
// starts the program as the only process of a small initramfs. It is the nested
// test tier, about 20 times slower than hardware.
//
//	ci/nested/run [flags] PROGRAM [ARG]...
//
// PROGRAM is a static executable of this host (a binary of `go test -c`, say); it
// runs in the folder /work of the machine, where -file put what it needs. Its
// exit status becomes ours; 125 means that the machine could not be set up, 124
// that it took too long.
//
// It must never write outside its cache folder and its temporary folder, and
// installs packages only as root with CI set.
package main
