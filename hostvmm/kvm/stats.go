package kvm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ioGetStatsFD is KVM_GET_STATS_FD, Linux 5.14.
const ioGetStatsFD = 0xaece

// Layout of a statistics file (Documentation/virt/kvm/api.rst, 4.133).
const (
	statsHeader   = 24
	statsNameSize = 4
	statsNumDesc  = 8
	statsDescOff  = 16
	statsDataOff  = 20
	descFixed     = 16
	descOffset    = 8
	maxStats      = 1024
	maxStatsName  = 256
)

// Stats reads the kernel's counters of this vCPU, those of names that exist.
func (c *VCPU) Stats(names []string) (map[string]uint64, error) {
	fd, err := ioctl(c.fd, ioGetStatsFD, 0)
	if err != nil {
		return nil, fmt.Errorf("KVM_GET_STATS_FD: %w", err)
	}
	file := os.NewFile(fd, "kvm statistics")
	defer file.Close()
	head := make([]byte, statsHeader)
	if _, err := unix.Pread(int(fd), head, 0); err != nil {
		return nil, fmt.Errorf("read KVM statistics: %w", err)
	}
	le := binary.LittleEndian
	nameSize, n := le.Uint32(head[statsNameSize:]), le.Uint32(head[statsNumDesc:])
	if nameSize > maxStatsName || n > maxStats {
		return nil, errors.New("KVM statistics of an unknown form")
	}
	descs := make([]byte, n*(descFixed+nameSize))
	if _, err := unix.Pread(int(fd), descs, int64(le.Uint32(head[statsDescOff:]))); err != nil {
		return nil, fmt.Errorf("read KVM statistics: %w", err)
	}
	offsets := make(map[string]uint32, n)
	for ; len(descs) >= int(descFixed+nameSize); descs = descs[descFixed+nameSize:] {
		name, _, _ := bytes.Cut(descs[descFixed:descFixed+nameSize], []byte{0})
		offsets[string(name)] = le.Uint32(descs[descOffset:])
	}
	return readStats(int(fd), int64(le.Uint32(head[statsDataOff:])), names, offsets)
}

func readStats(fd int, base int64, names []string, offsets map[string]uint32) (map[string]uint64, error) {
	out := make(map[string]uint64, len(names))
	for _, name := range names {
		offset, ok := offsets[name]
		if !ok {
			continue
		}
		var value [8]byte
		if _, err := unix.Pread(fd, value[:], base+int64(offset)); err != nil {
			return nil, fmt.Errorf("read KVM statistics: %w", err)
		}
		out[name] = binary.LittleEndian.Uint64(value[:])
	}
	return out, nil
}
