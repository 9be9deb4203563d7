package mantatest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"thothfs/store/manta/mantatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is the response to a request.
type answer struct {
	status int
	header http.Header
	length int64
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %v %q", a.status, a.header, a.body) }

// isError reports whether the response is the given Manta error.
func (a answer) isError(status int, code string) bool {
	return a.status == status && strings.Contains(a.body, `{"code":"`+code+`",`) &&
		a.header.Get("Content-Type") == "application/json" && a.header.Get("Content-MD5") != ""
}

// client sends plain HTTP requests, each over its own connection.
type client struct {
	t   *testing.T
	srv *mantatest.Server
}

func newClient(t *testing.T, o mantatest.Options) client {
	return client{t, mantatest.Start(t, o)}
}

// do makes a request. Headers are in the form "Name: value"; the path is sent unchanged.
func (c client) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	text := method + " " + path + " HTTP/1.1\r\nHost: manta\r\nConnection: close\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	if body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return c.raw(text + "\r\n" + body)
}

// raw sends text and reads a response.
func (c client) raw(text string) answer {
	c.t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), "tcp", strings.TrimPrefix(c.srv.URL, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		c.t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, resp.ContentLength, string(b)}
}

const asDirectory = "Content-Type: application/json; type=directory"

// mkdir creates a directory.
func (c client) mkdir(path string) {
	c.t.Helper()
	if a := c.do("PUT", path, "", asDirectory); a.status != 204 {
		c.t.Fatalf("mkdir %s: %v", path, a)
	}
}

// put stores an object and returns its ETag.
func (c client) put(path, body string, headers ...string) string {
	c.t.Helper()
	a := c.do("PUT", path, body, headers...)
	if a.status != 204 || a.header.Get("Etag") == "" || a.header.Get("Computed-MD5") == "" || a.header.Get("Last-Modified") == "" || a.body != "" {
		c.t.Fatalf("put %s: %v", path, a)
	}
	return a.header.Get("Etag")
}

// wantStatus makes a request and checks the status of the response.
func (c client) wantStatus(want int, method, path, body string, headers ...string) answer {
	c.t.Helper()
	a := c.do(method, path, body, headers...)
	if a.status != want {
		c.t.Errorf("%s %s %v: %v, want %d", method, path, headers, a, want)
	}
	return a
}

// wantError makes a request and checks that the response is the given error.
func (c client) wantError(status int, code, method, path, body string, headers ...string) answer {
	c.t.Helper()
	a := c.do(method, path, body, headers...)
	if !a.isError(status, code) {
		c.t.Errorf("%s %s %v: %v, want %d %s", method, path, headers, a, status, code)
	}
	return a
}
