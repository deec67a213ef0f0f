package profile

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Fields of a request for a profile.
const (
	FieldSeconds = "seconds"
	FieldHz      = "hz"
)

// Bounds of the fields. 99 instead of 100 keeps apart from whatever a guest does a
// hundred times a second.
const (
	DefaultSeconds = 10
	MaxSeconds     = 300
	DefaultHz      = 99
	MaxHz          = 1000
)

// FieldError says which field of a request is wrong and what it may be.
type FieldError struct{ Field, Text string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Text }

// Check checks a length and a rate.
func Check(seconds, hz int) error {
	switch {
	case seconds < 1 || seconds > MaxSeconds:
		return &FieldError{FieldSeconds, fmt.Sprintf("%d is out of range: use 1 to %d", seconds, MaxSeconds)}
	case hz < 1 || hz > MaxHz:
		return &FieldError{FieldHz, fmt.Sprintf("%d is out of range: use 1 to %d", hz, MaxHz)}
	}
	return nil
}

// ParseQuery reads the query of a request; what is absent has its default. Errors
// are of type *FieldError.
func ParseQuery(q url.Values) (d time.Duration, hz int, err error) {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if name != FieldSeconds && name != FieldHz {
			return 0, 0, &FieldError{name, "there is no such field: use " + FieldSeconds + " and " + FieldHz}
		}
	}
	seconds, err := number(q, FieldSeconds, DefaultSeconds)
	if err != nil {
		return 0, 0, err
	}
	if hz, err = number(q, FieldHz, DefaultHz); err != nil {
		return 0, 0, err
	}
	if err := Check(seconds, hz); err != nil {
		return 0, 0, err
	}
	return time.Duration(seconds) * time.Second, hz, nil
}

func number(q url.Values, field string, absent int) (int, error) {
	values := q[field]
	if len(values) == 0 {
		return absent, nil
	}
	if len(values) > 1 {
		return 0, &FieldError{field, "it is given twice"}
	}
	n, err := strconv.Atoi(values[0])
	if err != nil {
		return 0, &FieldError{field, fmt.Sprintf("%.40q is not a whole number", values[0])}
	}
	return n, nil
}
