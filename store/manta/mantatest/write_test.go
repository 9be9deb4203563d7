package mantatest_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

const chunked = "Transfer-Encoding: chunked"

func TestPut(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.mkdir("/alice/stor/d")
	put := func(path, headers, body string) answer {
		return c.raw("PUT " + path + " HTTP/1.1\r\nHost: m\r\nConnection: close\r\n" + headers + "\r\n" + body)
	}
	if a := put("/alice/stor/d/o", chunked+"\r\n", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"); a.status != 204 || a.header.Get("Computed-MD5") == "" {
		t.Errorf("chunked: %v", a)
	}
	if a := c.do("GET", "/alice/stor/d/o", ""); a.body != "abcde" {
		t.Errorf("chunked: %v", a)
	}
	if a := put("/alice/stor/d/o", "", ""); a.status != 204 || a.header.Get("Computed-MD5") != "1B2M2Y8AsgTpgAmY7PhCfg==" {
		t.Errorf("no length is an empty object: %v", a)
	}
	if a := put("/alice/stor/d/big", chunked+"\r\nmax-content-length: 3\r\n", "4\r\nabcd\r\n0\r\n\r\n"); !a.isError(413, "MaxContentLengthExceeded") {
		t.Errorf("too much: %v", a)
	}
	if a := put("/alice/stor/d/big", chunked+"\r\nmax-content-length: -3\r\n", "4\r\nabcd\r\n0\r\n\r\n"); !a.isError(400, "InvalidMaxContentLength") {
		t.Errorf("negative: %v", a)
	}
	c.put("/alice/stor/d/big", "abcd", "max-content-length: 3") // ignored if there is a length
	c.wantError(404, "DirectoryDoesNotExist", "PUT", "/alice/stor/none/o", "x")
	c.wantError(400, "ParentNotDirectory", "PUT", "/alice/stor/d/big/o", "x")
	c.wantError(400, "InvalidUpdate", "PUT", "/alice/stor/d", "x")
	if a := put("/alice/stor/d", chunked+"\r\n", "0\r\n\r\n"); !a.isError(400, "OperationNotAllowedOnDirectory") {
		t.Errorf("over a directory: %v", a)
	}
	c.wantError(403, "SnaplinksDisabledError", "PUT", "/alice/stor/d/link", "", "Content-Type: application/json; type=link", "Location: /alice/stor/d/big")
	for _, level := range []string{"0", "7", "x"} {
		c.wantError(400, "InvalidDurabilityLevel", "PUT", "/alice/stor/d/o", "x", "Durability-Level: "+level)
	}
	c.put("/alice/stor/d/o", "x", "X-Durability-Level: 3")
	if a := c.do("HEAD", "/alice/stor/d/o", ""); a.header.Get("Durability-Level") != "3" {
		t.Errorf("durability: %v", a)
	}
}

func TestPutMD5(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.put("/alice/stor/o", "0123456789", "Content-MD5: eB5eJF1ptWaXm4bijSPyxw==")
	c.wantError(400, "ContentMD5Mismatch", "PUT", "/alice/stor/o", "other", "Content-MD5: eB5eJF1ptWaXm4bijSPyxw==")
	for _, bad := range []string{"781e5e245d69b566979b86e28d23f2c7", "eB5e", "!"} {
		c.wantError(400, "BadRequest", "PUT", "/alice/stor/o", "0123456789", "Content-MD5: "+bad)
	}
	if a := c.do("GET", "/alice/stor/o", ""); a.body != "0123456789" {
		t.Errorf("%v", a)
	}
	c.put("/alice/stor/empty", "", "Content-MD5: eB5eJF1ptWaXm4bijSPyxw==") // ignored
}

func TestHeaders(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	long := strings.Repeat("x", 3000)
	c.put("/alice/public/o", "x", "m-b: "+long, "M-A: one", "m-a: two", "m-c: "+long, "m-d: small",
		"Content-Type: jpg", `Content-Disposition: attachment; filename="a/b/c.txt"`, "Content-Encoding: br")
	h := c.do("HEAD", "/alice/public/o", "").header
	for name, want := range map[string]string{
		"M-A": "one, two", "M-B": long, "M-C": "", "M-D": "", "Content-Type": "image/jpeg", "Access-Control-Allow-Origin": "*",
		"Content-Disposition": `attachment; filename="c.txt"`, "Content-Encoding": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %.50q, want %.50q", name, got, want)
		}
	}
	c.wantError(400, "BadRequest", "PUT", "/alice/stor/o", "x", "Content-Disposition: ;;")
	c.put("/alice/stor/o", "x", "Content-Type: nonsense")
	if h := c.do("HEAD", "/alice/stor/o", "").header; h.Get("Content-Type") != "application/octet-stream" || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", h)
	}
}

func TestMetadata(t *testing.T) {
	now := noon
	c := newClient(t, mantatest.Options{Clock: func() time.Time { return now }})
	c.mkdir("/alice/stor/d")
	etag := c.put("/alice/stor/d/o", "data", "m-a: 1", "m-b: 2", "Content-Type: text/plain")
	now = now.Add(time.Hour)
	for _, q := range []string{"metadata=true", "metadata=false"} {
		a := c.wantStatus(204, "PUT", "/alice/stor/d/o?"+q, "", "m-b: 3", chunked+"\r\n\r\n0")
		if a.header.Get("Computed-MD5") != "" {
			t.Errorf("%v", a)
		}
	}
	a := c.do("GET", "/alice/stor/d/o", "")
	if h := a.header; h.Get("M-A") != "" || h.Get("M-B") != "3" || h.Get("Etag") != etag || h.Get("Content-Type") != "text/plain" ||
		h.Get("Last-Modified") != "Mon, 04 May 2026 13:00:00 GMT" || a.body != "data" {
		t.Errorf("%v", a)
	}
	c.wantStatus(204, "PUT", "/alice/stor/d?metadata=true", "", "m-x: y", "Content-Type: text/plain", chunked+"\r\n\r\n0")
	if h := c.do("HEAD", "/alice/stor/d", "").header; h.Get("M-X") != "y" || !strings.Contains(h.Get("Content-Type"), "directory") {
		t.Errorf("%v", h)
	}
	c.wantError(404, "ResourceNotFound", "PUT", "/alice/stor/d/none?metadata=true", "", chunked+"\r\n\r\n0")
	for _, h := range []string{"Content-Length: 0", "Content-MD5: eB5eJF1ptWaXm4bijSPyxw==", "Durability-Level: 2"} {
		c.wantError(400, "InvalidUpdate", "PUT", "/alice/stor/d/o?metadata=true", "", h)
	}
	// The refusal is sent without waiting for the body.
	c.wantError(400, "InvalidUpdate", "PUT", "/alice/stor/d/o?metadata=true", "", "Content-Length: 4")
}

func TestMkdir(t *testing.T) {
	now := noon
	c := newClient(t, mantatest.Options{Clock: func() time.Time { return now }})
	modified := func(path string) string { return c.do("HEAD", path, "").header.Get("Last-Modified") }
	for _, ct := range []string{"application/json; type=directory", "application/json;type=directory", "application/json; charset=utf-8; type=directory"} {
		c.wantStatus(204, "PUT", "/alice/stor/d", "ignored", "Content-Type: "+ct)
	}
	c.put("/alice/stor/no", "", "Content-Type: application/x-json-stream; type=directory")
	if a := c.do("HEAD", "/alice/stor/no", ""); a.header.Get("Etag") == "" {
		t.Errorf("that made no object: %v", a)
	}
	c.do("PUT", "/alice/stor/d", "", asDirectory, "m-a: 1")
	first := modified("/alice/stor/d")
	now = now.Add(time.Hour)
	c.do("PUT", "/alice/stor/d", "", asDirectory, "m-a: 1")
	c.put("/alice/stor/d/o", "x")
	c.put("/alice/stor/d/o", "y")
	c.do("DELETE", "/alice/stor/d/o", "")
	if now := modified("/alice/stor/d"); now != first {
		t.Errorf("a directory's time moved from %s to %s", first, now)
	}
	c.do("PUT", "/alice/stor/d", "", asDirectory, "m-b: 1")
	if h := c.do("HEAD", "/alice/stor/d", "").header; h.Get("M-A") != "" || h.Get("Last-Modified") == first {
		t.Errorf("other headers: %v", h)
	}
	c.wantError(404, "DirectoryDoesNotExist", "PUT", "/alice/stor/x/y", "", asDirectory)
	c.put("/alice/stor/d/o", "x")
	c.wantError(400, "ParentNotDirectory", "PUT", "/alice/stor/d/o/y", "", asDirectory)
	c.mkdir("/alice/stor/d/o") // the object is replaced
	if a := c.do("GET", "/alice/stor/d/o", ""); a.header.Get("Result-Set-Size") != "0" {
		t.Errorf("%v", a)
	}
}

func TestDelete(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.mkdir("/alice/stor/d")
	etag := c.put("/alice/stor/d/o", "x")
	c.wantError(400, "DirectoryNotEmpty", "DELETE", "/alice/stor/d", "")
	c.wantStatus(204, "DELETE", "/alice/stor/d/o", "", "If-Match: "+etag, "Content-Length: 0")
	c.wantError(404, "ResourceNotFound", "DELETE", "/alice/stor/d/o", "")
	c.wantStatus(204, "DELETE", "/alice/stor/d", "", "If-Match: nonsense") // ignored
	c.wantError(404, "ResourceNotFound", "DELETE", "/alice/stor/d", "")
}

// TestContinue checks that the server sends 100 Continue, or an error instead, before it reads
// the body.
func TestContinue(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	conn := c.dial()
	defer conn.Close()
	r := bufio.NewReader(conn)
	send := func(s string) {
		if _, err := io.WriteString(conn, s); err != nil {
			t.Fatal(err)
		}
	}
	send("PUT /alice/stor/o HTTP/1.1\r\nHost: m\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	send("data")
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 204 {
		t.Errorf("%v, %v", resp, err)
	}
	if a := c.do("GET", "/alice/stor/o", ""); a.body != "data" {
		t.Errorf("%v", a)
	}
	for path, status := range map[string]int{"/alice/stor/none/o": 404, "/alice/stor/o": 412} {
		a := c.raw("PUT " + path + " HTTP/1.1\r\nHost: m\r\nContent-Length: 4\r\nExpect: 100-continue\r\nIf-Match: \"\"\r\n\r\n")
		if a.status != status {
			t.Errorf("%s: %v, want %d", path, a, status)
		}
	}
}

// dial returns a connection to the server.
func (c client) dial() net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.srv.URL, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// TestUploadBroken checks that an upload that ends early or stalls stores nothing.
func TestUploadBroken(t *testing.T) {
	root := t.TempDir()
	const head = "PUT /alice/stor/o HTTP/1.1\r\nHost: m\r\nContent-Length: 1000\r\n\r\nbegin"
	c := newClient(t, mantatest.Options{Root: root, UploadTimeout: 50 * time.Millisecond})
	if a := c.raw(head); !a.isError(408, "UploadTimeout") {
		t.Errorf("standing still: %v", a)
	}
	srv, err := mantatest.New(mantatest.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	srv.Fault(mantatest.On{}, mantatest.Before(func() { close(begun) }))
	h := httptest.NewServer(srv)
	conn, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	<-begun
	conn.Close()
	h.Close() // returns when the request has ended
	c.wantStatus(404, "GET", "/alice/stor/o", "")
	if left, err := os.ReadDir(filepath.Join(root, ".manta", "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
