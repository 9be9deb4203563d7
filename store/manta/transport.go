package manta

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"

	"thothfs/store"
)

const (
	// smallBody is the size of the largest body that is read twice in order to send its MD5
	// in advance. For larger bodies, the MD5 is compared with the one computed by the server.
	smallBody = 1 << 20
	// eagerBody is the size of the largest body that is sent at once. Larger ones wait for
	// 100 Continue, so that a refusal costs no upload and is not lost when the server closes
	// the connection during the upload.
	eagerBody = 64 << 10
	// continueWait is how long to wait for 100 Continue, which Manta does not send until its
	// storage nodes are connected.
	continueWait = 10 * time.Second
	// idleConns is the maximum number of idle connections. The layers above have at most a
	// few dozen requests in flight.
	idleConns = 128
	// idleTimeout is shorter than the 120 s after which Manta's front end closes a
	// connection.
	idleTimeout = 90 * time.Second
	// connectTime is the time limit for connecting, and for the TLS handshake.
	connectTime = 30 * time.Second
)

// transport is the http.RoundTripper under triton-go.
type transport struct {
	base *http.Transport
	auth *auth
}

func newTransport(a *auth, o Options) *transport {
	p := new(http.Protocols)
	p.SetHTTP1(true) // Manta's front end supports only HTTP/1
	dialer := &net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}
	return &transport{auth: a, base: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: dialer.DialContext,
		// InsecureTLS is set by the user, for a test Manta with its own certificate.
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: o.InsecureTLS, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   connectTime,
		ExpectContinueTimeout: continueWait,
		MaxIdleConnsPerHost:   idleConns,
		IdleConnTimeout:       idleTimeout,
		DisableCompression:    true,
		Protocols:             p,
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
	}}
}

// RoundTrip makes one request. A response with a status of 300 or more results in a *statusError,
// an invalid response in a *badAnswer; neither leaves a body to close.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	out, err := t.prepare(ctx, req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := t.base.RoundTrip(out.WithContext(connecting(ctx)))
	if err != nil {
		t.dropDead(ctx)
		return nil, err
	}
	store.Progress(ctx)
	resp.Body = &body{ReadCloser: resp.Body, ctx: ctx, t: t}
	if err := t.check(out, resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		x.status, x.length = resp.StatusCode, resp.ContentLength
	}
	return resp, nil
}

// connecting returns a context in which a new connection counts as progress.
func connecting(ctx context.Context) context.Context {
	done := func(err error) {
		if err == nil {
			store.Progress(ctx)
		}
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone:      func(_, _ string, err error) { done(err) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { done(err) },
	})
}

// prepare returns the request with the headers that Manta requires.
func (t *transport) prepare(ctx context.Context, req *http.Request) (*http.Request, error) {
	out := req.Clone(ctx)
	h := out.Header
	date, authorization, err := t.auth.sign(ctx)
	if err != nil {
		return nil, err
	}
	h.Set("Date", date)
	h.Del("Accept-Version") // triton-go's version is not a version of Manta
	h.Del("Authorization")
	if authorization != "" {
		h.Set("Authorization", authorization)
	}
	h.Set("User-Agent", "thothfs")
	// Without this, production compresses whole dumps on the fly and sends no length.
	h.Set("Accept-Encoding", "identity")
	return out, setBody(out)
}

// setBody sets the length of the body. triton-go sets it only as a header, which net/http
// ignores.
func setBody(out *http.Request) error {
	src, ok := out.Body.(*uploadBody)
	if !ok {
		return nil
	}
	src.begin()
	out.ContentLength = src.size
	out.Header.Set("Content-Length", strconv.FormatInt(src.size, 10))
	if src.size == 0 {
		// To net/http, a length of 0 with a body means unknown.
		out.Body = http.NoBody
		return src.Close()
	}
	return nil
}

// check returns an error if the response is invalid.
func (t *transport) check(req *http.Request, resp *http.Response) error {
	switch {
	case resp.StatusCode >= 300:
		return newStatusError(req, resp)
	case resp.Header.Get("Content-Encoding") != "":
		return corrupt("the answer is encoded as %.40q", resp.Header.Get("Content-Encoding"))
	case req.Header.Get("Range") != "":
		return checkRange(req, resp)
	}
	return nil
}

// dropDead closes the idle connections if the request with context ctx was canceled for lack of
// progress: if one connection is dead, others may be too.
func (t *transport) dropDead(ctx context.Context) {
	if store.Stalled(ctx) {
		t.base.CloseIdleConnections()
	}
}

// body is a response body that reports progress.
type body struct {
	io.ReadCloser
	ctx context.Context // context of the request, for reporting progress
	t   *transport
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		store.Progress(b.ctx)
	}
	if err != nil && err != io.EOF {
		b.t.dropDead(b.ctx)
	}
	return n, err
}
