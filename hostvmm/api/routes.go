package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/profile"
)

// Paths.
const (
	pathStatus  = "/v1/status"
	pathStats   = "/v1/stats"
	pathMetrics = "/v1/metrics"
	pathProfile = "/v1/profile"
	pathBalloon = "/v1/balloon"
	pathCPUs    = "/v1/cpus"
	pathPause   = "/v1/pause"
	pathResume  = "/v1/resume"
	pathStop    = "/v1/stop"
)

// route answers requests of one method for one path.
type route struct {
	method, path string
	query        []string // fields that the query may have
	serve        http.HandlerFunc
}

func (s *Server) routes() []route {
	p := profile.Handler(s.machine, profile.Options{Name: s.options.Name, Image: s.options.Image, Symbols: s.options.Symbols}, func(w http.ResponseWriter, status int, field, text string) {
		fail(w, &Error{Text: text, Field: field, Status: status})
	})
	return []route{
		{http.MethodGet, pathStatus, nil, s.getStatus},
		{http.MethodGet, pathStats, []string{fieldInterval}, s.getStats},
		{http.MethodGet, pathMetrics, nil, s.metrics().ServeHTTP},
		{http.MethodGet, pathProfile, []string{profile.FieldSeconds, profile.FieldHz}, p.ServeHTTP},
		{http.MethodPut, pathBalloon, nil, s.putBalloon},
		{http.MethodPut, pathCPUs, nil, s.putCPUs},
		{http.MethodPost, pathPause, nil, s.postPause},
		{http.MethodPost, pathResume, nil, s.postResume},
		{http.MethodPost, pathStop, nil, s.postStop},
	}
}

// handler finds the route of a request.
func (s *Server) handler() http.Handler {
	paths := map[string]map[string]route{}
	for _, r := range s.routes() {
		if paths[r.path] == nil {
			paths[r.path] = map[string]route{}
		}
		paths[r.path][r.method] = r
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			fail(w, &Error{Text: "the machine has ended", Status: http.StatusConflict})
			return
		}
		defer s.answers.Done()
		if s.options.Answered != nil {
			defer s.options.Answered()
		}
		methods, ok := paths[r.URL.Path]
		if !ok {
			known := strings.Join(slices.Sorted(maps.Keys(paths)), ", ")
			fail(w, &Error{Text: fmt.Sprintf("there is no %.80q: use %s", r.URL.Path, known), Status: http.StatusNotFound})
			return
		}
		route, ok := methods[r.Method]
		if !ok {
			allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
			w.Header().Set("Allow", allowed)
			fail(w, &Error{Text: fmt.Sprintf("%.20q is no method of %s: use %s", r.Method, r.URL.Path, allowed), Status: http.StatusMethodNotAllowed})
			return
		}
		if err := checkQuery(r, route.query); err != nil {
			fail(w, err)
			return
		}
		route.serve(w, r)
	})
}

func checkQuery(r *http.Request, known []string) error {
	for name, values := range r.URL.Query() {
		if !slices.Contains(known, name) {
			text := "there is no such field: "
			if len(known) == 0 {
				text += "this call has none"
			} else {
				text += "use " + strings.Join(known, ", ")
			}
			return &Error{Text: text, Field: fmt.Sprintf("%.40s", name), Status: http.StatusBadRequest}
		}
		if len(values) > 1 {
			return &Error{Text: "it is given twice", Field: name, Status: http.StatusBadRequest}
		}
	}
	return nil
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request) { answer(w, s.status()) }

func (s *Server) putBalloon(w http.ResponseWriter, r *http.Request) {
	var q Balloon
	err := decode(w, r, &q)
	if err == nil && q.TargetBytes == nil {
		err = missing("target_bytes")
	}
	if err == nil {
		if e := s.machine.SetBalloon(*q.TargetBytes); e != nil {
			err = &Error{Text: e.Error(), Field: "target_bytes", Status: http.StatusBadRequest}
		}
	}
	s.reply(w, err)
}

func (s *Server) putCPUs(w http.ResponseWriter, r *http.Request) {
	var q CPUs
	err := decode(w, r, &q)
	if err == nil && q.Count == nil {
		err = missing("count")
	}
	if err != nil {
		fail(w, err)
		return
	}
	if most := s.machine.CPUStatus().Max; *q.Count < 1 || *q.Count > most {
		err = &Error{Text: fmt.Sprintf("%d vCPUs: this machine can have 1 to %d", *q.Count, most), Field: "count", Status: http.StatusBadRequest}
	} else {
		extend(w, hostvmm.HotplugLimit)
		err = refused(s.machine.SetCPUs(*q.Count))
	}
	s.reply(w, err)
}

func (s *Server) postPause(w http.ResponseWriter, r *http.Request) {
	extend(w, hostvmm.PauseLimit)
	s.order(w, r, s.machine.Pause)
}

func (s *Server) postResume(w http.ResponseWriter, r *http.Request) {
	s.order(w, r, s.machine.Resume)
}

// order carries out a request that says nothing but what it is.
func (s *Server) order(w http.ResponseWriter, r *http.Request, do func() error) {
	err := decode(w, r, &struct{}{})
	if err == nil {
		err = refused(do())
	}
	s.reply(w, err)
}

// reply answers a request that changes something: with the status afterwards.
func (s *Server) reply(w http.ResponseWriter, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, s.status())
}

// refused is the answer when the machine refuses what a request asks for.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Text: err.Error(), Status: http.StatusConflict}
}

func missing(field string) error {
	return &Error{Text: "it is missing", Field: field, Status: http.StatusBadRequest}
}

// asError is what an error is answered with.
func asError(err error) *Error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return &Error{Text: err.Error(), Status: http.StatusInternalServerError}
}
