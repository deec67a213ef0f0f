// Package qemu runs images under QEMU: machines microvm and q35, by TCG or KVM.
//
// The guest's stdout and stderr are two virtio consoles on microvm, COM1 and COM2 on
// q35, where there is no virtio-mmio; a crash in ring 0 is reported on COM1 on both.
// Its control lines are the debug console. Each is a pipe of its own, so that bytes
// pass as they are. Control lines to the guest, and its stdin with them, are what
// COM3 receives. The
// package must never lose what was written before the machine ended, and never
// leave a QEMU behind.
package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/doze-vm/doze/hostvmm/cmdline"
	"github.com/doze-vm/doze/hostvmm/control"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// Machines and accelerators.
const (
	MicroVM = "microvm"
	Q35     = "q35"
	TCG     = "tcg"
	KVM     = "kvm"
)

// Binary is the QEMU that is looked for in PATH.
const Binary = "qemu-system-x86_64"

// Options choose the virtual hardware.
type Options struct {
	Machine string // MicroVM or Q35; empty is MicroVM
	Accel   string // TCG or KVM; empty is TCG
	// Binary is the QEMU to start; empty looks for Binary in PATH.
	Binary string
}

// ErrNotFound is the error if there is no QEMU.
var ErrNotFound = errors.New("no " + Binary + " in PATH: install QEMU (Debian: apt install qemu-system-x86)")

// Run runs an image to its end. The end of ctx ends the machine.
func Run(ctx context.Context, c vm.Config, o Options) (vm.Result, error) {
	o, err := o.complete()
	if err != nil {
		return vm.Result{}, err
	}
	if c.MaxMemory > c.Memory {
		return vm.Result{}, fmt.Errorf("memory up to %d MiB: QEMU's machines can't grow: give them that much at once, with --memory, or use --vmm kvm", c.MaxMemory>>20)
	}
	if c.MaxCPUs > max(c.CPUs, 1) {
		return vm.Result{}, fmt.Errorf("up to %d vCPUs: QEMU's machines keep those they boot with: give them that many at once, with --cpus, or use --vmm kvm", c.MaxCPUs)
	}
	if err := checkImage(c); err != nil {
		return vm.Result{}, err
	}
	line := cmdline.FromConfig(c, "qemu-"+o.Machine, o.Accel)
	line.COM3 = true
	if o.Machine == MicroVM {
		line.Devices = append(line.Devices, windows()...)
	}
	cmdline, err := line.Encode(cmdline.QEMULimit)
	if err != nil {
		return vm.Result{}, err
	}
	in, err := newDown(c.Stdin, c.Signals)
	if err != nil {
		return vm.Result{}, err
	}
	defer in.stop()
	parser := control.Parser{Asked: in.stdin.Ask}
	var said bytes.Buffer
	stderr := c.Stderr
	if c.OneStream() {
		stderr = nil // both come by the pipe of stdout
	}
	out, err := newStreams(c.Stdout, stderr, &parser, &limited{w: &said})
	if err != nil {
		return vm.Result{}, err
	}
	cmd := exec.CommandContext(ctx, o.Binary, arguments(c, o, cmdline)...)
	cmd.ExtraFiles = slices.Concat(out.guestEnds(), []*os.File{in.guestEnd})
	cmd.Stdout, cmd.Stderr = out.qemuEnd(), out.qemuEnd()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = runLocked(cmd, out, in)
	lost := out.drain(ctx, in.asked)
	if ctx.Err() != nil {
		return vm.Result{ExitCode: vm.Interrupted(ctx)}, nil
	}
	res, err := result(&parser, err, said.String())
	res.Lost(lost)
	return res, err
}

// runLocked runs cmd from a thread that lives as long: the parent-death signal
// is sent when the thread that started the process ends.
func runLocked(cmd *exec.Cmd, out *streams, in *down) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		out.started()
		in.guestEnd.Close()
		if err == nil {
			err = cmd.Wait()
		}
		done <- err
	}()
	return <-done
}

// result tells the guest's end from QEMU's own failure. isa-debug-exit makes
// QEMU exit with an odd status that is never 0, whatever the guest says.
func result(p *control.Parser, err error, said string) (vm.Result, error) {
	res, guest := p.Result()
	var exit *exec.ExitError
	switch {
	case guest != nil, res.Crash == nil, p.Spoke():
		return res, guest
	case err == nil:
		return res, nil
	case errors.As(err, &exit) && strings.TrimSpace(said) == "" && exit.Exited():
		return res, nil
	case errors.As(err, &exit):
		return vm.Result{}, fmt.Errorf("QEMU ended with %v: %s", exit, oneLine(said))
	}
	return vm.Result{}, fmt.Errorf("QEMU: %w", err)
}

// oneLine returns the last line that QEMU printed, without its name.
func oneLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	return strings.TrimPrefix(last, Binary+": ")
}

func (o Options) complete() (Options, error) {
	if o.Machine == "" {
		o.Machine = MicroVM
	}
	if o.Accel == "" {
		o.Accel = TCG
	}
	if o.Machine != MicroVM && o.Machine != Q35 {
		return o, fmt.Errorf("machine %q: use %s or %s", o.Machine, MicroVM, Q35)
	}
	if o.Accel != TCG && o.Accel != KVM {
		return o, fmt.Errorf("accelerator %q: use %s or %s", o.Accel, TCG, KVM)
	}
	if o.Binary == "" {
		path, err := exec.LookPath(Binary)
		if err != nil {
			return o, ErrNotFound
		}
		o.Binary = path
	}
	if o.Accel == KVM {
		f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
		if err != nil {
			return o, fmt.Errorf("QEMU with KVM: %w: use --accel tcg, or see doze doctor", err)
		}
		f.Close()
	}
	return o, nil
}

func checkImage(c vm.Config) error {
	im, err := loader.Open(c.Image)
	if err != nil {
		return err
	}
	defer im.Close()
	return im.Fits(c.Memory)
}

// File descriptors of the streams in QEMU: ExtraFiles start at 3.
const (
	fdStdout  = 3
	fdStderr  = 4
	fdControl = 5
	fdDown    = 6
)

// arguments returns QEMU's command line.
func arguments(c vm.Config, o Options, cmdline string) []string {
	args := []string{
		"-M", o.machine(), "-accel", o.Accel, "-cpu", o.cpu(),
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-m", strconv.FormatUint((c.Memory+1023)/1024, 10) + "K",
		"-smp", strconv.Itoa(max(c.CPUs, 1)),
	}
	stderr := fdStderr
	if c.OneStream() {
		stderr = fdStdout
	}
	// Each device has a chardev of its own, also where two go to one pipe.
	for i, s := range []struct {
		fd     int
		device string
	}{
		{fdStdout, "isa-serial,index=0"},
		{stderr, "isa-serial,index=1"},
		{fdControl, fmt.Sprintf("isa-debugcon,iobase=%#x", abi.PortControl)},
	} {
		args = append(args, chardev(s.fd, i)...)
		args = append(args, "-device", fmt.Sprintf("%s,chardev=c%d", s.device, i))
	}
	if o.Machine == MicroVM {
		args = append(args, virtio(fdStdout, stderr)...)
	}
	return append(args,
		"-chardev", fmt.Sprintf("socket,id=down,fd=%d", fdDown),
		"-device", fmt.Sprintf("isa-serial,index=2,iobase=%#x,irq=%d,chardev=down", abi.PortCOM3, abi.LineCOM3),
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=4", abi.PortExit),
		"-kernel", c.Image, "-append", cmdline)
}

// chardev returns the arguments for a chardev cN that writes to a descriptor.
func chardev(fd, n int) []string {
	return []string{"-add-fd", fmt.Sprintf("fd=%d,set=%d", fd, n),
		"-chardev", fmt.Sprintf("file,id=c%d,path=/dev/fdset/%d,append=on", n, n)}
}

// windows are where microvm puts its virtio devices, in the order in which the guest
// is to find them. Of eight windows the last is filled first (hw/i386/microvm.c).
func windows() (list []cmdline.Device) {
	const devices, windows, size, firstGSI = 3, 8, 512, 5
	for i := range uint32(devices) {
		w := windows - 1 - i
		list = append(list, cmdline.Device{Size: size, Base: abi.VirtioBase + uint64(w)*size, GSI: firstGSI + w})
	}
	return list
}

// virtio returns the arguments for standard output and error as ports of virtio consoles, and
// for the balloon. QEMU gives virtio-mmio the legacy registers unless told otherwise.
// A port whose pipe is full keeps what it was given, where a serial port drops it, and so
// does a virtconsole.
func virtio(stdout, stderr int) []string {
	args := []string{"-global", "virtio-mmio.force-legacy=false"}
	for i, fd := range []int{stdout, stderr} {
		n := firstConsole + i
		args = append(args, chardev(fd, n)...)
		args = append(args, "-device", fmt.Sprintf("virtio-serial-device,id=vs%d,max_ports=2", n),
			"-device", fmt.Sprintf("virtserialport,bus=vs%d.0,nr=1,chardev=c%d", n, n))
	}
	return append(args, "-device", "virtio-balloon-device,id=balloon,free-page-reporting=on,deflate-on-oom=on")
}

// firstConsole is the number of the first chardev behind those of the serial ports.
const firstConsole = 3

// machine returns the machine type with what costs boot time or wake-ups turned
// off. Without kvmclock the guest calibrates by the PIT and reads the time of
// day from the RTC; with it neither is needed.
func (o Options) machine() string {
	switch {
	case o.Machine == Q35:
		return "q35,usb=off,vmport=off,smm=off,hpet=off"
	case o.Accel == KVM:
		return "microvm,acpi=off,isa-serial=off,auto-kernel-cmdline=off,pic=off,pit=off,rtc=off"
	}
	return "microvm,acpi=off,isa-serial=off,auto-kernel-cmdline=off,pic=on,pit=on,rtc=on"
}

func (o Options) cpu() string {
	if o.Accel == KVM {
		return "host"
	}
	return "max" // TCG's default has no FSGSBASE
}
