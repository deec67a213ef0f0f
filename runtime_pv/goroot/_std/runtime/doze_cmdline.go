package runtime

// The words of the command line (docs/nucleus.md 7).

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/cmdline"
	transport "internal/runtime/doze/virtio/mmio"
	"internal/runtime/doze/virtio/spec"
	"unsafe"
)

// dozeReadCommandLine takes the words that are for the machine, and returns how
// many vCPUs there are to use, 0 if it does not say.
func dozeReadCommandLine(line uintptr) (want uint32) {
	i := &dozeBootInfo
	w := cmdline.Of(line)
	for w.NextForMachine() {
		if v, ok := w.Value(cmdline.WordVMM); ok {
			i.vmm.Keep(v)
		} else if v, ok := w.Value(cmdline.WordAccel); ok {
			i.accel.Keep(v)
		} else if v, ok := w.Value(cmdline.WordStart); ok {
			i.start = int64(v.Number())
		} else if v, ok := w.Value(cmdline.WordCPUs); ok {
			want = uint32(v.Number())
		} else if v, ok := w.Value(cmdline.WordMaxCPUs); ok {
			i.most = uint32(v.Number())
		} else if v, ok := w.Value(cmdline.WordMaxMemory); ok {
			i.ceiling = uintptr(v.Number())
		} else if v, ok := w.Value(cmdline.WordHostname); ok {
			dozeSetHostname(dozeWordText(v))
		} else if v, ok := w.Value(cmdline.WordDir); ok && v.Len() < dozePathMax {
			to := dozeAddr(&dozeTree.first[0])
			dozeTree.firstLen = v.Decode(to) - to
		} else if v, ok := w.Value(cmdline.WordStrace); ok {
			dozeTraceInit(dozeWordText(v))
		} else {
			dozeMachineFlag(&w)
		}
	}
	return
}

// dozeMachineFlag takes a word without a value.
func dozeMachineFlag(w *cmdline.Words) {
	switch {
	case w.Is(cmdline.WordTree):
		dozeTree.writable = true
	case w.Is(cmdline.WordHalt):
		dozeBootInfo.forceHalt = true
	case w.Is(cmdline.WordSMPNone):
		dozeSMP = 0
	case w.Is(cmdline.WordSMPLock):
		dozeSMP = dozeSMPLock
	case w.Is(cmdline.WordSMPWake):
		dozeSMP = dozeSMPWake
	case w.Is(cmdline.WordCOM3):
		dozeInput.from = dozeControlUART
	}
}

// dozeWordText is a value where it lies: escapes are not resolved, and the line is hidden
// once the machine has booted.
func dozeWordText(v cmdline.Value) string {
	return unsafe.String((*byte)(unsafe.Pointer(v.Addr())), int(v.Len()))
}

// dozeFindDevices takes the virtio-mmio windows that the command line names.
func dozeFindDevices(line uintptr) {
	const windows, windowsEnd = 0xfea00000, abi.IOAPICBase // what the image maps for devices
	w := cmdline.Of(line)
	for w.NextForMachine() {
		v, ok := w.Value(cmdline.WordDevice)
		if !ok {
			continue
		}
		v.Skip('@')
		base := v.Number()
		v.Skip(':')
		gsi := v.Number()
		if base >= windows && base+dozePage <= windowsEnd {
			dozeDeviceAdd(uintptr(base), uintptr(gsi))
		}
	}
}

// dozeDeviceAdd takes a device's window and line. Where the VMM is hostvmm the
// first two are consoles, and no device is asked what it is before it is needed:
// each look is an exit.
func dozeDeviceAdd(base, line uintptr) {
	i := dozeDevices
	dozeDevices++
	if dozeInput.from == dozeControlPort {
		if i < 2 {
			dozeConsoleAdd(base, 0)
		} else {
			dozeBalloonAdd(base, i, 0)
		}
		return
	}
	switch device, _ := (transport.Regs{Base: base}).Probe(); device {
	case spec.DeviceConsole:
		dozeConsoleAdd(base, line)
	case spec.DeviceBalloon:
		dozeBalloonAdd(base, i, line)
	}
}

// dozeDevices counts the windows.
var dozeDevices uintptr
