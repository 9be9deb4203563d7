package manta_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

// recorder records the requests that a server receives.
type recorder struct {
	mu       sync.Mutex // guards requests
	requests []*http.Request
}

func (r *recorder) trace(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, req)
}

// take returns the requests since the last call.
func (r *recorder) take() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

func startRecorded(t *testing.T, o mantatest.Options) (*mantatest.Server, *manta.Store, *recorder) {
	t.Helper()
	rec := new(recorder)
	o.Trace = rec.trace
	srv := mantatest.Start(t, o)
	return srv, open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true}), rec
}

// TestWirePut checks that uploads send their length and, if cheap, their MD5, and that large
// uploads wait for 100 Continue.
func TestWirePut(t *testing.T) {
	_, s, rec := startRecorded(t, mantatest.Options{})
	for _, c := range []struct {
		key        string
		size       int
		expect     string
		md5        bool
		conditions string
	}{
		{"a", 0, "", true, `""`},
		{"b", 10, "", true, `""`},
		{"c", 100 << 10, "100-continue", true, `""`},
		{"d", 3 << 20, "100-continue", false, `""`},
	} {
		src := onlyReaderAt{bytes.NewReader(make([]byte, c.size))}
		attr, err := s.Put(t.Context(), store.Ref{Key: c.key}, src, int64(c.size))
		if err != nil {
			t.Fatal(err)
		}
		all := rec.take()
		r := all[len(all)-1]
		if r.ContentLength != int64(c.size) || len(r.TransferEncoding) > 0 {
			t.Errorf("%d bytes: length %d, %v", c.size, r.ContentLength, r.TransferEncoding)
		}
		h := r.Header
		if h.Get("Expect") != c.expect || (h.Get("Content-MD5") != "") != c.md5 || h.Get("If-Match") != c.conditions || h.Get("Content-MD$") != "" {
			t.Errorf("%d bytes: %v", c.size, h)
		}
		if _, err := s.Put(t.Context(), store.Ref{Key: c.key, ETag: attr.ETag}, src, int64(c.size)); err != nil {
			t.Errorf("%d bytes again: %v", c.size, err)
		}
		if r := rec.take()[0]; r.Header.Get("If-Match") != attr.ETag {
			t.Errorf("%d bytes again: %v", c.size, r.Header)
		}
	}
}

// onlyReaderAt hides that a reader is a bytes.Reader, whose length net/http can determine.
type onlyReaderAt struct{ r io.ReaderAt }

func (o onlyReaderAt) ReadAt(p []byte, off int64) (int, error) { return o.r.ReadAt(p, off) }

// TestWirePutRefused checks that the body is not uploaded if the request is refused.
func TestWirePutRefused(t *testing.T) {
	srv, s := start(t)
	plant(t, srv, "d/o", text)
	srv.ResetCounters()
	const size = 8 << 20
	_, err := s.Put(t.Context(), store.Ref{Key: "d/o"}, onlyReaderAt{bytes.NewReader(make([]byte, size))}, size)
	if store.Kind(err) != store.ErrConflict {
		t.Errorf("put: %v", err)
	}
	if n := srv.Counters().Uploaded; n > 0 {
		t.Errorf("%d bytes were sent", n)
	}
}

// TestWireRead checks that a read makes one request, with If-Match, a raw ETag and no
// compression.
func TestWireRead(t *testing.T) {
	srv, s, rec := startRecorded(t, mantatest.Options{Gzip: true})
	big := strings.Repeat(text, 1000)
	ref := plant(t, srv, "d/o", big)
	p := make([]byte, 100)
	if _, err := s.ReadAt(t.Context(), ref, p, 50); err != nil || string(p) != big[50:150] {
		t.Errorf("read: %q, %v", p, err)
	}
	r := rec.take()
	if h := r[0].Header; len(r) != 1 || h.Get("If-Match") != ref.ETag || h.Get("Range") != "bytes=50-149" || strings.Contains(h.Get("Accept-Encoding"), "gzip") {
		t.Errorf("%d requests, %v", len(r), h)
	}
	if _, attr, err := s.Get(t.Context(), store.Ref{Key: "d/o"}, 1<<20); err != nil || attr.Size != int64(len(big)) {
		t.Errorf("get: %+v, %v", attr, err)
	}
	if _, _, err := s.Get(t.Context(), ref, 1<<20); store.Kind(err) != store.ErrNotModified {
		t.Errorf("get again: %v", err)
	}
	r = rec.take()
	if len(r) != 2 || r[0].Header.Get("If-None-Match") != "" || r[1].Header.Get("If-None-Match") != ref.ETag {
		t.Errorf("%d requests", len(r))
	}
	for _, r := range r {
		if v := r.Header.Values("Accept-Version"); len(v) > 0 && v[0] != "" {
			t.Errorf("%s with Accept-Version %q", r.Method, v)
		}
	}
}

// TestWirePaths checks that names are sent unchanged, including "." and "..".
func TestWirePaths(t *testing.T) {
	_, s, rec := startRecorded(t, mantatest.Options{})
	for _, key := range []string{"./..", "../.", "it's a+b;c%&=?#é/%2F", "a//"[:1] + "/ "} {
		_, err := s.Stat(t.Context(), key)
		if store.Kind(err) != store.ErrNotExist {
			t.Errorf("%q: %v", key, err)
		}
		if got := rec.take()[0].URL.Path; got != "/alice/stor/thoth/"+key {
			t.Errorf("%q came as %q", key, got)
		}
	}
}

// TestURLPrefix uses a Manta whose URL has a path.
func TestURLPrefix(t *testing.T) {
	srv := mantatest.Start(t, mantatest.Options{})
	s := open(t, manta.Options{URL: srv.URL + "/stor/", NoAuth: true, Dir: "/alice/stor/x"})
	srv.Fault(mantatest.On{Path: "/stor/alice/stor/x/o"}, mantatest.AnswerError(403, "Seen", "it"))
	if _, err := s.Stat(t.Context(), "o"); store.Kind(err) != store.ErrPermission {
		t.Error(err)
	}
}

// TestNoMkdirOverObject checks that an object is never replaced by a directory.
func TestNoMkdirOverObject(t *testing.T) {
	srv, s := start(t)
	ref := plant(t, srv, "a/o", text)
	// Simulate a server that reports a missing parent although the parent is an object.
	srv.Fault(mantatest.On{Method: "PUT", Path: "/o/x"}, mantatest.AnswerError(404, "DirectoryDoesNotExist", "no"))
	if err := putError(t.Context(), s, store.Ref{Key: "a/o/x"}); store.Kind(err) != store.ErrInvalid {
		t.Errorf("put: %v", err)
	}
	if data, etag, err := srv.Object(corpus + "a/o"); err != nil || string(data) != text || etag != ref.ETag {
		t.Errorf("the object is now %q, %v", data, err)
	}
}

// TestParentsVanish simulates directories that are removed as fast as they are created.
func TestParentsVanish(t *testing.T) {
	srv, s := start(t)
	srv.Fault(mantatest.On{Method: "PUT", Path: "/o"}, mantatest.AnswerError(404, "DirectoryDoesNotExist", "no"))
	if err := putError(t.Context(), s, store.Ref{Key: "a/b/o"}); store.Kind(err) != store.ErrConflict {
		t.Errorf("put: %v", err)
	}
	if n := srv.Counters().Total; n > 40 {
		t.Errorf("%d requests", n)
	}
}

// TestETags checks that an ETag that cannot come from Manta never matches, and never acts as a
// wildcard.
func TestETags(t *testing.T) {
	for _, etag := range []string{"*", `""`, `"x"`, "W/x", "a,b", " ", "\n", "é", "x\r\nX-Evil: 1"} {
		srv, s := start(t)
		ref := plant(t, srv, "d/o", text)
		bad := store.Ref{Key: "d/o", ETag: etag}
		if _, err := s.ReadAt(t.Context(), bad, make([]byte, 1), 0); store.Kind(err) != store.ErrStale {
			t.Errorf("%q: read: %v", etag, err)
		}
		if _, _, err := s.Get(t.Context(), bad, 100); err != nil {
			t.Errorf("%q: get: %v", etag, err)
		}
		for _, key := range []string{"d/o", "d/new"} {
			if err := putError(t.Context(), s, store.Ref{Key: key, ETag: etag}); store.Kind(err) != store.ErrConflict {
				t.Errorf("%q: put: %v", etag, err)
			}
		}
		if err := s.Remove(t.Context(), bad); store.Kind(err) != store.ErrConflict {
			t.Errorf("%q: remove: %v", etag, err)
		}
		if _, now, err := srv.Object(corpus + "d/o"); err != nil || now != ref.ETag {
			t.Errorf("%q: changed: %v", etag, err)
		}
	}
}

// TestParallel makes every call from many goroutines, for the race detector.
func TestParallel(t *testing.T) {
	srv, s := start(t)
	ref := plant(t, srv, "d/o", text)
	var wg sync.WaitGroup
	for range 8 {
		for _, op := range []string{"read", "get", "stat", "list"} {
			wg.Go(func() {
				for range 5 {
					if err := calls(s, ref)[op](t.Context()); err != nil {
						t.Errorf("%s: %v", op, err)
					}
				}
			})
		}
	}
	wg.Wait()
}
