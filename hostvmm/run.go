package hostvmm

import (
	"context"
	"runtime"

	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// Run runs an image to its end, in a machine of its own. The end of ctx ends it;
// a cause of type vm.Signal chooses the status. Each of attach, if there are any, is
// given the machine before it runs; what it returns is called when the machine has
// ended, and must have let go of it when it returns.
func Run(ctx context.Context, c vm.Config, attach ...func(*Machine) (detach func())) (vm.Result, error) {
	// A vCPU that changes threads waits for an RCU grace period on kernels before
	// about 6.13. One machine can afford a thread of its own.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	im, err := loader.Open(c.Image)
	if err != nil {
		return vm.Result{}, err
	}
	defer im.Close()
	h, err := OpenHost()
	if err != nil {
		return vm.Result{}, err
	}
	defer h.Close()
	_ = im.Share() // a host that can't share copies
	m, err := New(h, im, c, Options{OwnThread: true})
	if err != nil {
		return vm.Result{}, err
	}
	defer m.Close()
	for _, a := range attach {
		defer a(m)()
	}
	return m.Run(ctx)
}
