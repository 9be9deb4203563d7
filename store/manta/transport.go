package manta

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	// smallBody is up to which size a body is read twice, to announce its MD5. Of
	// larger ones the MD5 is compared with what the server computed.
	smallBody = 1 << 20
	// eagerBody is up to which size a body is sent without asking first. Others
	// wait for 100 Continue: a refusal costs no upload then, and cannot be lost
	// in a connection that the server closes on what we are still sending.
	eagerBody = 64 << 10
	// continueWait is how long a server that does not answer is given to say 100
	// Continue: Manta says so only when its storage nodes are connected.
	continueWait = 10 * time.Second
	// idleConns is how many connections are kept for the next request; the
	// layers above have at most some dozens in flight.
	idleConns = 128
	// idleTimeout stays below the 120 s after which Manta's front end hangs up.
	idleTimeout = 90 * time.Second
)

// transport is the one place where triton-go's requests meet HTTP.
type transport struct {
	base  *http.Transport
	auth  *auth
	stall time.Duration
}

func newTransport(a *auth, o Options) *transport {
	p := new(http.Protocols)
	p.SetHTTP1(true) // Manta's front end has nothing else
	dialer := &net.Dialer{Timeout: min(30*time.Second, o.Stall), KeepAlive: 30 * time.Second}
	return &transport{auth: a, stall: o.Stall, base: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: dialer.DialContext,
		// The user said so: for Mantas on a desk, with a certificate of their own.
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: o.InsecureTLS, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   min(30*time.Second, o.Stall),
		ResponseHeaderTimeout: o.Stall,
		ExpectContinueTimeout: min(continueWait, o.Stall),
		MaxIdleConnsPerHost:   idleConns,
		IdleConnTimeout:       idleTimeout,
		DisableCompression:    true,
		Protocols:             p,
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
	}}
}

// RoundTrip makes one request. Every answer of 300 and more is a *statusError,
// every answer that is not what was asked for a *badAnswer; neither leaves
// anything to close.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, w := newWatch(req.Context(), t.stall)
	out, err := t.prepare(ctx, req, w)
	if err != nil {
		w.stop()
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		defer w.stop()
		if errors.Is(context.Cause(ctx), errStalled) {
			return nil, errStalled
		}
		return nil, err
	}
	w.touch()
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: ctx, watch: w}
	if err := t.check(out, resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		x.status, x.length = resp.StatusCode, resp.ContentLength
	}
	return resp, nil
}

// prepare is the request as it should be.
func (t *transport) prepare(ctx context.Context, req *http.Request, w *watch) (*http.Request, error) {
	out := req.Clone(ctx)
	h := out.Header
	date, authorization, err := t.auth.sign(ctx)
	if err != nil {
		return nil, err
	}
	h.Set("Date", date)
	h.Del("Accept-Version") // triton-go's is not Manta's
	h.Del("Authorization")
	if authorization != "" {
		h.Set("Authorization", authorization)
	}
	h.Set("User-Agent", "thothfs")
	// Else production compresses whole dumps on the fly and tells no length.
	h.Set("Accept-Encoding", "identity")
	return out, setBody(out, w)
}

// setBody gives the request the length that triton-go puts into a header only,
// which net/http does not look at.
func setBody(out *http.Request, w *watch) error {
	src, ok := out.Body.(*source)
	if !ok {
		return nil
	}
	src.begin(w.touch)
	out.ContentLength = src.size
	out.Header.Set("Content-Length", strconv.FormatInt(src.size, 10))
	if src.size == 0 {
		// net/http would take a length of 0 with a body for an unknown one.
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
