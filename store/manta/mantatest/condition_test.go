package mantatest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

// TestConditions checks which conditions an existing object satisfies, and the response if they
// fail.
func TestConditions(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	etag := c.put("/alice/stor/o", "data")
	other := "11111111-1111-1111-1111-111111111111"
	date := func(d time.Duration, zone string) string {
		return noon.Add(d).Format("Mon, 02 Jan 2006 15:04:05 ") + zone
	}
	for _, k := range []struct {
		header     string
		read, edit int // status of GET and of a PUT of metadata
	}{
		{"If-Match: " + etag, 200, 204},
		{"If-Match: W/" + etag, 200, 204},
		{"If-Match: " + other + " , " + etag, 200, 204},
		{"If-Match: *", 200, 204},
		{"If-Match:", 200, 204},
		{"If-Match: " + other, 412, 412},
		{`If-Match: "` + etag + `"`, 412, 412}, // a quoted ETag never matches
		{`If-Match: ""`, 412, 412},
		{"If-None-Match: " + etag, 304, 412},
		{"If-None-Match: *", 304, 412},
		{`If-None-Match: "` + etag + `"`, 200, 204},
		{"If-None-Match: " + other, 200, 204},
		{"If-Modified-Since: " + date(0, "GMT"), 304, 412},
		{"If-Modified-Since: " + date(0, "UTC"), 304, 412},
		{"If-Modified-Since: " + date(0, "CET"), 200, 204}, // ignored
		{"If-Modified-Since: " + date(-time.Second, "GMT"), 200, 204},
		{"If-Unmodified-Since: " + date(0, "GMT"), 200, 204},
		{"If-Unmodified-Since: " + date(-time.Second, "GMT"), 412, 412},
	} {
		get := c.wantStatus(k.read, "GET", "/alice/stor/o", "", k.header)
		if get.header.Get("Etag") != etag {
			t.Errorf("%s: no ETag with %v", k.header, get)
		}
		if head := c.wantStatus(k.read, "HEAD", "/alice/stor/o", "", k.header); k.read == 304 && head.body+get.body != "" {
			t.Errorf("%s: a body with 304", k.header)
		}
		if k.read == 412 && !get.isError(412, "PreconditionFailed") {
			t.Errorf("%s: %v", k.header, get)
		}
		c.wantStatus(k.edit, "PUT", "/alice/stor/o?metadata=true", "", k.header, "Transfer-Encoding: chunked\r\n\r\n0")
		if k.edit == 412 {
			c.wantError(412, "PreconditionFailed", "PUT", "/alice/stor/o", "x", k.header)
			c.wantError(412, "PreconditionFailed", "DELETE", "/alice/stor/o", "", k.header)
		}
	}
	if a := c.do("GET", "/alice/stor/o", ""); a.header.Get("Etag") != etag || a.body != "data" {
		t.Errorf("it changed: %v", a)
	}
}

// TestCreateOnly checks which condition creates an object, and what Manta does with the usual
// idiom.
func TestCreateOnly(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	for i, k := range []struct {
		header       string
		first, again int
	}{
		{`If-Match: ""`, 204, 412},
		{"If-None-Match: *", 412, 412},
		{"If-Match: *", 204, 204},
		{"If-Match: 11111111-1111-1111-1111-111111111111", 412, 412},
		{"If-None-Match: 11111111-1111-1111-1111-111111111111", 204, 204},
	} {
		p := fmt.Sprintf("/alice/stor/o%d", i)
		c.wantStatus(k.first, "PUT", p, "x", k.header)
		c.wantStatus(k.again, "PUT", p, "x", k.header)
	}
	c.wantError(404, "ResourceNotFound", "DELETE", "/alice/stor/none", "", "If-Match: x")
	c.wantError(404, "ResourceNotFound", "GET", "/alice/stor/none", "", "If-Match: x")
}

// TestETagMoves checks that every upload makes a new version, even of the same bytes.
func TestETagMoves(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	one := c.put("/alice/stor/o", "same")
	if two := c.put("/alice/stor/o", "same"); one == two {
		t.Error("the same bytes are the same version")
	}
}

// TestRace checks that one of several writers with conditions wins and the rest fail, and that
// without conditions all succeed.
func TestRace(t *testing.T) {
	for header, want := range map[string]map[int]int{`""`: {204: 1, 409: 5}, "": {204: 6}} {
		got := newClient(t, mantatest.Options{}).race(header)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("If-Match %s: %v, want %v", header, got, want)
		}
	}
}

// race makes six uploads, all of which start before any of them ends.
func (c client) race(ifMatch string) map[int]int {
	var begun, done sync.WaitGroup
	begun.Add(6)
	var mu sync.Mutex
	got := map[int]int{}
	for range 6 {
		done.Go(func() {
			// The server does not read the body until it has checked the target.
			body := &gate{text: strings.NewReader("x"), reached: sync.OnceFunc(begun.Done), open: begun.Wait}
			req, err := http.NewRequest("PUT", c.srv.URL+"/alice/stor/race", body)
			if err != nil {
				c.t.Error(err)
				return
			}
			req.Header.Set("Expect", "100-continue")
			if ifMatch != "" {
				req.Header.Set("If-Match", ifMatch)
			}
			tr := &http.Transport{ExpectContinueTimeout: time.Minute}
			defer tr.CloseIdleConnections()
			resp, err := tr.RoundTrip(req)
			if err != nil {
				c.t.Error(err)
				return
			}
			resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			got[resp.StatusCode]++
		})
	}
	done.Wait()
	return got
}

// gate is a body that blocks until all gates have been reached.
type gate struct {
	text    *strings.Reader
	reached func()
	open    func()
}

func (g *gate) Read(p []byte) (int, error) {
	g.reached()
	g.open()
	return g.text.Read(p)
}
