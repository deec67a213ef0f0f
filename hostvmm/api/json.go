package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// maxBody is far more than any request needs.
const maxBody = 64 << 10

const contentJSON = "application/json"

// decode reads the JSON object of a request into v. A request without a body leaves
// v as it is.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyLimit)) // a recorder in a test has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch tooLong := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLong):
		return &Error{Text: fmt.Sprintf("the body has more than %d bytes", maxBody), Status: http.StatusRequestEntityTooLarge}
	case err != nil:
		return &Error{Text: "the body did not arrive: " + err.Error(), Status: http.StatusBadRequest}
	case len(body) == 0:
		return nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != contentJSON {
		return &Error{Text: fmt.Sprintf("Content-Type %.80q: send %s", r.Header.Get("Content-Type"), contentJSON), Status: http.StatusUnsupportedMediaType}
	}
	return unmarshal(body, v)
}

// unmarshal is strict: one object, known fields, right types.
func unmarshal(body []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	bad := func(field, text string) error {
		return &Error{Text: text, Field: field, Status: http.StatusBadRequest}
	}
	err := d.Decode(v)
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.As(err, &wrongType):
		if wrongType.Field == "" {
			return bad("", fmt.Sprintf("the body is a JSON %s: send an object", wrongType.Value))
		}
		return bad(wrongType.Field, fmt.Sprintf("a JSON %s can't be used here: send a value of type %s", wrongType.Value, wrongType.Type))
	default:
		// encoding/json has no type for this error.
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return bad(strings.Trim(name, `"`), "there is no such field")
		}
		return bad("", "the body is no JSON object: "+err.Error())
	}
	if strings.HasPrefix(strings.TrimSpace(string(body)), "null") { // which Decode takes for an empty object
		return bad("", "the body is null: send an object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("", "there is more behind the JSON object")
	}
	return nil
}

// answer writes v.
func answer(w http.ResponseWriter, v any) { write(w, http.StatusOK, v) }

// fail writes an error.
func fail(w http.ResponseWriter, err error) {
	e := asError(err)
	write(w, e.Status, e)
}

func write(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // our own types all can be written
		panic(err)
	}
	w.Header().Set("Content-Type", contentJSON)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who went away does not want it
}

// extend gives an answer more time than those that come at once.
func extend(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + bodyLimit))
}
