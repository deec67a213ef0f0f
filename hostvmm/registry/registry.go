// Package registry is where the machines of a user are found: a folder with a
// Unix socket for each, on which its API listens (docs/api.md).
//
// A machine is there as long as somebody listens on its socket: nothing else is
// written down, so nothing can be out of date. A name is a symbolic link to a
// socket, which the system makes once or not at all, so two machines never have
// the same. The package must never follow what another user put into its way.
package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	suffix  = ".sock"
	idBytes = 6
	// maxPath is what sockaddr_un holds with its final NUL (unix(7)).
	maxPath = 107
	// patience is how long a socket may take to be connected to: the kernel answers
	// for a program that is stopped.
	patience = time.Second
)

// ErrTaken is the error of a name that another machine has.
var ErrTaken = errors.New("another machine has that name")

// Dir is the user's folder of machines, made if it is not there.
func Dir() (string, error) {
	base, name := os.Getenv("XDG_RUNTIME_DIR"), "doze"
	if base == "" {
		base, name = "/tmp", fmt.Sprintf("doze-%d", os.Getuid())
	}
	dir := filepath.Join(base, name)
	return dir, check(dir)
}

// check makes a folder that is ours alone, or finds it so.
func check(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the folder of machines: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("the folder of machines: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.IsDir():
		return fmt.Errorf("the folder of machines: %s is no folder: remove it, or set XDG_RUNTIME_DIR", dir)
	case int(owner) != os.Getuid():
		return fmt.Errorf("the folder of machines: %s belongs to user %d: remove it, or set XDG_RUNTIME_DIR", dir, owner)
	case info.Mode().Perm() != 0o700:
		return fmt.Errorf("the folder of machines: others may use %s: chmod 700 it, or set XDG_RUNTIME_DIR", dir)
	}
	return nil
}

// maxName is how long a name may be: a label of DNS (RFC 1035, 2.3.4).
const maxName = 63

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func inName(r rune) bool { return alphanumeric(r) || strings.ContainsRune("_.-", r) }

func isID(s string) bool {
	return len(s) == 2*idBytes && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) })
}

// CheckName says what is wrong with a machine's name.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > maxName || !alphanumeric(rune(name[0])) || strings.ContainsFunc(name, func(r rune) bool { return !inName(r) }):
		return fmt.Errorf("name %q: use at most %d letters, digits, '_', '.', '-', and begin with a letter or digit", name, maxName)
	case isID(name):
		return fmt.Errorf("name %q looks like the ID of a machine: use another one", name)
	}
	return nil
}

// NewID makes the ID of a machine.
func NewID() string {
	var random [idBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

// Entry is a machine of ours.
type Entry struct {
	ID, Name string
	Socket   string
	net.Listener
	link string
}

// Add makes an entry. An empty name becomes base and as much of the ID as tells the
// machine from others. The caller closes the entry.
func Add(dir, name, base string) (*Entry, error) {
	return addAs(dir, NewID(), name, base)
}

func addAs(dir, id, name, base string) (*Entry, error) {
	if name != "" {
		if err := CheckName(name); err != nil {
			return nil, err
		}
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of machines: %w", err)
	}
	defer unlock()
	e := &Entry{ID: id, Socket: filepath.Join(dir, id+suffix)}
	if e.Listener, err = listen(e.Socket); err != nil {
		return nil, err
	}
	if err := e.chooseName(dir, name, base); err != nil {
		e.Listener.Close()
		os.Remove(e.Socket)
		return nil, err
	}
	return e, nil
}

// chooseName takes the name given, or one that is free.
func (e *Entry) chooseName(dir, name, base string) error {
	if name != "" {
		return e.takeName(dir, name)
	}
	var err error
	for part := leastPart; part <= len(e.ID); part += 2 {
		if err = e.takeName(dir, defaultName(base, e.ID[:part])); !errors.Is(err, ErrTaken) {
			return err
		}
	}
	return err
}

// leastPart is how much of its ID a machine that nobody named has in its name: of a
// few machines each has another one, and of some hundreds one or two need more.
const leastPart = 4

// defaultName is short, and tells what runs.
func defaultName(base, part string) string {
	const room = 48
	base = strings.Map(func(r rune) rune {
		if inName(r) {
			return r
		}
		return '-'
	}, base)
	base = strings.TrimLeft(base, "_.-")
	if base == "" {
		base = "machine"
	}
	return base[:min(len(base), room)] + "-" + part
}

// Listen listens on a socket of the caller's choice, in place of one on which nobody
// listens any more.
func Listen(socket string) (net.Listener, error) {
	unlock, err := lock(filepath.Dir(socket))
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", socket, err)
	}
	defer unlock()
	if info, err := os.Lstat(socket); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s is there and no socket: choose another path", socket)
		}
		if live(socket) {
			return nil, fmt.Errorf("somebody listens on %s already: choose another path", socket)
		}
		if err := os.Remove(socket); err != nil {
			return nil, err
		}
	}
	return listen(socket)
}

// Remove ends what Listen made.
func Remove(l net.Listener, socket string) error {
	return errors.Join(l.Close(), os.Remove(socket))
}

// listen makes a socket that only its user can use: bind(2) gives it the mode that the
// descriptor has. The caller holds the folder's lock, since nobody listens yet when
// others can see it.
func listen(socket string) (net.Listener, error) {
	if len(socket) > maxPath {
		return nil, fmt.Errorf("socket %s: a path of %d bytes, the system takes %d: use a shorter folder", socket, len(socket), maxPath)
	}
	var mode error
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		err := raw.Control(func(fd uintptr) { mode = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, mode)
	}}
	l, err := c.Listen(context.Background(), "unix", socket)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return l, nil
}

// takeName makes the link, in place of one whose machine is gone. The caller holds the
// lock.
func (e *Entry) takeName(dir, name string) error {
	target, link := e.ID+suffix, filepath.Join(dir, name)
	err := os.Symlink(target, link)
	if errors.Is(err, fs.ErrExist) {
		if old, err := os.Readlink(link); err != nil || live(filepath.Join(dir, old)) {
			return fmt.Errorf("name %q: %w", name, ErrTaken)
		}
		if err := os.Remove(link); err != nil {
			return err
		}
		err = os.Symlink(target, link)
	}
	if err == nil {
		e.Name, e.link = name, link
	}
	return err
}

// lock keeps others from taking a folder's sockets and names over while they are made:
// of two that find the same dead one, the second would take the first one's.
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "flock", Path: dir, Err: err}
	}
	return func() { f.Close() }, nil
}

// Close ends the entry.
func (e *Entry) Close() error {
	err := e.Listener.Close()
	if target, _ := os.Readlink(e.link); target == e.ID+suffix {
		os.Remove(e.link)
	}
	os.Remove(e.Socket)
	return err
}

// live says whether somebody listens on a socket.
func live(socket string) bool {
	c, err := net.DialTimeout("unix", socket, patience)
	if err == nil {
		c.Close()
		return true
	}
	// A full queue of connections is somebody who is busy.
	return !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
}
