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
	// smallBody is the largest body that is read twice, to send its MD5 ahead. The MD5 of
	// a larger one is compared with what the server computed.
	smallBody = 1 << 20
	// eagerBody is the largest body that is sent at once. Larger ones wait for 100
	// Continue: then a refusal costs no upload, and is not lost when the server closes the
	// connection during the upload.
	eagerBody = 64 << 10
	// continueWait is how long to wait for 100 Continue, which Manta sends only when its
	// storage nodes are connected.
	continueWait = 10 * time.Second
	// idleConns is how many idle connections are kept; the layers above have at most some
	// dozens of requests in flight.
	idleConns = 128
	// idleTimeout is shorter than the 120 s after which Manta's front end hangs up.
	idleTimeout = 90 * time.Second
	// connectTime bounds connecting and the TLS handshake, each.
	connectTime = 30 * time.Second
)

// transport is the http.RoundTripper under triton-go.
type transport struct {
	base *http.Transport
	auth *auth
}

func newTransport(a *auth, o Options) *transport {
	p := new(http.Protocols)
	p.SetHTTP1(true) // Manta's front end has only HTTP/1
	dialer := &net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}
	return &transport{auth: a, base: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: dialer.DialContext,
		// The user asked for it, for a test Manta with its own certificate.
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

// RoundTrip makes one request. Every answer of 300 and more is a *statusError, every invalid
// answer a *badAnswer; neither leaves a body to close.
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

// connecting returns ctx with a new connection counting as progress.
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

// prepare returns the request with the headers that Manta needs.
func (t *transport) prepare(ctx context.Context, req *http.Request) (*http.Request, error) {
	out := req.Clone(ctx)
	h := out.Header
	date, authorization, err := t.auth.sign(ctx)
	if err != nil {
		return nil, err
	}
	h.Set("Date", date)
	h.Del("Accept-Version") // triton-go's version is not Manta's
	h.Del("Authorization")
	if authorization != "" {
		h.Set("Authorization", authorization)
	}
	h.Set("User-Agent", "thothfs")
	// Otherwise production compresses whole dumps on the fly and sends no length.
	h.Set("Accept-Encoding", "identity")
	return out, setBody(out)
}

// setBody sets the length of the body, which triton-go sets only as a header that net/http
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
		// For net/http, length 0 with a body means unknown.
		out.Body = http.NoBody
		return src.Close()
	}
	return nil
}

// check returns what is wrong with an answer.
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

// dropDead closes the idle connections if the request of ctx was ended for lack of progress:
// if one connection is dead, others may be too.
func (t *transport) dropDead(ctx context.Context) {
	if store.Stalled(ctx) {
		t.base.CloseIdleConnections()
	}
}

// body is the body of an answer, which reports its progress.
type body struct {
	io.ReadCloser
	ctx context.Context // of the request, to report progress
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
