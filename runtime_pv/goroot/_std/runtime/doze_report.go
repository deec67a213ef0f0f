package runtime

// Free page reporting: frames that came free are given to the device, which may drop
// what the host holds for them. They are in use until it returns them.

import "internal/runtime/doze/balloon"

const (
	dozeReportFew  = 64      // frames that came free since the last look make one worth while
	dozeReportSoon = 32 << 8 // so many are reported at once: 32 MiB
	dozeReportRun  = 16      // frames in a row that are worth a range, outside whole blocks
)

var dozeReports struct {
	list  [balloon.MaxRanges]balloon.Range // what the device has
	n     int
	pages uint64 // ever reported
}

// dozeReportFree gives the device what came free, batch by batch, as long as it returns
// them at once. If it does not, it interrupts when it has.
func dozeReportFree() {
	r, b := &dozeReports, &dozeBalloon
	if b.busy || !dozeBalloonReady() || !b.dev.Reports() {
		return
	}
	for dozeReportsBack() && dozeReportBatch() {
		b.dev.Report(r.list[:r.n])
	}
	b.dev.Reported(true)
}

// dozeReportBatch fills the list.
func dozeReportBatch() bool {
	r := &dozeReports
	for r.n < len(r.list) {
		pa, pages := dozeMem.frames.TakeFresh(dozeReportRun)
		if pages == 0 {
			break
		}
		r.list[r.n] = balloon.Range{Addr: pa, Pages: pages}
		r.n++
		r.pages += uint64(pages)
	}
	return r.n > 0
}

// dozeReportsBack takes back what the device has returned, and reports whether it
// has nothing.
func dozeReportsBack() bool {
	r := &dozeReports
	if r.n > 0 && !dozeBalloon.dev.Reported(false) {
		return false
	}
	for i := range r.list[:r.n] {
		if !dozeMem.frames.Return(r.list[i].Addr, r.list[i].Pages) {
			dozeCrash("a reported frame was free", r.list[i].Addr)
		}
	}
	r.n = 0
	return true
}

// dozeReportMany reports if much came free, also while the program runs.
func dozeReportMany() {
	if dozeMem.frames.Fresh() >= dozeReportSoon {
		dozeReportFree()
	}
}
