package guestmem

import (
	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// Stack is what a vCPU was executing in ring 3, innermost first. The kernel runs
// on a stack of its own, where the chain of frame pointers begins anew; who called
// it, or was interrupted, is in the registers it keeps of the thread.
func Stack(ram virtio.RAM, page, cr3 uint64, r *kvm.Regs) []uint64 {
	if !onKernelStack(ram, page, r.RSP) {
		return Trace(ram, cr3, r.RIP, r.RBP)
	}
	pcs := []uint64{r.RIP} // on its way in, the kernel has no chain yet
	if onKernelStack(ram, page, r.RBP) {
		pcs = Trace(ram, cr3, r.RIP, r.RBP)
	}
	thread, ok := Read64(ram, page+abi.VCPUThread)
	if !ok || thread < abi.MapLow || thread >= abi.MapHigh {
		return pcs // none yet
	}
	rip, ok1 := ReadVirtual(ram, cr3, thread+abi.ThreadRIP)
	rbp, ok2 := ReadVirtual(ram, cr3, thread+abi.ThreadRBP)
	if !ok1 || !ok2 || rip < abi.ImageBase {
		return pcs
	}
	pcs = append(pcs, Trace(ram, cr3, rip, rbp)...)
	return pcs[:min(len(pcs), sample.MaxFrames)]
}

// onKernelStack says whether rsp is on the stack that the vCPU's page names.
func onKernelStack(ram virtio.RAM, page, rsp uint64) bool {
	low, ok1 := Read64(ram, page+abi.VCPUStackLo)
	high, ok2 := Read64(ram, page+abi.VCPUStackHi)
	return ok1 && ok2 && rsp > low && rsp <= high
}
