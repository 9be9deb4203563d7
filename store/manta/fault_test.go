package manta_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

const text = "0123456789abcdef"

// calls returns the store calls for the object d/o and the directory d, by name.
func calls(s store.Store, ref store.Ref) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"read": func(ctx context.Context) error {
			n, err := s.ReadAt(ctx, ref, make([]byte, 8), 4)
			if err == nil && n != 8 {
				return errors.New("short and no error")
			}
			return err
		},
		"get":    func(ctx context.Context) error { _, _, err := s.Get(ctx, store.Ref{Key: ref.Key}, 100); return err },
		"stat":   func(ctx context.Context) error { _, err := s.Stat(ctx, ref.Key); return err },
		"list":   func(ctx context.Context) error { return listError(ctx, s, "d") },
		"put":    func(ctx context.Context) error { return putError(ctx, s, ref) },
		"remove": func(ctx context.Context) error { return s.Remove(ctx, ref) },
	}
}

func listError(ctx context.Context, s store.Store, dir string) error {
	for _, err := range s.List(ctx, dir, "") {
		if err != nil {
			return err
		}
	}
	return nil
}

func putError(ctx context.Context, s store.Store, ref store.Ref) error {
	_, err := s.Put(ctx, ref, strings.NewReader("new"), 3)
	return err
}

// TestFaultStatus checks the kind of error for each status and operation.
func TestFaultStatus(t *testing.T) {
	reads := []string{"read", "get", "stat", "list"}
	writes := []string{"put", "remove"}
	all := append(append([]string{}, reads...), writes...)
	html := map[string]string{"Content-Type": "text/html"}
	page := "<html>" + strings.Repeat("sorry ", 2000) + "</html>"
	for _, c := range []struct {
		name string
		do   mantatest.Action
		ops  []string
		want error
	}{
		{"401", mantatest.AnswerError(401, "", ""), all, store.ErrPermission},
		{"403", mantatest.AnswerError(403, "AuthorizationFailed", "no"), all, store.ErrPermission},
		{"account", mantatest.AnswerError(403, "AccountDoesNotExist", "no"), all, store.ErrPermission},
		{"404 of a proxy", mantatest.Answer(404, html, page), []string{"read", "get", "list", "put", "remove"}, store.ErrUnavailable},
		{"404 of nobody", mantatest.Answer(404, map[string]string{"Server": "nginx", "X-Request-Id": ""}, ""), all, store.ErrUnavailable},
		{"404", mantatest.AnswerError(404, "ResourceNotFound", "no"), all, store.ErrNotExist},
		{"412 read", mantatest.AnswerError(412, "PreconditionFailed", "no"), reads, store.ErrStale},
		{"412 write", mantatest.AnswerError(412, "PreconditionFailed", "no"), writes, store.ErrConflict},
		{"409 read", mantatest.AnswerError(409, "ConcurrentRequest", "no"), reads, store.ErrStale},
		{"409 write", mantatest.AnswerError(409, "ConcurrentRequest", "no"), writes, store.ErrConflict},
		{"directory full", mantatest.AnswerError(409, "DirectoryLimitExceeded", "no"), writes, store.ErrNoSpace},
		{"not empty", mantatest.AnswerError(400, "DirectoryNotEmpty", "no"), writes, store.ErrConflict},
		{"400 resource", mantatest.AnswerError(400, "InvalidResource", "no"), writes, store.ErrInvalid},
		{"400 root", mantatest.AnswerError(400, "OperationNotAllowedOnRootDirectory", "no"), writes, store.ErrInvalid},
		{"400 MD5", mantatest.AnswerError(400, "ContentMD5Mismatch", "no"), []string{"put"}, store.ErrCorrupt},
		{"400 anything", mantatest.AnswerError(400, "InvalidArgumentError", "no"), all, store.ErrCorrupt},
		{"413", mantatest.AnswerError(413, "MaxContentLengthExceeded", "no"), []string{"put"}, store.ErrTooLarge},
		{"507", mantatest.AnswerError(507, "NotEnoughSpace", "no"), []string{"put"}, store.ErrNoSpace},
		{"301", mantatest.Answer(301, map[string]string{"Location": "https://elsewhere/"}, page), all, store.ErrCorrupt},
		{"405 empty", mantatest.Answer(405, nil, ""), all, store.ErrCorrupt},
		{"501", mantatest.AnswerError(501, "NotImplemented", "no"), all, store.ErrCorrupt},
		{"408", mantatest.AnswerError(408, "UploadTimeout", "no"), all, store.ErrUnavailable},
		{"429", mantatest.Answer(429, nil, ""), all, store.ErrUnavailable},
		{"500 HTML", mantatest.Answer(500, html, page), all, store.ErrUnavailable},
		{"502 HTML", mantatest.Answer(502, html, page), all, store.ErrUnavailable},
		{"503", mantatest.AnswerError(503, "ServiceUnavailable", "no"), all, store.ErrUnavailable},
		{"504", mantatest.Answer(504, nil, ""), all, store.ErrUnavailable},
		{"reset", mantatest.Reset(), all, store.ErrUnavailable},
		{"200 from nobody", mantatest.Answer(200, html, page), []string{"read", "get", "stat", "list"}, store.ErrCorrupt},
		{"200 to a write", mantatest.Answer(200, html, page), []string{"put"}, store.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, s := start(t)
			ref := plant(t, srv, "d/o", text)
			srv.Fault(mantatest.On{}, c.do)
			for _, op := range c.ops {
				if err := calls(s, ref)[op](t.Context()); store.Kind(err) != c.want {
					t.Errorf("%s: %v, want %v", op, err, c.want)
				}
			}
			srv.ClearFaults()
			for _, op := range c.ops {
				if op == "put" { // makes a new version, which the other calls do not expect
					continue
				}
				if err := calls(s, ref)[op](t.Context()); err != nil {
					t.Errorf("%s afterwards: %v", op, err)
				}
			}
		})
	}
}

// TestFaultReused checks that the connection is reused after an error, whatever the body of the
// response.
func TestFaultReused(t *testing.T) {
	for name, do := range map[string]mantatest.Action{
		"JSON":     mantatest.AnswerError(503, "ServiceUnavailable", "no"),
		"trailing": mantatest.Answer(500, nil, `{"code":"a","message":"b"} and more`),
		"HTML":     mantatest.Answer(502, nil, strings.Repeat("sorry ", 5000)),
		"empty":    mantatest.Answer(405, nil, ""),
		"304":      mantatest.Answer(304, nil, ""),
	} {
		t.Run(name, func(t *testing.T) {
			srv, s := start(t)
			ref := plant(t, srv, "d/o", text)
			srv.Fault(mantatest.On{}, do)
			for range 20 {
				for op, call := range calls(s, ref) {
					if call(t.Context()) == nil {
						t.Errorf("%s: no error", op)
					}
				}
			}
			// This is for 120 calls. On a loaded machine a connection may be returned
			// late.
			if n := srv.Counters().Connections; n > 5 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestFaultRetryAfter checks that Retry-After reaches the caller.
func TestFaultRetryAfter(t *testing.T) {
	srv, s := start(t)
	for header, want := range map[string]time.Duration{
		"30": 30 * time.Second, "": 0, "soon": 0, "-5": 0, "0": 1, "Mon, 02 Jan 2006 15:04:05 GMT": 1, "9999999999999": 24 * time.Hour,
	} {
		srv.ClearFaults()
		srv.Fault(mantatest.On{}, mantatest.Answer(503, map[string]string{"Retry-After": header}, ""))
		_, err := s.Stat(t.Context(), "d/o")
		var e *store.Error
		if !errors.As(err, &e) || e.RetryAfter != want || e.RequestID == "" || e.Op != "stat" || e.Key != "d/o" {
			t.Errorf("%q: %#v", header, err)
		}
	}
}

// TestFaultBody checks that a wrong response is never accepted.
func TestFaultBody(t *testing.T) {
	header := mantatest.WithHeader
	for _, c := range []struct {
		name string
		do   mantatest.Action
		op   string
		want error
	}{
		{"cut at once", mantatest.CutAt(0), "read", store.ErrUnavailable},
		{"cut", mantatest.CutAt(3), "read", store.ErrUnavailable},
		{"cut get", mantatest.CutAt(3), "get", store.ErrUnavailable},
		{"cut list", mantatest.CutAt(3), "list", store.ErrUnavailable},
		{"200 for a range", mantatest.WholeForRange(), "read", store.ErrCorrupt},
		{"other range", header("Content-Range", "bytes 5-12/16"), "read", store.ErrCorrupt},
		{"shorter range", header("Content-Range", "bytes 4-10/16"), "read", store.ErrCorrupt},
		{"longer range", header("Content-Range", "bytes 4-12/16"), "read", store.ErrCorrupt},
		{"strange range", header("Content-Range", "bytes 4-11/*"), "read", store.ErrCorrupt},
		{"no range", header("Content-Range", ""), "read", store.ErrCorrupt},
		{"other version", header("Etag", "other"), "read", store.ErrCorrupt},
		{"no version", header("Etag", ""), "read", store.ErrCorrupt},
		{"encoded", header("Content-Encoding", "gzip"), "read", store.ErrCorrupt},
		{"encoded get", header("Content-Encoding", "gzip"), "get", store.ErrCorrupt},
		{"garbage get", mantatest.GarbleAt(3), "get", store.ErrCorrupt},
		{"garbage list", mantatest.GarbleAt(3), "list", store.ErrUnavailable},
		{"no version get", header("Etag", ""), "get", store.ErrCorrupt},
		{"no version stat", header("Etag", ""), "stat", store.ErrCorrupt},
		{"no length stat", header("Content-Length", ""), "stat", store.ErrCorrupt},
		{"no size list", header("Result-Set-Size", ""), "list", store.ErrCorrupt},
		{"no version put", header("Etag", ""), "put", store.ErrUnavailable},
		{"no MD5 put", header("Computed-MD5", ""), "put", store.ErrUnavailable},
		{"outcome unknown put", mantatest.ApplyThenCut(), "put", store.ErrUnavailable},
		{"outcome unknown remove", mantatest.ApplyThenCut(), "remove", store.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, s := start(t)
			ref := plant(t, srv, "d/o", text)
			remove := srv.Fault(mantatest.On{}, c.do)
			if err := calls(s, ref)[c.op](t.Context()); store.Kind(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			remove()
			if c.op == "put" || c.op == "remove" {
				return
			}
			if err := calls(s, ref)[c.op](t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestFaultReplaced checks that no reader gets bytes of two versions.
func TestFaultReplaced(t *testing.T) {
	srv, s := start(t)
	ref := plant(t, srv, "d/o", text)
	srv.Fault(mantatest.On{Method: "GET", Nth: 2, Times: 1}, mantatest.After(func() {
		plant(t, srv, "d/o", strings.ToUpper(text))
	}))
	p := make([]byte, 4)
	for i := range 2 {
		if _, err := s.ReadAt(t.Context(), ref, p, int64(4*i)); err != nil || string(p) != text[4*i:4*i+4] {
			t.Errorf("read %d: %q, %v", i, p, err)
		}
	}
	if _, err := s.ReadAt(t.Context(), ref, p, 8); !errors.Is(err, store.ErrStale) {
		t.Errorf("after the replacement: %v", err)
	}
}

// TestFaultWrongMD5 checks that an object that was stored incorrectly is removed, small or large.
func TestFaultWrongMD5(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "large": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			srv, s := start(t)
			srv.Fault(mantatest.On{Method: "PUT"}, mantatest.WithHeader("Computed-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="))
			_, err := s.Put(t.Context(), store.Ref{Key: "d/o"}, bytes.NewReader(make([]byte, size)), int64(size))
			if store.Kind(err) != store.ErrCorrupt {
				t.Errorf("put: %v", err)
			}
			if _, _, err := srv.Object(corpus + "d/o"); err == nil {
				t.Error("it is still there")
			}
		})
	}
}

func TestCancel(t *testing.T) {
	for _, at := range []int64{-1, 0, 3} {
		for op := range calls(nil, store.Ref{}) {
			srv, s := start(t)
			ref := plant(t, srv, "d/o", text)
			ctx, cancel := context.WithCancel(t.Context())
			if at < 0 { // before the response begins
				release := make(chan struct{})
				srv.Fault(mantatest.On{}, mantatest.Before(func() { cancel(); <-release }))
				defer close(release)
			} else {
				srv.Fault(mantatest.On{}, mantatest.Before(func() { time.AfterFunc(time.Millisecond, cancel) }), mantatest.StallAt(at, nil))
			}
			if err := calls(s, ref)[op](ctx); err != nil && err != context.Canceled || err == nil && at < 0 {
				t.Errorf("%s at %d: %v", op, at, err)
			}
			cancel()
		}
	}
}

// TestNobody uses addresses where no server is listening.
func TestNobody(t *testing.T) {
	srv := mantatest.Start(t, mantatest.Options{})
	for name, url := range map[string]string{"refused": "http://127.0.0.1:1", "no such host": "http://nobody.invalid", "not TLS": strings.Replace(srv.URL, "http", "https", 1)} {
		s := open(t, manta.Options{URL: url, Owner: "alice", NoAuth: true})
		for op, call := range calls(s, store.Ref{Key: "d/o", ETag: "x"}) {
			if err := call(t.Context()); store.Kind(err) != store.ErrUnavailable {
				t.Errorf("%s: %s: %v", name, op, err)
			}
		}
	}
}

// TestReuse checks that many readers do not use more connections than there are requests in
// flight.
func TestReuse(t *testing.T) {
	srv, s := start(t)
	ref := plant(t, srv, "d/o", strings.Repeat(text, 1000))
	const readers, each = 16, 20
	done := make(chan error, readers)
	for range readers {
		go func() {
			var err error
			for i := range each {
				if _, rerr := s.ReadAt(t.Context(), ref, make([]byte, 1000), int64(i*500)); rerr != nil && rerr != io.EOF {
					err = rerr
				}
			}
			done <- err
		}()
	}
	for range readers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := srv.Counters().Connections; n > 2*readers { // net/http may dial while another connection becomes free
		t.Errorf("%d connections for %d readers", n, readers)
	}
}

// guarded is a source that must not be read after its call has returned.
type guarded struct {
	t        *testing.T
	returned atomic.Bool
}

func (g *guarded) ReadAt(p []byte, _ int64) (int, error) {
	if g.returned.Load() {
		g.t.Error("the source is read after Put has returned")
	}
	clear(p)
	return len(p), nil
}

// TestPutLetsGo checks that Put does not read its source after returning, whatever the reason for
// returning.
func TestPutLetsGo(t *testing.T) {
	for name, do := range map[string]mantatest.Action{
		"refused": mantatest.AnswerError(503, "ServiceUnavailable", "no"), "reset": mantatest.Reset(),
		"cut": mantatest.ApplyThenCut(), "fine": mantatest.After(func() {}),
	} {
		for _, size := range []int64{eagerSize, 4 << 20} {
			srv, s := start(t)
			srv.SetBandwidth(100 << 20)
			srv.Fault(mantatest.On{Method: "PUT", Path: "/o"}, do)
			src := &guarded{t: t}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := s.Put(ctx, store.Ref{Key: "o"}, src, size)
			src.returned.Store(true)
			cancel()
			if (err == nil) != (name == "fine") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// eagerSize is the size of a body that is sent without waiting for 100 Continue.
const eagerSize = 60 << 10

// TestTLS checks that certificates are verified unless the user disables that.
func TestTLS(t *testing.T) {
	handler, err := mantatest.New(mantatest.Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(handler)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // hides the expected handshake error
	srv.StartTLS()
	t.Cleanup(srv.Close)
	for _, insecure := range []bool{true, false} {
		s := open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true, InsecureTLS: insecure})
		err := putError(t.Context(), s, store.Ref{Key: "o"})
		if insecure && err != nil || !insecure && store.Kind(err) != store.ErrUnavailable {
			t.Errorf("insecure %v: %v", insecure, err)
		}
		s.Close()
	}
}
