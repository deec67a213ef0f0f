package strace

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"

	"github.com/doze-vm/doze/kernel/linux"
)

// program is a program's memory: what lies at its addresses, each followed by nothing.
type program map[uintptr]string

func (m program) read(dst *byte, p, n uintptr) (left uintptr) {
	to := unsafe.Slice(dst, n)
	for at, text := range m {
		if p >= at && p < at+uintptr(len(text)) {
			return n - uintptr(copy(to, text[p-at:]))
		}
	}
	return n
}

func words(v ...uint64) string {
	var b bytes.Buffer
	for _, w := range v {
		_ = binary.Write(&b, binary.LittleEndian, w)
	}
	return b.String()
}

var memory = program{
	0x1000: "/etc/hosts\x00",
	0x2000: "one\ttwo\n\x00\x017\xff\"\\",
	0x3000: words(1, 500_000_000),
	0x4000: words(5 | 6<<32),
	0x5000: words(0, 0, 0, 0o100644, 0, 0, 1234, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	0x6000: string(bytes.Repeat([]byte("0123456789"), 100)),
	0x7000: "no end",
	0x8000: "/other\x00",
}

const here = ^uintptr(99) // AT_FDCWD

func failed(e linux.Errno) uintptr { return -e }

// The lines are those of strace 6.1 for the same calls, but for what is in "[pid".
func TestLines(t *testing.T) {
	for _, c := range []struct {
		nr     uintptr
		args   [6]uintptr
		result uintptr
		want   string
	}{
		{linux.SysOpenat, [6]uintptr{here, 0x1000, 0o2000000}, 3, `openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3`},
		{linux.SysOpenat, [6]uintptr{4, 0x1000, 0o102, 0o644}, failed(linux.EACCES),
			`openat(4, "/etc/hosts", O_RDWR|O_CREAT, 0644) = -1 EACCES (Permission denied)`},
		{linux.SysOpenat, [6]uintptr{here, 0x9000, 0}, failed(linux.EFAULT), `openat(AT_FDCWD, 0x9000, O_RDONLY) = -1 EFAULT (Bad address)`},
		{linux.SysOpenat, [6]uintptr{here, 0x7000, 0}, failed(linux.EFAULT), `openat(AT_FDCWD, 0x7000, O_RDONLY) = -1 EFAULT (Bad address)`},
		{linux.SysOpen, [6]uintptr{0x1000, 0o20200002}, 3, `open("/etc/hosts", O_RDWR|O_TMPFILE) = 3`},
		{linux.SysWrite, [6]uintptr{1, 0x2000, 14}, 14, `write(1, "one\ttwo\n\0\0017\377\"\\", 14) = 14`},
		{linux.SysWrite, [6]uintptr{1, 0x6000, 100}, 100, `write(1, "01234567890123456789012345678901"..., 100) = 100`},
		{linux.SysWrite, [6]uintptr{1, 0x9000, 7}, failed(linux.EFAULT), `write(1, 0x9000, 7) = -1 EFAULT (Bad address)`},
		{linux.SysRead, [6]uintptr{0, 0x2000, 4096}, 3, `read(0, "one", 4096) = 3`},
		{linux.SysRead, [6]uintptr{0, 0x2000, 4096}, 0, `read(0, "", 4096) = 0`},
		{linux.SysRead, [6]uintptr{9, 0x2000, 1}, failed(linux.EBADF), `read(9, 0x2000, 1) = -1 EBADF (Bad file descriptor)`},
		{linux.SysMmap, [6]uintptr{0, 4096, 3, 0x22, ^uintptr(0), 0}, 0x7f0000000000,
			`mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000`},
		{linux.SysMprotect, [6]uintptr{0x7f0000000000, 4096, 0}, 0, `mprotect(0x7f0000000000, 4096, PROT_NONE) = 0`},
		{linux.SysNanosleep, [6]uintptr{0x3000, 0}, 0, `nanosleep({tv_sec=1, tv_nsec=500000000}, NULL) = 0`},
		{linux.SysPipe2, [6]uintptr{0x4000, 0o2004000}, 0, `pipe2([5, 6], O_NONBLOCK|O_CLOEXEC) = 0`},
		{linux.SysFstat, [6]uintptr{3, 0x5000}, 0, `fstat(3, {st_mode=S_IFREG|0644, st_size=1234, ...}) = 0`},
		{linux.SysLseek, [6]uintptr{3, ^uintptr(0), 2}, failed(linux.EINVAL), `lseek(3, -1, SEEK_END) = -1 EINVAL (Invalid argument)`},
		{linux.SysFutex, [6]uintptr{0x1000, 129, 1}, 1, `futex(0x1000, FUTEX_WAKE|FUTEX_PRIVATE_FLAG, 1) = 1`},
		{linux.SysFutex, [6]uintptr{0x1000, 128, 0, 0x3000}, failed(linux.ETIMEDOUT),
			`futex(0x1000, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 0, {tv_sec=1, tv_nsec=500000000}) = -1 ETIMEDOUT (Connection timed out)`},
		{linux.SysFcntl, [6]uintptr{3, 3, 7}, 0x8000, `fcntl(3, F_GETFL) = 0x8000`},
		{linux.SysFcntl, [6]uintptr{3, 4, 0x8800}, 0, `fcntl(3, F_SETFL, O_RDONLY|O_NONBLOCK|O_LARGEFILE) = 0`},
		{linux.SysTgkill, [6]uintptr{1, 2, 23}, 0, `tgkill(1, 2, SIGURG) = 0`},
		{linux.SysTgkill, [6]uintptr{1, 2, 34}, 0, `tgkill(1, 2, SIGRT_2) = 0`},
		{linux.SysTgkill, [6]uintptr{1, 2, 32}, 0, `tgkill(1, 2, SIGRTMIN) = 0`},
		{linux.SysGetpid, [6]uintptr{1, 2}, 1, `getpid() = 1`},
		{linux.SysRenameat2, [6]uintptr{here, 0x1000, here, 0x8000, 0}, 0, `renameat2(AT_FDCWD, "/etc/hosts", AT_FDCWD, "/other", 0) = 0`},
		{linux.SysUname, [6]uintptr{0x1000}, failed(200), `uname(0x1000) = -200`},
		{linux.Calls + 5, [6]uintptr{1, 2, 3}, failed(linux.ENOSYS),
			`syscall_0x1dd(0x1, 0x2, 0x3, 0, 0, 0) = -1 ENOSYS (Function not implemented)`},
	} {
		p := Printer{Read: memory.read}
		e := Event{Thread: 7, Number: c.nr, Args: c.args, Result: c.result}
		assert.Equal(t, "[pid 7] "+c.want+"\n", string(p.Whole(&e)))
	}
}

func TestRefusalHasItsReason(t *testing.T) {
	p := Printer{Read: memory.read}
	e := Event{Thread: 1, Number: linux.SysSocket, Args: [6]uintptr{2, 1, 0}, Result: failed(linux.ENOSYS), Why: "there is no network yet"}
	assert.Equal(t, "[pid 1] socket(2, 0x1, 0) = -1 ENOSYS (Function not implemented) /* there is no network yet */\n", string(p.Whole(&e)))
}

func TestCallsThatWait(t *testing.T) {
	p := Printer{Read: memory.read}
	e := Event{Thread: 2, Number: linux.SysRead, Args: [6]uintptr{5, 0x2000, 100}}
	line, shown := p.Begun(&e)
	assert.Equal(t, "[pid 2] read(5", string(line))
	assert.Equal(t, 1, shown)
	e.Result = 3
	assert.Equal(t, ", \"one\", 100) = 3\n", string(p.Ended(&e, shown)))
	assert.Equal(t, "[pid 2] <... read resumed>, \"one\", 100) = 3\n", string(p.Resumed(&e, shown)))
	assert.Equal(t, "[pid 2] <... read resumed>, 0x2000, 100) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)\n",
		string(p.Restarted(&e, shown)))
	e = Event{Thread: 1, Number: linux.SysExitGroup, Args: [6]uintptr{3}}
	assert.Equal(t, "[pid 1] exit_group(3) = ?\n", string(p.Endless(&e)))
}

// A line ends, and within its bounds, whatever the program has.
func FuzzLine(f *testing.F) {
	f.Add(uint64(linux.SysOpenat), uint64(3), []byte("/path"), true)
	f.Add(uint64(linux.SysRenameat2), uint64(1)<<63, bytes.Repeat([]byte{1}, 4096), false)
	f.Add(uint64(linux.SysRead), uint64(5000), bytes.Repeat([]byte{200}, 5000), true)
	f.Add(^uint64(0), ^uint64(0), []byte{}, false)
	f.Fuzz(func(t *testing.T, number, register uint64, text []byte, resumed bool) {
		nr, arg := uintptr(number), uintptr(register)
		m := program{arg: string(text)}
		p := Printer{Read: m.read}
		e := Event{Number: nr, Args: [6]uintptr{arg, arg, arg, arg, arg, arg}, Result: arg, Why: "there is none"}
		_, shown := p.Begun(&e)
		line := p.Whole(&e)
		if resumed {
			line = p.Resumed(&e, shown)
		}
		assert.LessOrEqual(t, len(line), LineMax)
		assert.Equal(t, byte('\n'), line[len(line)-1])
		assert.Equal(t, 1, bytes.Count(line, []byte("\n")))
		assert.Contains(t, string(line), ") = ")
	})
}
