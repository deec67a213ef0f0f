package density

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/doze-vm/doze/kernel/abi"
)

// Owners of guest pages, by guest-physical address (docs/nucleus.md 1).
const (
	ownerTables  = "boot tables and nucleus"
	ownerProgram = "program text and read-only data"
	ownerData    = "program data and BSS"
	ownerRAM     = "heap, stacks, kernel"
)

// Bits of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst).
const (
	pagemapPresent = 1 << 63
	pagemapShared  = 1 << 61 // file page or shared memory, not a private copy
	pagemapEntry   = 8
)

// sampled is how many machines of a pool are looked at page by page.
const sampled = 16

// memory adds guest memory by owner, scaled up from some machines, and the
// process's own.
func (p *Pool) memory(s *Sample) error {
	s.GuestKiB = make(map[string]int64)
	pages, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return err
	}
	defer pages.Close()
	n := min(len(p.machines), sampled)
	private := make(map[string]int64)
	for i := range n {
		m := p.machines[i*len(p.machines)/n]
		shared, err := countPages(pages, m.Memory(), p.imageEnd, private)
		if err != nil {
			return err
		}
		s.SharedKiB = max(s.SharedKiB, shared*abi.PageSize>>10)
	}
	var guests int64
	for owner, count := range private {
		s.GuestKiB[owner] = count * abi.PageSize >> 10 * int64(len(p.machines)) / int64(max(n, 1))
		guests += s.GuestKiB[owner]
	}
	resident, err := residentKiB("RssAnon:")
	s.OwnKiB = max(resident-guests, 0)
	return err
}

// countPages adds a machine's private pages to the owners' counts, and returns
// how many it shares with others.
func countPages(pagemap *os.File, mem []byte, imageEnd uint64, private map[string]int64) (shared int64, err error) {
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))
	entries := make([]byte, len(mem)/abi.PageSize*pagemapEntry)
	if _, err := pagemap.ReadAt(entries, int64(start/abi.PageSize*pagemapEntry)); err != nil {
		return 0, fmt.Errorf("read /proc/self/pagemap: %w", err)
	}
	for i := 0; i < len(entries); i += pagemapEntry {
		e := binary.LittleEndian.Uint64(entries[i:])
		switch {
		case e&pagemapPresent == 0:
		case e&pagemapShared != 0:
			shared++
		default:
			private[owner(uint64(i/pagemapEntry)*abi.PageSize, imageEnd)]++
		}
	}
	return shared, nil
}

func owner(addr, imageEnd uint64) string {
	switch {
	case addr < abi.LowEnd:
		return ownerTables
	case addr >= abi.ImageBase && addr < imageEnd:
		return ownerData
	}
	return ownerRAM
}

// residentKiB reads a line of /proc/self/status.
func residentKiB(field string) (int64, error) { return kib("/proc/self/status", field) }

// kib reads a figure in kB of a file that looks like /proc/meminfo.
func kib(file, field string) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), field); ok {
			return strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no line %s", file, field)
}

// leftovers counts descriptors and mappings of KVM that this process still has.
func leftovers() (descriptors, mappings int) {
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		target, _ := os.Readlink("/proc/self/fd/" + n.Name())
		if strings.Contains(target, "kvm") || strings.Contains(target, "timerfd") || strings.Contains(target, "doze-image") {
			descriptors++
		}
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "kvm") || strings.Contains(line, "doze-image") {
			mappings++
		}
	}
	return descriptors, mappings
}
