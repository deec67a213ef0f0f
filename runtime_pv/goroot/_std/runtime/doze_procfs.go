package runtime

// /proc: links and directories here, texts in doze_proctext.go.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// dozeFillProc makes what is in one of the directories below /proc. They can't be
// changed.
func dozeFillProc(dir fs.Node, tag uint32) {
	f := &dozeTree.fs
	switch tag {
	case dozeTagProc:
		f.PlantLink(dir, "self", "1")
		f.PlantLink(dir, "thread-self", "1")
		f.PlantLink(dir, "mounts", "self/mounts")
		dozePlantDir(dir, "1", 0o555, dozeTagProcSelf)
		dozePlantDir(dir, "sys", 0o555, dozeTagProcSys)
	case dozeTagProcSelf:
		dozePlantDir(dir, "fd", 0o500, dozeTagFds)
		dozePlantMagic(dir, "cwd", dozeTagCwd)
		dozePlantMagic(dir, "exe", dozeTagExe)
		f.PlantLink(dir, "root", "/")
	case dozeTagProcSys:
		if n, errno := f.Plant(dir, "kernel", fs.TypeDir|0o555, 0); errno == 0 {
			f.PlantFile(n, "hostname", 0o444, dozeHostnameLine())
			f.PlantFile(n, "osrelease", 0o444, dozeReleaseName+"\n")
			f.PlantFile(n, "pid_max", 0o444, "4194304\n")
			f.Mark(n, fs.ReadOnly, 0)
		}
		if n, errno := f.Plant(dir, "fs", fs.TypeDir|0o555, 0); errno == 0 {
			f.PlantFile(n, "pipe-max-size", 0o644, "1048576\n") // what F_SETPIPE_SZ takes
			f.Mark(n, fs.ReadOnly, 0)
		}
	}
	for i := range dozeTexts {
		if dozeTexts[i].dir == tag {
			if n, errno := f.Plant(dir, dozeTexts[i].name, fs.TypeFile|0o444, 0); errno == 0 {
				f.Mark(n, fs.ReadOnly, dozeTagText+uint32(i))
			}
		}
	}
	f.Mark(dir, fs.ReadOnly, 0)
}

// dozePlantMagic makes a link that leads to what dozeFollowLink says.
func dozePlantMagic(dir fs.Node, name string, tag uint32) {
	f := &dozeTree.fs
	if n, errno := f.PlantLink(dir, name, " "); errno == 0 {
		f.Mark(n, fs.Magic|fs.ReadOnly, tag)
	}
}

// dozeFillFds makes /proc/self/fd hold the descriptors that are open.
func dozeFillFds(dir fs.Node) {
	f := &dozeTree.fs
	for fd := uintptr(0); fd < dozeFds.high; fd++ {
		var digits [20]byte
		b := dozeText{p: dozeAddr(&digits[0]), size: uintptr(len(digits))}
		b.dec(uint64(fd))
		name := dozeStr(b.p, b.n)
		there, open := f.Find(dir, name) != 0, dozeFd(fd) != nil
		switch {
		case open && !there:
			dozePlantMagic(dir, name, dozeTagFd+uint32(fd))
		case there && !open:
			f.Uproot(dir, name)
		}
	}
}

// dozeFollowLink says what a special link leads to. An open file that is no node is
// left in dozeTree.via.
func dozeFollowLink(_ fs.Node, tag uint32) (fs.Node, fs.Errno) {
	t := &dozeTree
	switch {
	case tag == dozeTagCwd:
		return t.cwd, 0
	case tag < dozeTagFd:
		return 0, linux.ENOENT
	}
	f := dozeFd(uintptr(tag - dozeTagFd))
	if f == nil {
		return 0, linux.ENOENT
	}
	if n := dozeNodeOf(f); n != 0 {
		return n, 0
	}
	if t.stream == 0 {
		n, errno := t.fs.NewFile(0o600)
		if errno != 0 {
			return 0, errno
		}
		t.fs.Mark(n, 0, dozeTagStream)
		t.stream = n
	}
	t.via = f
	return t.stream, 0
}

// dozeNodeOf is the node that an open file is open on, 0 for none.
func dozeNodeOf(f *dozeFile) fs.Node {
	if f.ops.on == dozeOnNode {
		return fs.Node(f.obj)
	}
	return 0
}

// dozeLinkText puts together what readlink(2) says of a special link.
func dozeLinkText(tag uint32, b *dozeText) {
	switch {
	case tag == dozeTagCwd:
		dozePutPath(dozeTree.cwd, b)
	case tag == dozeTagExe:
		dozePutExe(b)
	default:
		if f := dozeFd(uintptr(tag - dozeTagFd)); f != nil {
			dozePutFile(f, b)
		}
	}
}

// dozePathBuffer is where kernel/fs puts paths together.
var dozePathBuffer [dozePathMax]byte

func dozePutPath(n fs.Node, b *dozeText) {
	path, errno := dozeTree.fs.Path(n, dozeAddr(&dozePathBuffer[0]), dozePathMax)
	if errno != 0 {
		path = "/"
	}
	b.str(path)
	if errno != 0 || dozeTree.fs.Lost(n) {
		b.str(" (deleted)")
	}
}

// dozePutExe names the program as it was named to it.
func dozePutExe(b *dozeText) {
	name := dozeExe.name[:dozeExe.n]
	if len(name) == 0 || name[0] != '/' {
		b.byte('/')
	}
	for _, c := range name {
		b.byte(c)
	}
}

func dozePutFile(f *dozeFile, b *dozeText) {
	if n := dozeNodeOf(f); n != 0 {
		dozePutPath(n, b)
		return
	}
	name := f.ops.name
	b.str(name)
	if name[len(name)-1] == '[' {
		b.dec(uint64(f.obj))
		b.byte(']')
	}
}
