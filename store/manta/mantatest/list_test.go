package mantatest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

// names returns the names in a listing.
func (a answer) names(t *testing.T) []string {
	t.Helper()
	names := []string{}
	for line := range strings.Lines(a.body) {
		var e struct{ Name string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		names = append(names, e.Name)
	}
	return names
}

func TestListLines(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	c.mkdir("/alice/stor/d")
	c.mkdir("/alice/stor/d/sub")
	etag := c.put("/alice/stor/d/o", "0123456789", "Content-Type: text/plain", "Content-Disposition: inline")
	want := `{"name":"o","etag":"` + etag + `","size":10,"type":"object","contentType":"text/plain","contentDisposition":"inline",` +
		`"contentMD5":"eB5eJF1ptWaXm4bijSPyxw==","mtime":"2026-05-04T12:00:00.123Z","durability":2}` + "\n" +
		`{"name":"sub","type":"directory","mtime":"2026-05-04T12:00:00.123Z"}` + "\n"
	if a := c.do("GET", "/alice/stor/d", ""); a.body != want || a.length != -1 {
		t.Errorf("%v, want %q", a, want)
	}
}

func TestListPages(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	c.mkdir("/alice/stor/d")
	all := []string{"B", "a", "a b", "a.b", "aa", "b", "é"}
	for _, n := range []string{"b", "a", "B", "%C3%A9", "aa", "a.b", "a%20b"} {
		c.put("/alice/stor/d/"+n, "")
	}
	for query, want := range map[string][]string{
		"":                                  all,
		"limit=2":                           all[:2],
		"marker=a%20b":                      all[2:], // inclusive
		"marker=a+b&limit=2":                all[2:4],
		"marker=ab":                         all[5:],
		"limit=1&marker=%C3%A9":             all[6:],
		"marker=zzz&dir=1":                  all[6:],
		"sort_order=reverse&limit=2":        {"é", "b"},
		"sort_order=reverse&marker=aa":      {"aa", "a.b", "a b", "a", "B"},
		"limit=many":                        {},
		"obj=true&limit=1024&type=whatever": all,
	} {
		a := c.wantStatus(200, "GET", "/alice/stor/d?"+query, "")
		if got := a.names(t); !slices.Equal(got, want) || a.header.Get("Result-Set-Size") != "7" {
			t.Errorf("%s: %q of %s, want %q", query, got, a.header.Get("Result-Set-Size"), want)
		}
	}
	for _, limit := range []string{"0", "-1", "1025"} {
		c.wantError(400, "InvalidArgumentError", "GET", "/alice/stor/d?limit="+limit, "")
	}
	c.wantError(403, "QueryParameterForbidden", "GET", "/alice/stor/d?sort=none", "")
	c.wantError(403, "QueryParameterForbidden", "GET", "/alice/stor/d?skip_owner_check=true", "")
}

func TestListByTime(t *testing.T) {
	now := noon
	c := newClient(t, mantatest.Options{Clock: func() time.Time { return now }})
	c.mkdir("/alice/stor/d")
	for _, n := range []string{"c", "a", "b"} {
		c.put("/alice/stor/d/"+n, "")
		now = now.Add(time.Second)
	}
	for query, want := range map[string]string{
		"": "b a c", "&limit=1": "b", "&sort_order=reverse": "c a b", "&marker=2026-05-04T12:00:01.123Z": "a c",
	} {
		if got := strings.Join(c.do("GET", "/alice/stor/d?sort=mtime"+query, "").names(t), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	c.wantError(400, "InvalidParameter", "GET", "/alice/stor/d?sort=mtime&marker=a", "")
}

// TestListDefault checks that a page has 256 entries by default.
func TestListDefault(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	for i := range 300 {
		if _, err := c.srv.PutObject(fmt.Sprintf("/alice/stor/d/%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.do("GET", "/alice/stor/d", "").names(t)); n != 256 {
		t.Errorf("%d", n)
	}
}

// TestListBig checks that a directory whose names are cached is still listed correctly.
func TestListBig(t *testing.T) {
	root := t.TempDir()
	c := newClient(t, mantatest.Options{Root: root})
	var want []string
	put := func(name string) {
		if _, err := c.srv.PutObject("/alice/stor/d/"+name, nil); err != nil {
			t.Fatal(err)
		}
		i, found := slices.BinarySearch(want, name)
		if !found {
			want = slices.Insert(want, i, name)
		}
	}
	check := func(what string) {
		t.Helper()
		var got []string
		for from := ""; ; {
			page := c.do("GET", "/alice/stor/d?limit=1000&marker="+from, "").names(t)
			if len(got) > 0 {
				page = page[1:]
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			from = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d names, want %d", what, len(got), len(want))
		}
	}
	for i := range 1100 {
		put(fmt.Sprintf("%05d", i))
	}
	// The names of a directory that may still be changing are not cached.
	if err := os.Chtimes(filepath.Join(root, "alice/stor/d"), noon, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	check("at first")
	check("from memory")
	put("00500x")
	put("00500x")
	check("one more")
	for _, n := range []string{"00000", "00777", "01099"} {
		if err := c.srv.Remove("/alice/stor/d/" + n); err != nil {
			t.Fatal(err)
		}
		want = slices.DeleteFunc(want, func(w string) bool { return w == n })
	}
	check("three less")
}

// TestListBigReadsOnce checks that a big directory is read from the disk only once, however often
// and by however many clients it is listed.
func TestListBigReadsOnce(t *testing.T) {
	root := t.TempDir()
	c := newClient(t, mantatest.Options{Root: root})
	dir := filepath.Join(root, "alice/stor/d")
	const n = 5000
	for i := range n {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprintf("%05d", i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(dir, noon, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			want := fmt.Sprintf("%05d", 300*i)
			if a := c.do("GET", "/alice/stor/d?limit=2&marker="+want, ""); !strings.HasPrefix(a.body, `{"name":"`+want+`"`) ||
				a.header.Get("Result-Set-Size") != fmt.Sprint(n) {
				t.Errorf("from %s: %v", want, a)
			}
		})
	}
	wg.Wait()
	if reads := c.srv.DirReads(); reads != 1 {
		t.Errorf("it was read %d times", reads)
	}
	// Files created by other programs are listed too.
	if err := os.Mkdir(filepath.Join(dir, "00000x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := c.do("GET", "/alice/stor/d?limit=2", "").names(t); !slices.Equal(got, []string{"00000", "00000x"}) {
		t.Errorf("%q", got)
	}
}

// TestListByTimeOfMany lists a directory by time with more entries than are held at once.
func TestListByTimeOfMany(t *testing.T) {
	root := t.TempDir()
	c := newClient(t, mantatest.Options{Root: root})
	const n = 9000
	for i := range n {
		dir := filepath.Join(root, "alice/stor/d", fmt.Sprintf("%05d", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, noon, noon.Add(time.Duration(i*7919%n)*time.Second)); err != nil { // distinct times
			t.Fatal(err)
		}
	}
	for query, first := range map[string]int{"": n - 1, "&sort_order=reverse": 0} {
		got := c.do("GET", "/alice/stor/d?sort=mtime&limit=3"+query, "").names(t)
		for i, name := range got {
			rank := first - i
			if query != "" {
				rank = first + i
			}
			var number int
			if _, err := fmt.Sscan(strings.TrimLeft(name, "0")+" ", &number); name != "00000" && err != nil || number*7919%n != rank {
				t.Errorf("%q: %s is not the one of rank %d", query, name, rank)
			}
		}
		if len(got) != 3 {
			t.Errorf("%q: %q", query, got)
		}
	}
}

// TestListEndsEarly checks a listing that ends early, as happens on the real server when its
// metadata tier fails midway.
func TestListEndsEarly(t *testing.T) {
	c := newClient(t, mantatest.Options{})
	for _, n := range []string{"a", "b", "c"} {
		if _, err := c.srv.PutObject("/alice/stor/d/"+n, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.srv.Fault(mantatest.On{}, mantatest.EndAfterLines(2))
	if a := c.wantStatus(200, "GET", "/alice/stor/d", ""); !slices.Equal(a.names(t), []string{"a", "b"}) || a.header.Get("Result-Set-Size") != "3" {
		t.Errorf("%v", a)
	}
}
