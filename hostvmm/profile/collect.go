package profile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	pprof "github.com/google/pprof/profile"
)

// maxFile bounds a machine's profile: 8,192 stacks with all their names take about
// a tenth of it.
const maxFile = 64 << 20

// Source is where the profile of one machine comes from, as a pprof file.
type Source struct {
	Name string
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Failed are the machines whose profiles did not come, in the order asked for.
type Failed []Failure

// Failure is one of them.
type Failure struct {
	Name string
	Err  error
}

func (f Failed) Error() string {
	parts := make([]string, len(f))
	for i, one := range f {
		parts[i] = fmt.Sprintf("machine %s: %v", one.Name, one.Err)
	}
	return strings.Join(parts, "; ")
}

// Collect asks all sources at once and merges what comes. If some fail, it returns
// the others' profile and an error of type Failed; if all do, no profile.
func Collect(ctx context.Context, sources []Source) (*pprof.Profile, error) {
	parts := make([]*pprof.Profile, len(sources))
	errs := make([]error, len(sources))
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() { parts[i], errs[i] = s.fetch(ctx) })
	}
	all.Wait()
	var good []*pprof.Profile
	var failed Failed
	for i, p := range parts {
		if errs[i] != nil {
			failed = append(failed, Failure{sources[i].Name, errs[i]})
			continue
		}
		good = append(good, p)
	}
	if len(good) == 0 {
		return nil, failed
	}
	p, err := Merge(good)
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return p, failed
	}
	return p, nil
}

func (s Source) fetch(ctx context.Context) (*pprof.Profile, error) {
	r, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil && errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("it ended before its profile was complete")
	case err != nil:
		return nil, fmt.Errorf("read its profile: %w", err)
	case len(data) == 0:
		return nil, errors.New("its profile is empty")
	case len(data) > maxFile:
		return nil, fmt.Errorf("its profile has more than %d MiB", maxFile>>20)
	}
	p, err := pprof.ParseData(data)
	if err != nil {
		return nil, fmt.Errorf("its profile can't be read: %w", err)
	}
	return p, nil
}

// Sums are the samples and the CPU time in a profile.
func Sums(p *pprof.Profile) (count, ns int64) {
	for _, s := range p.Sample {
		count += s.Value[0]
		ns += s.Value[1]
	}
	return count, ns
}
