package hostvmm

import (
	"github.com/doze-vm/doze/hostvmm/device"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// stackOf is what a vCPU was executing in ring 3, innermost first. The kernel runs
// on a stack of its own, where the chain of frame pointers begins anew; who called
// it, or was interrupted, is in the registers it keeps of the thread.
func stackOf(ram device.RAM, page, cr3 uint64, r *kvm.Regs) []uint64 {
	if !onKernelStack(ram, page, r.RSP) {
		return trace(ram, cr3, r.RIP, r.RBP)
	}
	pcs := []uint64{r.RIP} // on its way in, the kernel has no chain yet
	if onKernelStack(ram, page, r.RBP) {
		pcs = trace(ram, cr3, r.RIP, r.RBP)
	}
	thread, ok := read64(ram, page+abi.VCPUThread)
	if !ok || thread < abi.MapLow || thread >= abi.MapHigh {
		return pcs // none yet
	}
	rip, ok1 := readVirtual(ram, cr3, thread+abi.ThreadRIP)
	rbp, ok2 := readVirtual(ram, cr3, thread+abi.ThreadRBP)
	if !ok1 || !ok2 || rip < abi.ImageBase {
		return pcs
	}
	pcs = append(pcs, trace(ram, cr3, rip, rbp)...)
	return pcs[:min(len(pcs), sample.MaxFrames)]
}

// onKernelStack says whether rsp is on the stack that the vCPU's page names.
func onKernelStack(ram device.RAM, page, rsp uint64) bool {
	low, ok1 := read64(ram, page+abi.VCPUStackLo)
	high, ok2 := read64(ram, page+abi.VCPUStackHi)
	return ok1 && ok2 && rsp > low && rsp <= high
}
