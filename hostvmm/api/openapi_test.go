package api

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../docs/openapi.yaml")
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc
}

func TestEveryCallIsDescribed(t *testing.T) {
	var served, described []string
	for _, r := range newServer(newFake()).routes() {
		served = append(served, r.method+" "+r.path)
	}
	for path, item := range description(t).Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	assert.Equal(t, served, described)
}

// What the server answers is what the description says, and what it refuses is what
// the description forbids.
func TestAnswersAreAsDescribed(t *testing.T) {
	openapi3filter.RegisterBodyDecoder("text/plain", openapi3filter.FileBodyDecoder)
	router, err := gorillamux.NewRouter(description(t))
	require.NoError(t, err)
	for _, c := range []struct {
		method, target, body string
		status               int
	}{
		{"GET", pathStatus, "", 200}, {"GET", pathStats, "", 200}, {"GET", pathMetrics, "", 200}, {"GET", pathProfile + "?seconds=1", "", 409},
		{"PUT", pathBalloon, `{"target_bytes":33554432}`, 200}, {"PUT", pathBalloon, `{"target_bytes":1}`, 400},
		{"PUT", pathBalloon, `{"target_bytes":"x"}`, 400}, {"PUT", pathBalloon, `{}`, 400}, {"PUT", pathBalloon, `{"x":1}`, 400},
		{"PUT", pathCPUs, `{"count":4}`, 200}, {"PUT", pathCPUs, `{"count":0}`, 400}, {"PUT", pathCPUs, `{"count":5}`, 400},
		{"POST", pathPause, "", 200}, {"POST", pathResume, "", 200}, {"POST", pathStop, `{"timeout_seconds":0}`, 200}, {"POST", pathStop, `{"timeout_seconds":-1}`, 400},
		{"GET", pathProfile + "?seconds=0", "", 400},
	} {
		name := c.method + " " + c.target + " " + c.body
		f := newFake()
		s := newServer(f)
		r := httptest.NewRequest(c.method, "http://machine"+c.target, strings.NewReader(c.body))
		if c.body != "" {
			r.Header.Set("Content-Type", contentJSON)
		}
		route, params, err := router.FindRoute(r)
		require.NoError(t, err, name)
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
		err = openapi3filter.ValidateRequest(t.Context(), in)
		if c.status == http.StatusOK {
			require.NoError(t, err, name)
		}
		r.Body = io.NopCloser(strings.NewReader(c.body))
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, "%s: %s", name, w.Body)
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header()}
		out.SetBodyBytes(bytes.Clone(w.Body.Bytes()))
		assert.NoError(t, openapi3filter.ValidateResponse(t.Context(), out), name)
	}
}
