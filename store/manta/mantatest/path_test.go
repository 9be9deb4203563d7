package mantatest_test

import (
	"strings"
	"testing"

	"thothfs/store/manta/mantatest"
)

func TestRoots(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	a := c.wantStatus(200, "GET", "/alice", "")
	want := ""
	for _, name := range []string{"public", "reports", "stor"} {
		want += `{"name":"` + name + `","type":"directory","mtime":"2013-05-22T17:39:43.714Z"}` + "\n"
	}
	if a.body != want {
		t.Errorf("roots: %v", a)
	}
	// Only here is the marker exclusive.
	if a := c.do("GET", "/alice?marker=public&limit=1", ""); !strings.Contains(a.body, "reports") || strings.Contains(a.body, "public") {
		t.Errorf("marker: %v", a)
	}
	if a := c.wantStatus(200, "HEAD", "/alice/stor", ""); a.header.Get("Last-Modified") != "" || a.header.Get("Result-Set-Size") != "0" {
		t.Errorf("a root that nobody made: %v", a)
	}
	for _, r := range [][2]string{{"PUT", "/alice"}, {"DELETE", "/alice"}, {"DELETE", "/alice/stor"}} {
		c.wantError(400, "OperationNotAllowedOnRootDirectory", r[0], r[1], "")
	}
	c.wantError(400, "OperationNotAllowedOnRootDirectory", "PUT", "/alice", "", asDirectory)
	c.mkdir("/alice/stor")
	if a := c.do("HEAD", "/alice/stor", ""); a.header.Get("Last-Modified") == "" || a.header.Get("Result-Set-Size") != "1" {
		t.Errorf("a root that was made counts itself: %v", a)
	}
	for _, p := range []string{"/alice/jobs", "/alice/uploads/x", "/alice/nothing/x"} {
		if a := c.wantError(404, "ResourceNotFound", "GET", p, ""); !strings.Contains(a.body, "does not exist") {
			t.Errorf("%v", a)
		}
	}
	c.wantError(405, "MethodNotAllowed", "POST", "/alice/stor", "")
}

func TestPaths(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.mkdir("/alice/stor/d")
	etag := c.put("/alice/stor/d/obj", "x")
	for _, p := range []string{"/alice/stor/d/obj/", "//alice///stor/d//obj", "/alice/stor%2Fd%2fobj", "/%61lice/stor/d/ob%6A"} {
		if a := c.wantStatus(200, "GET", p, ""); a.header.Get("Etag") != etag {
			t.Errorf("%s: %v", p, a)
		}
	}
	c.wantError(400, "InvalidResource", "PUT", "/alice/stor/d/%ff", "x")
	c.wantStatus(400, "GET", "/alice/stor/d/%zz", "")
	c.wantError(404, "ResourceNotFound", "GET", "/alice/stor/d/obj/below", "")
	c.wantError(404, "ResourceNotFound", "GET", "/alice/stor/d/OBJ", "")
	if a := c.wantStatus(404, "HEAD", "/alice/stor/d/none", ""); a.body != "" || a.header.Get("Content-Type") != "" {
		t.Errorf("HEAD of nothing: %v", a)
	}
}

// TestNames checks that "." and "..", and any UTF-8, are treated as ordinary names.
func TestNames(t *testing.T) {
	root := t.TempDir()
	c := newClient(t, mantatest.Options{Root: root})
	c.mkdir("/alice/stor/d")
	c.put("/alice/stor/o", "outside")
	names := map[string]string{
		".": ".", "..": "..", "...": "...", "%0A": "\n", "%09": "\t", "a%20": "a ", "a%5Cb": `a\b`, "%C3%A9": "é", "e%CC%81": "é",
		strings.Repeat("n", 300): strings.Repeat("n", 300), ".manta": ".manta", ".manta-x": ".manta-x", "%25": "%", "%2E%2E%25": "..%",
	}
	for escaped, name := range names {
		c.put("/alice/stor/d/"+escaped, "content of "+name)
	}
	for escaped, name := range names {
		if a := c.wantStatus(200, "GET", "/alice/stor/d/"+escaped, ""); a.body != "content of "+name {
			t.Errorf("%q: %v", name, a)
		}
	}
	a := c.do("GET", "/alice/stor/d?limit=1000", "")
	if n := strings.Count(a.body, "\n"); n != len(names) || a.header.Get("Result-Set-Size") != "14" {
		t.Errorf("%d entries: %v", n, a)
	}
	// A directory called ".." is ordinary too.
	c.do("DELETE", "/alice/stor/d/..", "")
	c.mkdir("/alice/stor/d/..")
	c.put("/alice/stor/d/../o", "inside")
	if a := c.do("GET", "/alice/stor/o", ""); a.body != "outside" {
		t.Errorf("the object above is %v", a)
	}
	// Everything still exists after a restart.
	again := newClient(t, mantatest.Options{Root: root})
	if b := again.do("GET", "/alice/stor/d?limit=1000", ""); strings.Count(b.body, "\n") != len(names) {
		t.Errorf("after a restart: %v", b)
	}
	if b := again.do("GET", "/alice/stor/d/../o", ""); b.body != "inside" {
		t.Errorf("after a restart: %v", b)
	}
}
