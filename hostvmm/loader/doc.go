// Package loader reads a Doze image and puts it into the memory of a machine, in
// the way of a PVH loader (Xen docs/misc/pvh.pandoc): segments at their physical
// addresses, hvm_start_info, memory map and command line below 1 MiB.
//
// Text and read-only data are not copied: they come from one memfd that all
// machines of a process map privately, collapsed into huge pages where the kernel
// can. An image is data of unknown origin: every number in it is checked before
// use, and the loader must never write outside the memory given to it.
package loader
