package spec

// Features of the balloon (5.5.3).
const (
	BalloonStats        = 1 << 1
	BalloonDeflateOnOOM = 1 << 2
	BalloonHint         = 1 << 3
	BalloonPoison       = 1 << 4 // a reported page keeps its bytes, or becomes poison_val
	BalloonReporting    = 1 << 5
)

// The balloon's configuration (5.5.4), from RegConfig on.
const (
	BalloonTarget      = 0 // num_pages: pages that it should have
	BalloonActual      = 4 // pages that it has
	BalloonPoisonValue = 12
)

// The balloon's queues (5.5.2). The specification counts all queues, and the one for
// reports is BalloonReportQueue. Linux and QEMU count those of features that are
// offered: it is one less there without BalloonHint.
const (
	BalloonInflateQueue = 0
	BalloonDeflateQueue = 1
	BalloonStatsQueue   = 2
	BalloonReportQueue  = 4
)

// BalloonPage is the balloon's unit, whatever the machine's pages are; page numbers
// in its queues have PFNSize bytes (5.5.6).
const (
	BalloonPageShift = 12
	BalloonPage      = 1 << BalloonPageShift
	PFNSize          = 4
)

// An entry of the statistics is packed: a tag of 16 bits, a value of 64 (5.5.6.3).
const (
	StatSize  = 10
	StatValue = 2
)

// Tags of statistics (5.5.6.3). Amounts of memory are bytes.
const (
	StatSwapIn = iota
	StatSwapOut
	StatMajorFaults
	StatMinorFaults
	StatFree
	StatTotal
	StatAvailable
	StatCaches
	StatHugeAllocated
	StatHugeFailed
)

// StatNames are the names of the statistics, by tag.
var StatNames = [...]string{
	"swap_in", "swap_out", "major_faults", "minor_faults", "free", "total", "available", "caches",
	"hugepages_allocated", "hugepages_failed",
}
