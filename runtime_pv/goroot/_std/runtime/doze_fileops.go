package runtime

// What each kind of open file can do: one table of operations a kind. The calls about
// open files look at the table alone, so that a new kind is a table, and nothing else.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
	"internal/runtime/sys"
)

// dozeFileOps is the table of a kind of open file. A file is of one of two sorts. A stream
// has bytes that come and go, no position, and calls that may wait: read and
// write. All others have readAt and writeAt, which never wait.
type dozeFileOps struct {
	_    sys.NotInHeap
	kind uint32 // dozeFile...
	on   uint32 // dozeOn...: what the file is open on

	stream  bool
	polls   bool // epoll takes it
	gathers bool // write takes all parts of a writev at once
	seeks   uint8

	// name is what /proc/self/fd shows where there is no node; a name that ends in "["
	// goes on with the number of what it is open on.
	name string
	mode uint32 // what stat shows there

	// read moves up to n bytes to the program's p. write takes all parts; t is the current
	// thread. Both return a call's result.
	read  func(f *dozeFile, p, n uintptr) uintptr
	write func(t *dozeThread, f *dozeFile, s dozeParts) uintptr

	// readAt and writeAt are read and write at an offset, of one part.
	readAt  func(f *dozeFile, p, n, off uintptr) uintptr
	writeAt func(f *dozeFile, p, n, off uintptr) uintptr

	// ready returns what can be done without waiting; nil: everything.
	ready func(f *dozeFile) uint32
	// available serves FIONREAD; nil: ENOTTY.
	available func(f *dozeFile) (n uint32, errno uintptr)
	// end frees what the file was open on, but for a node, and wakes those who wait for it;
	// nil: there is nothing to do.
	end func(f *dozeFile)
}

// Kinds of open files, where a call is about one of them.
const (
	dozeFileConsole = 1 + iota
	dozeFileNull
	dozeFileZero
	dozeFileFull
	dozeFileRandom
	dozeFilePipeIn  // the end of a pipe that is read
	dozeFilePipeOut // the end that is written
	dozeFileCounter // an eventfd
	dozeFileEpoll
	dozeFileInput // standard input
	dozeFileNode  // a file, a directory or a link of the tree
)

// What an open file is open on.
const (
	dozeOnNothing = iota
	dozeOnNode    // obj is a node
	dozeOnPipe    // obj is a pipe
)

// What lseek(2) does.
const (
	dozeSeekNever = iota // ESPIPE
	dozeSeekStays        // it answers 0
	dozeSeekMoves        // there is a position
)

// dozeConsoleMode is the type and the permissions of standard output.
const dozeConsoleMode = fs.TypeChar | 0o620

var dozeConsoleOps = dozeFileOps{
	kind: dozeFileConsole, stream: true, polls: true, gathers: true, name: "/dev/console", mode: dozeConsoleMode,
	read: dozeReadNothing, write: dozeConsoleWrite, ready: dozeConsoleReadiness,
}

var dozeInputOps = dozeFileOps{
	kind: dozeFileInput, stream: true, polls: true, name: "pipe:[", mode: fs.TypeFifo | 0o600,
	read: dozeInputRead, ready: dozeInputReadiness, available: dozeInputAvailable, end: dozeInputEnd,
}

var dozePipeInOps = dozeFileOps{
	kind: dozeFilePipeIn, on: dozeOnPipe, stream: true, polls: true, name: "pipe:[", mode: fs.TypeFifo | 0o600,
	read: dozePipeRead, ready: dozePipeReadiness, available: dozePipeAvailable, end: dozePipeEnd,
}

var dozePipeOutOps = dozeFileOps{
	kind: dozeFilePipeOut, on: dozeOnPipe, stream: true, polls: true, gathers: true, name: "pipe:[", mode: fs.TypeFifo | 0o600,
	write: dozePipeWrite, ready: dozePipeReadiness, available: dozePipeAvailable, end: dozePipeEnd,
}

var dozeCounterOps = dozeFileOps{
	kind: dozeFileCounter, stream: true, polls: true, seeks: dozeSeekStays, name: "anon_inode:[eventfd]", mode: 0o600,
	read: dozeCounterRead, write: dozeCounterWrite, ready: dozeCounterReadiness, end: dozeCounterEnd,
}

var dozeEpollOps = dozeFileOps{
	kind: dozeFileEpoll, stream: true, seeks: dozeSeekStays, name: "anon_inode:[eventpoll]", mode: 0o600,
	read: dozeReadInvalid, write: dozeWriteInvalid, ready: dozeEpollReadiness, end: dozeEpollEnd,
}

var dozeNodeOps = dozeFileOps{
	kind: dozeFileNode, on: dozeOnNode, seeks: dozeSeekMoves,
	readAt: dozeNodeRead, writeAt: dozeNodeWrite, available: dozeNodeAvailable,
}

var dozeNullOps = dozeFileOps{
	kind: dozeFileNull, on: dozeOnNode, seeks: dozeSeekStays, readAt: dozeReadEnd, writeAt: dozeWriteAll,
}

var dozeZeroOps = dozeFileOps{
	kind: dozeFileZero, on: dozeOnNode, seeks: dozeSeekStays, readAt: dozeReadZeros, writeAt: dozeWriteAll,
}

var dozeFullOps = dozeFileOps{
	kind: dozeFileFull, on: dozeOnNode, seeks: dozeSeekStays, readAt: dozeReadZeros, writeAt: dozeWriteFull,
}

var dozeRandomOps = dozeFileOps{
	kind: dozeFileRandom, on: dozeOnNode, seeks: dozeSeekStays, readAt: dozeReadRandom, writeAt: dozeWriteAll,
}

// The operations of devices, and of what can't be read or written.

func dozeReadNothing(_ *dozeFile, _, _ uintptr) uintptr { return 0 }

func dozeReadInvalid(_ *dozeFile, _, _ uintptr) uintptr { return dozeErr(linux.EINVAL) }

func dozeWriteInvalid(_ *dozeThread, _ *dozeFile, _ dozeParts) uintptr { return dozeErr(linux.EINVAL) }

func dozeReadEnd(_ *dozeFile, _, _, _ uintptr) uintptr { return 0 }

func dozeReadZeros(_ *dozeFile, p, n, _ uintptr) uintptr {
	left := dozeUserClear(p, n)
	if left == n && n != 0 {
		return dozeErr(linux.EFAULT)
	}
	return n - left
}

func dozeReadRandom(_ *dozeFile, p, n, _ uintptr) uintptr { return dozeRandomFill(p, n) }

func dozeWriteAll(_ *dozeFile, _, n, _ uintptr) uintptr { return n }

func dozeWriteFull(_ *dozeFile, _, _, _ uintptr) uintptr { return dozeErr(linux.ENOSPC) }

func dozeConsoleReadiness(_ *dozeFile) uint32 { return dozePollWrite }
