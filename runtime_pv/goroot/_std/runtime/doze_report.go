package runtime

// Free page reporting: frames that came free are given to the device, which may drop
// what the host holds for them. They are in use until it returns them.

import "internal/runtime/doze/balloon"

const (
	dozeReportFew  = 64      // frames that came free since the last look make one worth while
	dozeReportSoon = 32 << 8 // so many are reported at once: 32 MiB
	dozeReportMost = 2 << 8  // about so many at a time: 2 MiB
	dozeReportRun  = 16      // frames in a row that are worth a range, outside whole blocks
)

var dozeReports struct {
	list  [balloon.MaxRanges]balloon.Range // what the device has
	n     int
	pages uint64 // ever reported
}

// dozeReportFree gives the device what came free, batch by batch, until time is up, as
// long as it returns them at once. If it does not, it interrupts when it has. It returns
// whether the device may have the next batch at once.
func dozeReportFree(until int64) (again bool) {
	r, b := &dozeReports, &dozeBalloon
	if b.busy || !dozeBalloonReady() || !b.dev.Reports() {
		return false
	}
	for dozeReportsBack() {
		if !dozeReportBatch() {
			again = true
			break
		}
		b.dev.Report(r.list[:r.n])
		if dozeNow() > until {
			again = dozeReportsBack()
			break
		}
	}
	b.dev.Reported(true)
	return again
}

// dozeReportIdle is for when the machine is about to sleep. It reports for no longer than
// a slice of a call lasts, and returns whether there is more for the device: an interrupt
// to another vCPU may not wait for all of it. A walk over the frames that was cut short
// goes on where it was, so what came free behind it takes another one.
func dozeReportIdle() (more bool) {
	f := &dozeMem.frames
	return f.Fresh() >= dozeReportFew && dozeReportFree(dozeNow()+dozeStay) && f.Fresh() >= dozeReportFew
}

// dozeReportBatch fills the list.
func dozeReportBatch() bool {
	r := &dozeReports
	for sum := uintptr(0); r.n < len(r.list) && sum < dozeReportMost; {
		pa, pages := dozeMem.frames.TakeFresh(dozeReportRun, dozeReportMost)
		if pages == 0 {
			break
		}
		r.list[r.n] = balloon.Range{Addr: pa, Pages: pages}
		r.n++
		r.pages += uint64(pages)
		sum += pages
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
		dozeReportFree(dozeNow() + dozeStay)
	}
}
