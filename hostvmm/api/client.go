package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/doze-vm/doze/hostvmm/profile"
)

// maxAnswer bounds what the client reads at once: a machine's process is not trusted
// more than its user.
const maxAnswer = 16 << 20

// Client calls the API of one machine. Its errors are of type *Error if the machine
// answered with one.
type Client struct{ http http.Client }

// NewClient makes a client of the machine that listens on a socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks what the machine is and has.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, pathStatus, nil, &s)
}

// Stats asks for the machine's figures.
func (c *Client) Stats(ctx context.Context) (s Stats, err error) {
	return s, c.call(ctx, http.MethodGet, pathStats, nil, &s)
}

// Watch calls each with the machine's figures at once and then every interval, until
// each returns an error, or with nil when the machine has ended.
func (c *Client) Watch(ctx context.Context, interval time.Duration, each func(Stats) error) error {
	body, err := c.open(ctx, http.MethodGet, pathStats+"?"+url.Values{fieldInterval: {interval.String()}}.Encode(), nil)
	if err != nil {
		return err
	}
	defer body.Close()
	d := json.NewDecoder(body)
	for {
		var s Stats
		switch err := d.Decode(&s); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return ctx.Err()
		case err != nil:
			return err
		}
		if err := each(s); err != nil {
			return err
		}
	}
}

// SetBalloon says how many bytes the machine should have, and returns its status.
func (c *Client) SetBalloon(ctx context.Context, target uint64) (s Status, err error) {
	return s, c.call(ctx, http.MethodPut, pathBalloon, Balloon{&target}, &s)
}

// SetCPUs changes how many vCPUs run, and returns the status.
func (c *Client) SetCPUs(ctx context.Context, n int) (s Status, err error) {
	return s, c.call(ctx, http.MethodPut, pathCPUs, CPUs{&n}, &s)
}

// Pause stops all vCPUs.
func (c *Client) Pause(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodPost, pathPause, nil, &s)
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodPost, pathResume, nil, &s)
}

// Stop asks the program to end and returns when the machine has.
func (c *Client) Stop(ctx context.Context, signal string, timeout time.Duration) (s Stopped, err error) {
	seconds := timeout.Seconds()
	return s, c.call(ctx, http.MethodPost, pathStop, Stop{signal, &seconds}, &s)
}

// Metrics returns the machine's metrics as text. The caller closes it.
func (c *Client) Metrics(ctx context.Context) (io.ReadCloser, error) {
	return c.open(ctx, http.MethodGet, pathMetrics, nil)
}

// Profile returns the machine's profile over the time to come, a pprof file. The
// caller closes it.
func (c *Client) Profile(ctx context.Context, seconds, hz int) (io.ReadCloser, error) {
	query := url.Values{profile.FieldSeconds: {strconv.Itoa(seconds)}, profile.FieldHz: {strconv.Itoa(hz)}}
	return c.open(ctx, http.MethodGet, pathProfile+"?"+query.Encode(), nil)
}

// call sends a request, with a body if it is not nil, and reads the answer.
func (c *Client) call(ctx context.Context, method, path string, request, v any) error {
	body, err := c.open(ctx, method, path, request)
	if err != nil {
		return err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the answer ended early: %w", err)
	}
	return json.Unmarshal(data, v)
}

// open sends a request and returns the body of a good answer.
func (c *Client) open(ctx context.Context, method, path string, request any) (io.ReadCloser, error) {
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://machine"+path, body)
	if err != nil {
		return nil, err
	}
	if request != nil {
		r.Header.Set("Content-Type", contentJSON)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // the URL says nothing to a user
		}
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	e := &Error{Status: answer.StatusCode}
	if json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(e) != nil || e.Text == "" {
		e.Text = "the machine answered: " + answer.Status
	}
	return nil, e
}
