package profile

import (
	"errors"
	"net/http"
	"time"

	"github.com/doze-vm/doze/hostvmm/sample"
)

// ContentType is that of a pprof file, which is compressed.
const ContentType = "application/octet-stream"

// grace is how much longer than the profile an answer may take.
const grace = 30 * time.Second

// Handler answers requests for the profile of a machine and its VMM. What is wrong
// with a request goes to fail, which writes it in the server's form; field is empty
// if no field is to blame. Of the options those hold that say what the machine is.
func Handler(m Machine, o Options, fail func(w http.ResponseWriter, status int, field, text string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, hz, err := ParseQuery(r.URL.Query())
		if wrong := (*FieldError)(nil); errors.As(err, &wrong) {
			fail(w, http.StatusBadRequest, wrong.Field, wrong.Text)
			return
		}
		// The server's own limit is for answers that come at once.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + grace))
		p, err := Take(r.Context(), m, Options{Name: o.Name, Image: o.Image, Symbols: o.Symbols, Hz: hz, Duration: d, VMM: true})
		switch {
		case r.Context().Err() != nil: // nobody listens any more
		case errors.Is(err, sample.ErrBusy), errors.Is(err, ErrBusy), errors.Is(err, sample.ErrNotRunning):
			fail(w, http.StatusConflict, "", err.Error())
		case err != nil:
			fail(w, http.StatusInternalServerError, "", err.Error())
		default:
			w.Header().Set("Content-Type", ContentType)
			_ = p.Write(w) // the client sees a file that ends early
		}
	})
}
