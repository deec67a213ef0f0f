package runtime

// The host name: what uname(2), /etc and /proc say of it.

import "unsafe"

// dozeNameSize is the size of a name in struct new_utsname, with its zero
// (linux/utsname.h).
const dozeNameSize = 65

// dozeHostsHead is what /etc/hosts has before the host name.
const dozeHostsHead = "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t"

// dozeHost is the text of /etc/hosts. It ends in the host name and a newline. The tree
// shows it where it lies.
var dozeHost struct {
	hosts [len(dozeHostsHead) + dozeNameSize]byte
	n     int // length of the name, 0 before it is set
}

// dozeSetHostname takes as much of the name as a name may have.
func dozeSetHostname(name string) {
	h := &dozeHost
	h.n = min(len(name), dozeNameSize-1)
	for i := range len(dozeHostsHead) {
		h.hosts[i] = dozeHostsHead[i]
	}
	for i := range h.n {
		h.hosts[len(dozeHostsHead)+i] = name[i]
	}
	h.hosts[len(dozeHostsHead)+h.n] = '\n'
}

// dozeHosts is what /etc/hosts holds.
func dozeHosts() string {
	h := &dozeHost
	if h.n == 0 {
		dozeSetHostname("doze")
	}
	return unsafe.String(&h.hosts[0], len(dozeHostsHead)+h.n+1)
}

// dozeHostnameLine is the host name and a newline.
func dozeHostnameLine() string { return dozeHosts()[len(dozeHostsHead):] }

// dozeHostname is the host name.
func dozeHostname() string {
	line := dozeHostnameLine()
	return line[:len(line)-1]
}
