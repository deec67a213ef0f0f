package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// fieldInterval is the time between two lines of a stream.
const fieldInterval = "interval"

// Bounds of it.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = time.Hour
)

// contentLines is JSON, an object a line (https://jsonlines.org).
const contentLines = "application/x-ndjson"

// getStats answers with the figures once, or again and again until the client goes or
// the machine ends.
func (s *Server) getStats(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get(fieldInterval)
	if !r.URL.Query().Has(fieldInterval) {
		answer(w, s.stats())
		return
	}
	interval, err := time.ParseDuration(text)
	if err != nil || interval < minInterval || interval > maxInterval {
		fail(w, &Error{Text: fmt.Sprintf("%.40q: use a time from %v to %v, as 1s", text, minInterval, maxInterval), Field: fieldInterval, Status: http.StatusBadRequest})
		return
	}
	w.Header().Set("Content-Type", contentLines)
	ticker := time.NewTicker(interval) // as long as somebody listens
	defer ticker.Stop()
	control, encoder := http.NewResponseController(w), json.NewEncoder(w)
	for {
		_ = control.SetWriteDeadline(time.Now().Add(bodyLimit))
		if encoder.Encode(s.stats()) != nil || control.Flush() != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-s.ended:
			return
		}
	}
}
