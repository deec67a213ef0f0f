package profile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// file is the profile of a machine as it arrives.
func file(t *testing.T, name string) []byte {
	t.Helper()
	path := self(t)
	var data bytes.Buffer
	require.NoError(t, guest(resultOf(t), readImage(Options{Image: path}, memoryOf(t, path)), name).Write(&data))
	return data.Bytes()
}

func source(name string, data []byte) Source {
	return Source{name, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

func TestCollectAsksAllAtOnce(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	wait := func(name string) Source {
		s := source(name, file(t, name))
		open := s.Open
		s.Open = func(ctx context.Context) (io.ReadCloser, error) {
			both.Done()
			both.Wait() // for the other one
			return open(ctx)
		}
		return s
	}
	p, err := Collect(t.Context(), []Source{wait("a"), wait("b")})
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		count, _ := flat(p, pkg+"warm", map[string]string{"machine": name})
		assert.EqualValues(t, 40, count)
	}
	count, ns := Sums(p)
	assert.EqualValues(t, 94, count)
	assert.EqualValues(t, 940e6, ns)
}

func TestCollectNamesWhoFailed(t *testing.T) {
	good := file(t, "good")
	refused := Source{"refused", func(context.Context) (io.ReadCloser, error) { return nil, errors.New("nobody listens") }}
	sources := []Source{
		refused, source("good", good), source("garbage", []byte("hello")), source("nothing", nil), source("half", good[:len(good)/2]),
	}
	p, err := Collect(t.Context(), sources)
	require.NotNil(t, p)
	var failed Failed
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed, 4)
	for i, want := range []string{"machine refused: nobody listens", "machine garbage: ", "machine nothing: its profile is empty", "machine half: "} {
		assert.Contains(t, Failed{failed[i]}.Error(), want)
	}
	count, _ := Sums(p)
	assert.EqualValues(t, 47, count)

	p, err = Collect(t.Context(), sources[:1])
	assert.Nil(t, p)
	assert.EqualError(t, err, "machine refused: nobody listens")
}
