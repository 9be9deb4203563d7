package mantatest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"thothfs/store/manta/mantatest"
)

// fetch makes a GET request with net/http. It returns the body and the error from reading it.
func fetch(t *testing.T, url string, header ...string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func TestFaults(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.put("/alice/stor/o", "0123456789")
	url := c.srv.URL + "/alice/stor/o"
	released := make(chan struct{})
	close(released)
	for name, k := range map[string]struct {
		do   mantatest.Action
		want string
	}{
		"answer":     {mantatest.Answer(503, map[string]string{"Retry-After": "7"}, "<html>"), "503 [7] <html> <nil>"},
		"error":      {mantatest.AnswerError(507, "NotEnoughSpace", "full"), `507 [] {"code":"NotEnoughSpace","message":"full"} <nil>`},
		"cut":        {mantatest.CutAt(2), "206 [] 12 unexpected EOF"},
		"cut at 0":   {mantatest.CutAt(0), "206 []  unexpected EOF"},
		"stall":      {mantatest.StallAt(2, released), "206 [] 1234 <nil>"},
		"garbage":    {mantatest.GarbleAt(2), "206 [] 12\xcc\xcb <nil>"},
		"whole":      {mantatest.WholeForRange(), "200 [] 0123456789 <nil>"},
		"header":     {mantatest.WithHeader("Retry-After", "9"), "206 [9] 1234 <nil>"},
		"no header":  {mantatest.WithHeader("Content-Range", ""), "206 [] 1234 <nil>"},
		"after that": {mantatest.After(func() {}), "206 [] 1234 <nil>"},
	} {
		remove := c.srv.Fault(mantatest.On{Path: "/o"}, k.do)
		resp, body, err := fetch(t, url, "Range: bytes=1-4")
		if resp == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Values("Retry-After"), " ", body, " ", err); got != k.want {
			t.Errorf("%s: %q, want %q", name, got, k.want)
		}
		remove()
	}
	c.srv.Fault(mantatest.On{}, mantatest.Reset())
	if _, _, err := fetch(t, url); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	c.srv.ClearFaults()
	c.srv.Fault(mantatest.On{Method: "PUT"}, mantatest.ApplyThenCut())
	req, err := http.NewRequestWithContext(t.Context(), "PUT", c.srv.URL+"/alice/stor/new", strings.NewReader("new"))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := (&http.Transport{}).RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Errorf("an answer: %v", resp)
	}
	if b, _, err := c.srv.Object("/alice/stor/new"); err != nil || string(b) != "new" {
		t.Errorf("applied: %q, %v", b, err)
	}
}

// TestFaultOrder checks to which requests a fault applies.
func TestFaultOrder(t *testing.T) {
	for name, k := range map[string]struct {
		on   mantatest.On
		want string
	}{
		"all":     {mantatest.On{}, "xxxxxx"},
		"method":  {mantatest.On{Method: "HEAD"}, ".x.x.x"},
		"path":    {mantatest.On{Path: "/none"}, "......"},
		"third":   {mantatest.On{Nth: 3}, "..xxxx"},
		"one":     {mantatest.On{Nth: 3, Times: 1}, "..x..."},
		"two":     {mantatest.On{Method: "GET", Nth: 2, Times: 2, Path: "stor"}, "..x.x."},
		"a first": {mantatest.On{Times: 1}, "x....."},
	} {
		c := newClient(t, mantatest.Options{})
		c.srv.Fault(k.on, mantatest.Answer(503, nil, ""))
		got := ""
		for i := range 6 {
			a := c.do([]string{"GET", "HEAD"}[i%2], "/alice/stor", "")
			got += map[int]string{200: ".", 503: "x"}[a.status]
		}
		if got != k.want {
			t.Errorf("%s: %s, want %s", name, got, k.want)
		}
	}
}

// TestFaultReplace replaces an object between two requests.
func TestFaultReplace(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	etag := c.put("/alice/stor/o", "old")
	c.srv.Fault(mantatest.On{Method: "GET", Times: 1}, mantatest.After(func() {
		if _, err := c.srv.PutObject("/alice/stor/o", []byte("new")); err != nil {
			t.Error(err)
		}
	}))
	if a := c.do("GET", "/alice/stor/o", ""); a.body != "old" {
		t.Errorf("%v", a)
	}
	c.wantError(412, "PreconditionFailed", "GET", "/alice/stor/o", "", "If-Match: "+etag)
}

func TestCounters(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.put("/alice/stor/o", "0123456789")
	c.do("GET", "/alice/stor/o", "")
	c.do("HEAD", "/alice/stor/o", "")
	c.do("GET", "/alice/stor/o", "", "Range: bytes=1-2")
	n := c.srv.Counters()
	if n.Total != 4 || n.Requests["GET"] != 2 || n.Requests["PUT"] != 1 || n.BodyBytes != 12 || n.Uploaded != 10 || n.Connections != 4 {
		t.Errorf("%+v", n)
	}
	c.srv.ResetCounters()
	if n := c.srv.Counters(); n.Total != 0 || n.BodyBytes != 0 {
		t.Errorf("%+v", n)
	}
}
