package mantatest_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"strings"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

// Tests of behavior of the real server that a client may not expect.

func TestRefusedAlgorithms(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	ec := newSigner(t, ecKey(t, elliptic.P384()))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs := newSigner(t, rsaKey)
	for _, s := range []signer{ec, rs} {
		c.srv.AddKey("alice", "", s.public)
	}
	for _, k := range []struct {
		signer    signer
		algorithm string
		hash      crypto.Hash
		status    int
		code      string
	}{
		{ec, "ecdsa-sha384", crypto.SHA384, 400, "InvalidHeader"}, // unknown hash
		{rs, "rsa-sha384", crypto.SHA384, 400, "InvalidHeader"},
		{rs, "rsa-md5", crypto.SHA256, 400, "InvalidHeader"},
		{rs, "foo-sha256", crypto.SHA256, 400, "InvalidHeader"},
		{ec, "ecdsa-sha1", crypto.SHA1, 401, "InvalidAlgorithm"}, // known but not allowed
		{rs, "hmac-sha256", crypto.SHA256, 401, "InvalidAlgorithm"},
	} {
		h := k.signer.header(t, "alice", k.algorithm, k.hash, httpDate(noon))
		a := c.wantError(k.status, k.code, "GET", "/alice/stor", "", h...)
		if k.status == 400 && !strings.Contains(a.body, k.algorithm+" is not supported") {
			t.Errorf("%s: %v", k.algorithm, a)
		}
	}
}

func TestOldRequests(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	s := newSigner(t, ecKey(t, elliptic.P256()))
	c.srv.AddKey("alice", "", s.public)
	for off, code := range map[time.Duration]string{-601 * time.Second: "RequestExpired", -590 * time.Second: "InvalidHeader", 601 * time.Second: "InvalidHeader"} {
		c.wantError(400, code, "GET", "/alice/stor", "", s.header(t, "alice", "ecdsa-sha256", crypto.SHA256, httpDate(noon.Add(off)))...)
	}
	c.wantError(400, "RequestExpired", "GET", "/alice/public", "", "Date: "+httpDate(noon.Add(-time.Hour))) // even without a signature
}

// version returns the version description from a response.
func version(a answer) string { return a.header.Get("Etag") + " " + a.header.Get("Last-Modified") }

// TestVersionsInAnswers checks that a response describes the version that existed when the
// request arrived.
func TestVersionsInAnswers(t *testing.T) {
	now := noon
	c := newClient(t, mantatest.Options{Clock: func() time.Time { return now }})
	s := newSigner(t, ecKey(t, elliptic.P256()))
	made, none := " Mon, 04 May 2026 12:00:00 GMT", " "
	want := func(what, want string, a answer) {
		t.Helper()
		if got := version(a); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	want("mkdir", none, c.wantStatus(204, "PUT", "/alice/stor/d", "", asDirectory))
	etag := c.put("/alice/stor/d/o", "x")
	other := c.put("/alice/stor/d/p", "x")
	now = now.Add(time.Hour)
	want("mkdir again", made, c.wantStatus(204, "PUT", "/alice/stor/d", "", asDirectory))
	want("metadata of a directory", made, c.wantStatus(204, "PUT", "/alice/stor/d?metadata=true", "", "m-x: y", chunked+"\r\n\r\n0"))
	made = " Mon, 04 May 2026 13:00:00 GMT"
	want("not empty", made, c.wantError(400, "DirectoryNotEmpty", "DELETE", "/alice/stor/d", ""))
	want("limit", made, c.wantError(400, "InvalidArgumentError", "GET", "/alice/stor/d?limit=5000", ""))
	want("object over a directory", made, c.wantError(400, "InvalidUpdate", "PUT", "/alice/stor/d", "x"))
	old := " Mon, 04 May 2026 12:00:00 GMT"
	want("mkdir over an object", other+old, c.wantStatus(204, "PUT", "/alice/stor/d/p", "", asDirectory))
	want("delete", etag+old, c.wantStatus(204, "DELETE", "/alice/stor/d/o", ""))
	want("delete of a directory", made, c.wantStatus(204, "DELETE", "/alice/stor/d/p", ""))
	etag = c.put("/alice/stor/d/o", "x")
	c.srv.AddKey("alice", "", s.public)
	want("not allowed", made, c.wantError(403, "AuthorizationFailed", "GET", "/alice/stor/d", ""))
	want("not allowed", etag+made, c.wantError(403, "AuthorizationFailed", "GET", "/alice/stor/d/o", ""))
}

func TestRangeHeaders(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.put("/alice/stor/o", "0123456789", "Content-Type: text/plain", "m-x: y")
	for r, status := range map[string]int{"bytes=10-": 416, "bytes=0-1,3-4": 501} {
		if a := c.wantStatus(status, "GET", "/alice/stor/o", "", "Range: "+r); a.header.Get("Durability-Level") != "" || a.header.Get("M-X") != "" {
			t.Errorf("%s: %v", r, a)
		}
	}
	a := c.wantStatus(200, "GET", "/alice/stor/o", "", "Range: lines=0-1")
	if a.header.Get("Accept-Ranges") != "" || a.header.Get("Content-MD5") != "" || a.body != "0123456789" {
		t.Errorf("an unknown unit: %v", a)
	}
}

func TestEmptyObjectInAListing(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.mkdir("/alice/stor/d")
	c.mkdir("/alice/stor/d/a")
	c.put("/alice/stor/d/e", "")
	c.put("/alice/stor/d/o", "x")
	lines := strings.Split(c.do("GET", "/alice/stor/d", "").body, "\n")
	if strings.Contains(lines[0], "durability") || !strings.Contains(lines[1], `"durability":0}`) || !strings.Contains(lines[2], `"durability":2}`) {
		t.Errorf("%q", lines)
	}
}

func TestObjectOnARoot(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.wantError(400, "InvalidUpdate", "PUT", "/alice/stor", "x")
	c.wantError(400, "OperationNotAllowedOnRootDirectory", "PUT", "/alice/stor", "x", "Content-Type: text/plain")
	c.wantError(400, "OperationNotAllowedOnDirectory", "PUT", "/alice/stor", "")
}

func TestOtherMethods(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.put("/alice/stor/o", "x")
	c.wantStatus(200, "OPTIONS", "/alice/stor/o", "")
	c.wantStatus(200, "OPTIONS", "/alice/stor", "")
	c.wantError(404, "ResourceNotFound", "OPTIONS", "/alice/stor/none", "")
	if a := c.wantError(405, "MethodNotAllowed", "PATCH", "/alice/stor/o", ""); !strings.Contains(a.header.Get("Allow"), "OPTIONS") {
		t.Errorf("%v", a)
	}
	if a := c.wantStatus(302, "GET", "/", ""); !strings.HasPrefix(a.header.Get("Location"), "http://") || a.length != 0 {
		t.Errorf("%v", a)
	}
}

func TestRootsWithMultipart(t *testing.T) {
	c := newClient(t, mantatest.Options{Multipart: true})
	if a := c.wantStatus(200, "GET", "/alice", ""); strings.Count(a.body, "\n") != 4 || !strings.Contains(a.body, `"uploads"`) || a.header.Get("Result-Set-Size") != "4" {
		t.Errorf("%v", a)
	}
}

func TestRenderedNames(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	for _, p := range []string{"/alice/stor/%C3%A9", "/alice/stor/a%20b"} {
		if a := c.wantError(404, "ResourceNotFound", "GET", p, ""); !strings.Contains(a.body, `"`+p+` was not found"`) {
			t.Errorf("%s: %v", p, a)
		}
		if a := c.wantError(404, "DirectoryDoesNotExist", "PUT", p+"/o", "x"); !strings.Contains(a.body, `"`+p+` does not exist"`) {
			t.Errorf("%s: %v", p, a)
		}
	}
	c.put("/alice/stor/o", "x", `Content-Disposition: attachment; b=c; filename="d/say \"hi\".txt"`)
	if got, want := c.do("HEAD", "/alice/stor/o", "").header.Get("Content-Disposition"), `attachment; b="c"; filename="say \"hi\".txt"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	c.put("/alice/stor/o", "x", "Durability-Level: 6")
	c.wantError(400, "InvalidDurabilityLevel", "PUT", "/alice/stor/o", "x", "Durability-Level: 7")
}
