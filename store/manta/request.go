package manta

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/joyent/triton-go/client"
)

// apiRequest is one request to Manta.
type apiRequest struct {
	method string
	path   string // decoded, relative to the URL
	query  url.Values
	header http.Header
	body   *uploadBody // nil means none; rewound when the request is repeated
}

// response is a successful response. The caller must close its body, which can be read only until
// the context of the request is done.
type response struct {
	status int
	length int64 // of the body or, for HEAD, of the object; -1 means unknown
	header http.Header
	body   io.ReadCloser
}

// do makes the request. It repeats a request that was refused because of a changed key or a wrong
// clock. The error is a *statusError, a *badAnswer, or the error that prevented a response.
func (s *Store) do(ctx context.Context, r apiRequest) (*response, error) {
	var tried remedies
	for {
		key := s.auth.current()
		resp, err := s.once(ctx, r)
		if err == nil {
			return resp, nil
		}
		err = s.explain(ctx, r, err)
		if !s.auth.retryable(ctx, err, key, &tried) {
			return nil, err
		}
		s.log.Debug("repeating a refused request", "method", r.method, "path", r.path, "error", err)
	}
}

// exchange receives values from the transport that triton-go does not pass on.
type exchange struct {
	status int
	length int64
}

type exchangeKey struct{}

// once makes the request through triton-go once.
func (s *Store) once(ctx context.Context, r apiRequest) (*response, error) {
	// triton-go resets a field of the client after each call. Using a copy for each call
	// avoids the data race.
	c := *s.client
	x := new(exchange)
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	in := client.RequestNoEncodeInput{Method: r.method, Path: s.prefix + r.path, Headers: &r.header}
	if r.query != nil {
		in.Query = &r.query
	}
	if r.body != nil {
		r.body.rewind()
		in.Body = r.body
		defer r.body.wait()
	}
	body, header, err := c.ExecuteRequestNoEncode(ctx, in)
	if err != nil {
		return nil, err
	}
	return &response{status: x.status, length: x.length, header: header, body: body}, nil
}

// explain determines the error code of a refused HEAD, whose response contains none, by
// requesting one byte with GET.
func (s *Store) explain(ctx context.Context, r apiRequest, err error) error {
	var e *statusError
	if r.method != http.MethodHead || !errors.As(err, &e) || e.status != http.StatusForbidden && e.status != http.StatusBadRequest {
		return err
	}
	resp, gerr := s.once(ctx, apiRequest{method: http.MethodGet, path: r.path, query: url.Values{"limit": {"1"}}})
	if gerr == nil {
		resp.body.Close()
		return err
	}
	var full *statusError
	if errors.As(gerr, &full) && full.status == e.status {
		return gerr
	}
	return err
}
