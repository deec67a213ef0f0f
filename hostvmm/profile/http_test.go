package profile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/sample"
)

func fail(w http.ResponseWriter, status int, field, text string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s|%s", field, text)
}

func get(t *testing.T, m Machine, query string) *httptest.ResponseRecorder {
	t.Helper()
	path := self(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/profile"+query, nil)
	Handler(m, Options{Name: "web", Image: path}, fail).ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	m := &fake{result: resultOf(t), memory: memoryOf(t, self(t))}
	w := get(t, m, "?seconds=1&hz=50")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	p, err := pprof.ParseData(w.Body.Bytes())
	require.NoError(t, err)
	count, _ := flat(p, pkg+"warm", map[string]string{"machine": "web"})
	assert.EqualValues(t, 40, count)
}

func TestHandlerRefuses(t *testing.T) {
	for _, c := range []struct {
		query  string
		err    error
		status int
		want   string
	}{
		{"?seconds=x", nil, http.StatusBadRequest, `seconds|"x" is not a whole number`},
		{"?rate=1", nil, http.StatusBadRequest, "rate|there is no such field"},
		{"", sample.ErrBusy, http.StatusConflict, "|the machine is being sampled already"},
		{"", sample.ErrNotRunning, http.StatusConflict, "|the machine does not run"},
		{"", errors.New("broken"), http.StatusInternalServerError, "|broken"},
	} {
		w := get(t, &fake{err: c.err}, c.query)
		assert.Equal(t, c.status, w.Code)
		assert.Contains(t, w.Body.String(), c.want)
	}
	var busy own
	require.NoError(t, busy.start())
	defer busy.abandon()
	w := get(t, &fake{}, "")
	assert.Equal(t, http.StatusConflict, w.Code)
	assert.Contains(t, w.Body.String(), "the VMM is being profiled already")
}

// A client that goes away ends the profile.
func TestHandlerEndsWithItsClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/profile?seconds=300", nil)
	cancel()
	Handler(&fake{wait: true}, Options{Name: "web", Image: self(t)}, fail).ServeHTTP(w, r)
	assert.Empty(t, w.Body.String())
	require.True(t, owner.CompareAndSwap(false, true), "the profiler is free")
	owner.Store(false)
}
