package linux

// Flags of open files (asm-generic/fcntl.h).
const (
	OAccess    = 3 // the bits of the three that follow
	ORdonly    = 0
	OWronly    = 1
	ORdwr      = 2
	OCreat     = 0o100
	OExcl      = 0o200
	ONoctty    = 0o400
	OTrunc     = 0o1000
	OAppend    = 0o2000
	ONonblock  = 0o4000
	ODsync     = 0o10000
	ODirect    = 0o40000
	OLargefile = 0o100000
	ODirectory = 0o200000
	ONofollow  = 0o400000
	ONoatime   = 0o1000000
	OCloexec   = 0o2000000
	OPath      = 0o10000000
	oSync      = 0o4010000
	oTmpfile   = OTmpfileOnly | ODirectory

	// OTmpfileOnly is O_TMPFILE without O_DIRECTORY.
	OTmpfileOnly = 0o20000000
)

// AtFdcwd is the descriptor that means the current directory (linux/fcntl.h).
const AtFdcwd = -100

// Flags of calls with a descriptor and a path (linux/fcntl.h).
const (
	AtSymlinkNofollow = 0x100
	AtRemovedir       = 0x200
	AtSymlinkFollow   = 0x400
	AtNoAutomount     = 0x800
	AtEmptyPath       = 0x1000
	AtStatxSyncType   = 0x6000
)

// Commands of fcntl(2) (asm-generic/fcntl.h).
const (
	FGetfd = 1
	FGetfl = 3
	FSetfl = 4
)

// Operations of futex(2), without the flags (linux/futex.h).
const (
	FutexWait    = 0
	FutexWake    = 1
	FutexCommand = 0x7f
)

// A Flag is bits of an argument with their name.
type Flag struct {
	Bits uint64
	Name string
}

// Flags are the names of an argument's bits. Those of Mask together stand for one of
// Values; of the rest, or of all if there is no such value, each is one of Bits, where
// a set that holds another comes before it.
type Flags struct {
	Mask   uint64
	Values []Flag
	Bits   []Flag
}

// flagsOf are the names of the arguments that have any. It is one literal, so that the
// linker lays it out: the kernel runs before any initialization.
var flagsOf = [...]Flags{
	OpenFlags: {
		Mask:   OAccess,
		Values: []Flag{{ORdonly, "O_RDONLY"}, {OWronly, "O_WRONLY"}, {ORdwr, "O_RDWR"}},
		Bits: []Flag{{oTmpfile, "O_TMPFILE"}, {oSync, "O_SYNC"}, {OCreat, "O_CREAT"}, {OExcl, "O_EXCL"}, {ONoctty, "O_NOCTTY"},
			{OTrunc, "O_TRUNC"}, {OAppend, "O_APPEND"}, {ONonblock, "O_NONBLOCK"}, {ODsync, "O_DSYNC"}, {ODirect, "O_DIRECT"},
			{OLargefile, "O_LARGEFILE"}, {ODirectory, "O_DIRECTORY"}, {ONofollow, "O_NOFOLLOW"}, {ONoatime, "O_NOATIME"},
			{OCloexec, "O_CLOEXEC"}, {OPath, "O_PATH"}},
	},
	MakeFlags: {Bits: []Flag{{ONonblock, "O_NONBLOCK"}, {ODirect, "O_DIRECT"}, {OCloexec, "O_CLOEXEC"}}},
	AtFlags: {Bits: []Flag{{AtSymlinkNofollow, "AT_SYMLINK_NOFOLLOW"}, {AtRemovedir, "AT_REMOVEDIR"},
		{AtSymlinkFollow, "AT_SYMLINK_FOLLOW"}, {AtEmptyPath, "AT_EMPTY_PATH"}}},
	// asm-generic/mman-common.h
	Prot: {
		Mask:   all,
		Values: []Flag{{0, "PROT_NONE"}},
		Bits:   []Flag{{1, "PROT_READ"}, {2, "PROT_WRITE"}, {4, "PROT_EXEC"}},
	},
	// asm-generic/mman.h, mman-common.h
	MapFlags: {
		Mask:   0xf,
		Values: []Flag{{1, "MAP_SHARED"}, {2, "MAP_PRIVATE"}, {3, "MAP_SHARED_VALIDATE"}},
		Bits: []Flag{{0x10, "MAP_FIXED"}, {0x20, "MAP_ANONYMOUS"}, {0x4000, "MAP_NORESERVE"}, {0x8000, "MAP_POPULATE"},
			{0x20000, "MAP_STACK"}, {0x40000, "MAP_HUGETLB"}, {0x80000, "MAP_SYNC"}, {0x100000, "MAP_FIXED_NOREPLACE"}},
	},
	// linux/sched.h
	CloneFlags: {
		Bits: []Flag{{0x100, "CLONE_VM"}, {0x200, "CLONE_FS"}, {0x400, "CLONE_FILES"}, {0x800, "CLONE_SIGHAND"},
			{0x2000, "CLONE_PTRACE"}, {0x4000, "CLONE_VFORK"}, {0x8000, "CLONE_PARENT"}, {0x10000, "CLONE_THREAD"},
			{0x40000, "CLONE_SYSVSEM"}, {0x80000, "CLONE_SETTLS"}, {0x100000, "CLONE_PARENT_SETTID"},
			{0x200000, "CLONE_CHILD_CLEARTID"}, {0x1000000, "CLONE_CHILD_SETTID"}},
	},
	// linux/futex.h
	FutexOp: {
		Mask: FutexCommand,
		Values: []Flag{{FutexWait, "FUTEX_WAIT"}, {FutexWake, "FUTEX_WAKE"}, {3, "FUTEX_REQUEUE"}, {4, "FUTEX_CMP_REQUEUE"}, {5, "FUTEX_WAKE_OP"},
			{6, "FUTEX_LOCK_PI"}, {7, "FUTEX_UNLOCK_PI"}, {9, "FUTEX_WAIT_BITSET"}, {10, "FUTEX_WAKE_BITSET"}},
		Bits: []Flag{{128, "FUTEX_PRIVATE_FLAG"}, {256, "FUTEX_CLOCK_REALTIME"}},
	},
	// asm-generic/mman-common.h
	Advice: {Mask: all, Values: []Flag{{0, "MADV_NORMAL"}, {1, "MADV_RANDOM"}, {2, "MADV_SEQUENTIAL"}, {3, "MADV_WILLNEED"}, {4, "MADV_DONTNEED"},
		{8, "MADV_FREE"}, {9, "MADV_REMOVE"}, {10, "MADV_DONTFORK"}, {11, "MADV_DOFORK"}, {12, "MADV_MERGEABLE"},
		{13, "MADV_UNMERGEABLE"}, {14, "MADV_HUGEPAGE"}, {15, "MADV_NOHUGEPAGE"}, {16, "MADV_DONTDUMP"}, {17, "MADV_DODUMP"},
		{20, "MADV_COLD"}, {21, "MADV_PAGEOUT"}, {22, "MADV_POPULATE_READ"}, {23, "MADV_POPULATE_WRITE"}, {25, "MADV_COLLAPSE"}}},
	// linux/fs.h
	Whence: {Mask: all, Values: []Flag{{0, "SEEK_SET"}, {1, "SEEK_CUR"}, {2, "SEEK_END"}, {3, "SEEK_DATA"}, {4, "SEEK_HOLE"}}},
	// asm-generic/signal-defs.h
	How: {Mask: all, Values: []Flag{{0, "SIG_BLOCK"}, {1, "SIG_UNBLOCK"}, {2, "SIG_SETMASK"}}},
	// linux/time.h
	Clock: {Mask: all, Values: []Flag{{0, "CLOCK_REALTIME"}, {1, "CLOCK_MONOTONIC"}, {2, "CLOCK_PROCESS_CPUTIME_ID"},
		{3, "CLOCK_THREAD_CPUTIME_ID"}, {4, "CLOCK_MONOTONIC_RAW"}, {5, "CLOCK_REALTIME_COARSE"},
		{6, "CLOCK_MONOTONIC_COARSE"}, {7, "CLOCK_BOOTTIME"}, {8, "CLOCK_REALTIME_ALARM"}, {9, "CLOCK_BOOTTIME_ALARM"}, {11, "CLOCK_TAI"}}},
	// linux/eventpoll.h
	EpollOp: {Mask: all, Values: []Flag{{1, "EPOLL_CTL_ADD"}, {2, "EPOLL_CTL_DEL"}, {3, "EPOLL_CTL_MOD"}}},
	// asm-generic/fcntl.h, linux/fcntl.h
	FcntlCommand: {Mask: all, Values: []Flag{{0, "F_DUPFD"}, {FGetfd, "F_GETFD"}, {2, "F_SETFD"}, {FGetfl, "F_GETFL"}, {FSetfl, "F_SETFL"}, {5, "F_GETLK"},
		{6, "F_SETLK"}, {7, "F_SETLKW"}, {36, "F_OFD_GETLK"}, {37, "F_OFD_SETLK"}, {38, "F_OFD_SETLKW"},
		{1024, "F_SETLEASE"}, {1025, "F_GETLEASE"}, {1030, "F_DUPFD_CLOEXEC"}, {1031, "F_SETPIPE_SZ"}, {1032, "F_GETPIPE_SZ"},
		{1033, "F_ADD_SEALS"}, {1034, "F_GET_SEALS"}}},
	// asm/signal.h
	SignalNumber: {Mask: all, Values: []Flag{{1, "SIGHUP"}, {2, "SIGINT"}, {3, "SIGQUIT"}, {4, "SIGILL"}, {5, "SIGTRAP"}, {6, "SIGABRT"}, {7, "SIGBUS"},
		{8, "SIGFPE"}, {9, "SIGKILL"}, {10, "SIGUSR1"}, {11, "SIGSEGV"}, {12, "SIGUSR2"}, {13, "SIGPIPE"}, {14, "SIGALRM"},
		{15, "SIGTERM"}, {16, "SIGSTKFLT"}, {17, "SIGCHLD"}, {18, "SIGCONT"}, {19, "SIGSTOP"}, {20, "SIGTSTP"}, {21, "SIGTTIN"},
		{22, "SIGTTOU"}, {23, "SIGURG"}, {24, "SIGXCPU"}, {25, "SIGXFSZ"}, {26, "SIGVTALRM"}, {27, "SIGPROF"}, {28, "SIGWINCH"},
		{29, "SIGIO"}, {30, "SIGPWR"}, {31, "SIGSYS"}}},
}

// all has every bit: of the argument's values it has one.
const all = ^uint64(0)

// FlagsOf returns the names of an argument's bits, nil if it has none.
func FlagsOf(a Arg) *Flags {
	if int(a) < len(flagsOf) && flagsOf[a].Mask|uint64(len(flagsOf[a].Bits)) != 0 {
		return &flagsOf[a]
	}
	return nil
}
