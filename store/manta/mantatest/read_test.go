package mantatest_test

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

// at returns a clock that is stopped at t.
func at(t time.Time) func() time.Time { return func() time.Time { return t } }

var noon = time.Date(2026, 5, 4, 12, 0, 0, 123456789, time.UTC)

func TestGet(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	c.mkdir("/alice/stor/d")
	etag := c.put("/alice/stor/d/o", "0123456789", "Content-Type: text/plain", "M-Foo: bar", "Cache-Control: no-store")
	a := c.wantStatus(200, "GET", "/alice/stor/d/o", "")
	for name, want := range map[string]string{
		"Etag": etag, "Last-Modified": "Mon, 04 May 2026 12:00:00 GMT", "Accept-Ranges": "bytes", "Content-Type": "text/plain",
		"Content-MD5": "eB5eJF1ptWaXm4bijSPyxw==", "Content-Length": "10", "Durability-Level": "2", "M-Foo": "bar", "Cache-Control": "no-store",
		"Server": "Manta/2", "Date": "Mon, 04 May 2026 12:00:00 GMT",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.header.Get("X-Request-Id") == "" || a.header.Get("X-Server-Name") == "" || a.header.Get("X-Response-Time") == "" || a.body != "0123456789" {
		t.Errorf("%v", a)
	}
	if strings.Contains(etag, `"`) || len(etag) != 36 {
		t.Errorf("ETag %q is no bare UUID", etag)
	}
	h := c.wantStatus(200, "HEAD", "/alice/stor/d/o", "", "Range: bytes=1-2")
	if h.header.Get("Accept-Ranges") != "" || h.length != 10 || h.header.Get("Etag") != etag {
		t.Errorf("HEAD: %v", h)
	}
	c.wantError(406, "NotAcceptable", "GET", "/alice/stor/d/o", "", "Accept: image/png, text/html")
	for _, accept := range []string{"*/*", "text/*", "text/plain;q=0.5, x/y"} {
		c.wantStatus(200, "GET", "/alice/stor/d/o", "", "Accept: "+accept)
	}
	c.wantError(400, "InvalidVersion", "GET", "/alice/stor/d/o", "", "Accept-Version: 8")
	for _, v := range []string{"~1.0", "1.0.0", "*", "1.x"} {
		c.wantStatus(200, "GET", "/alice/stor/d/o", "", "Accept-Version: "+v)
	}
}

func TestGetEmpty(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.put("/alice/stor/o", "")
	for _, r := range []string{"bytes=0-0", "bytes=5-", "bytes=-1", "bytes=5-2"} {
		a := c.wantStatus(200, "GET", "/alice/stor/o", "", "Range: "+r)
		if a.length != 0 || a.header.Get("Accept-Ranges") != "" || a.header.Get("Durability-Level") != "0" || a.header.Get("Content-MD5") != "1B2M2Y8AsgTpgAmY7PhCfg==" {
			t.Errorf("%v", a)
		}
	}
}

func TestRanges(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	etag := c.put("/alice/stor/o", "0123456789", "Content-Type: text/plain", "m-x: y")
	for r, want := range map[string]string{
		"bytes=0-0": "0", "bytes=2-4": "234", "bytes=8-": "89", "bytes=8-100": "89", "bytes=-3": "789", "bytes=-100": "0123456789",
	} {
		a := c.wantStatus(206, "GET", "/alice/stor/o", "", "Range: "+r, "If-Range: other")
		h := a.header
		if a.body != want || a.length != int64(len(want)) || h.Get("Etag") != etag || h.Get("Content-Range") == "" || h.Get("M-X") != "y" {
			t.Errorf("%s: %v", r, a)
		}
		if h.Get("Content-MD5") != "" || h.Get("Accept-Ranges") != "" || h.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %v", r, a)
		}
	}
	if a := c.do("GET", "/alice/stor/o", "", "Range: bytes=8-100"); a.header.Get("Content-Range") != "bytes 8-9/10" {
		t.Errorf("clamped: %v", a)
	}
	for _, r := range []string{"bytes=10-", "bytes=10-20", "bytes=foo", "bytes=5-2", "bytes=-", "bytes=99999999999999999999-"} {
		a := c.wantError(416, "RangeNotSatisfiable", "GET", "/alice/stor/o", "", "Range: "+r)
		if a.header.Get("Content-Range") != "bytes */10" || a.header.Get("Etag") != etag || !strings.Contains(a.body, `"message":""`) {
			t.Errorf("%s: %v", r, a)
		}
	}
	c.wantError(501, "NotImplemented", "GET", "/alice/stor/o", "", "Range: bytes=0-1,3-4")
	c.wantError(501, "NotImplemented", "GET", "/alice/stor/o", "", "Range: lines=0,1")
	for _, r := range []string{"lines=0-1", "bytes = 0-3"} {
		if a := c.wantStatus(200, "GET", "/alice/stor/o", "", "Range: "+r); a.body != "0123456789" || a.header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %v", r, a)
		}
	}
}

// TestOneVersion checks that a download returns a single version, whatever happens meanwhile.
func TestOneVersion(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	old := strings.Repeat("o", 8<<20)
	c.put("/alice/stor/o", old)
	release := make(chan struct{})
	c.srv.Fault(mantatest.On{Method: "GET", Times: 1}, mantatest.StallAt(1000, release))
	resp, err := http.Get(c.srv.URL + "/alice/stor/o")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	c.put("/alice/stor/o", strings.Repeat("n", 8<<20))
	close(release)
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != old {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestDirectory(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.do("PUT", "/alice/stor/d", "", asDirectory, "m-owner: me")
	c.put("/alice/stor/d/o", "x")
	for _, method := range []string{"GET", "HEAD"} {
		a := c.wantStatus(200, method, "/alice/stor/d", "", "Range: bytes=0-1", "If-Match: x", "If-None-Match: *", "Accept: image/png")
		h := a.header
		if h.Get("Content-Type") != "application/x-json-stream; type=directory" || h.Get("Result-Set-Size") != "1" || h.Get("M-Owner") != "me" {
			t.Errorf("%s: %v", method, a)
		}
		if h.Get("Etag") != "" || h.Get("Content-Length") != "" || h.Get("Last-Modified") == "" {
			t.Errorf("%s: %v", method, a)
		}
	}
}

// TestGzip checks that production compresses whenever the client allows it, and then sends no
// length.
func TestGzip(t *testing.T) {
	c := newClient(t, mantatest.Options{Gzip: true})
	data := strings.Repeat("0123456789", 100)
	c.put("/alice/stor/o", data)
	for path, status := range map[string]int{"/alice/stor/o": 200, "/alice/stor": 200, "/alice/stor/none": 404} {
		for _, method := range []string{"GET", "HEAD"} {
			a := c.wantStatus(status, method, path, "", "Accept-Encoding: gzip, deflate")
			if a.header.Get("Content-Encoding") != "gzip" || a.header.Get("Content-Length") != "" {
				t.Errorf("%s %s: %v", method, path, a.header)
			}
			a = c.wantStatus(status, method, path, "", "Accept-Encoding: identity")
			if a.header.Get("Content-Encoding") != "" {
				t.Errorf("%s %s: %v", method, path, a.header)
			}
		}
	}
	a := c.wantStatus(206, "GET", "/alice/stor/o", "", "Accept-Encoding: gzip", "Range: bytes=1-3")
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != "123" || a.header.Get("Content-Range") != "bytes 1-3/1000" {
		t.Errorf("range: %q, %v, %v", b, a.header, err)
	}
}

// TestPlainTree serves a tree of files that were not stored through the server.
func TestPlainTree(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "alice", "stor", "thoth", "0123456789abcdef0123456789abcdef")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "info.json")
	if err := os.WriteFile(name, []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, mantatest.Options{Root: root})
	path := "/alice/stor/thoth/0123456789abcdef0123456789abcdef/info.json"
	a := c.wantStatus(200, "GET", path, "")
	etag := a.header.Get("Etag")
	if a.body != "0123456789" || len(etag) != 36 || a.header.Get("Content-MD5") != "eB5eJF1ptWaXm4bijSPyxw==" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", a)
	}
	if again := c.do("HEAD", path, ""); again.header.Get("Etag") != etag {
		t.Errorf("another ETag: %v", again)
	}
	if l := c.do("GET", "/alice/stor/thoth/0123456789abcdef0123456789abcdef", ""); !strings.Contains(l.body, `"etag":"`+etag+`"`) {
		t.Errorf("listing: %v", l)
	}
	if l := c.do("GET", "/alice/stor", ""); strings.Count(l.body, "\n") != 1 {
		t.Errorf("listing: %v", l)
	}
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again := c.do("GET", path, ""); again.header.Get("Etag") == etag || again.body != "changed" {
		t.Errorf("changed from outside: %v", again)
	}
	c.wantStatus(412, "PUT", path, "x", "If-Match: "+etag)
	c.put(path, "through the server")
	if b, err := os.ReadFile(name); err != nil || string(b) != "through the server" {
		t.Errorf("on disk: %q, %v", b, err)
	}
}

// TestKeepAlive makes several requests over one connection, with errors in between.
func TestKeepAlive(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.put("/alice/stor/o", "x")
	before := c.srv.Counters().Connections
	for _, path := range []string{"/alice/stor/o", "/alice/stor/none", "/alice/stor", "/alice/jobs", "/alice/stor/o"} {
		resp, err := http.Get(c.srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, bufio.NewReader(resp.Body)); err != nil {
			t.Error(err)
		}
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	if n := c.srv.Counters().Connections - before; n != 1 {
		t.Errorf("%d connections", n)
	}
}
