package manta_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

// startPlain starts a server over a corpus whose directory d has n plain files. It also returns
// their names.
func startPlain(t *testing.T, n int) (*mantatest.Server, *manta.Store, []string) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "alice", "stor", "thoth", "d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%05d", i))
		if err := os.WriteFile(filepath.Join(dir, names[i]), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	srv := mantatest.Start(t, mantatest.Options{Root: root})
	return srv, open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true}), names
}

func list(t *testing.T, s store.Store, dir, from string) ([]string, error) {
	t.Helper()
	var names []string
	for e, err := range s.List(t.Context(), dir, from) {
		if err != nil {
			return names, err
		}
		names = append(names, e.Name)
	}
	return names, nil
}

// TestListRequests checks that listing a directory takes as few requests as possible.
func TestListRequests(t *testing.T) {
	for _, c := range []struct {
		entries  int
		requests int64
	}{{0, 1}, {5, 1}, {1023, 1}, {1024, 3}, {1025, 3}, {2048, 3 + 1}} {
		srv, s, want := startPlain(t, c.entries)
		srv.ResetCounters()
		got, err := list(t, s, "d", "")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d entries: %d, %v", c.entries, len(got), err)
		}
		if n := srv.Counters().Total; n != c.requests {
			t.Errorf("%d entries: %d requests, want %d", c.entries, n, c.requests)
		}
	}
}

// TestListTruncated checks that a listing that ends early but cleanly is never treated as
// complete.
func TestListTruncated(t *testing.T) {
	srv, s, want := startPlain(t, 1100)
	for _, from := range []string{"", "00500", "01099"} {
		rest := want[slices.IndexFunc(want, func(n string) bool { return n >= from }):]
		for _, lines := range []int{0, 300, 1023} {
			for _, nth := range []int{1, 2} {
				remove := srv.Fault(mantatest.On{Method: "GET", Nth: nth, Times: 1}, mantatest.EndAfterLines(lines))
				got, err := list(t, s, "d", from)
				if err != nil || !slices.Equal(got, rest) {
					t.Errorf("from %q, once after %d: %d of %d, %v", from, lines, len(got), len(rest), err)
				}
				remove()
			}
			remove := srv.Fault(mantatest.On{Method: "GET"}, mantatest.EndAfterLines(lines))
			got, err := list(t, s, "d", from)
			if err == nil && !slices.Equal(got, rest) || err != nil && store.Kind(err) != store.ErrUnavailable {
				t.Errorf("from %q, always after %d: %d of %d, %v", from, lines, len(got), len(rest), err)
			}
			remove()
		}
	}
}

// TestListCountedLow checks that entries that were added after Manta counted them are listed
// after a full page.
func TestListCountedLow(t *testing.T) {
	srv, s, want := startPlain(t, 1100)
	srv.Fault(mantatest.On{Method: "GET", Times: 1}, mantatest.WithHeader("Result-Set-Size", "1024"))
	if got, err := list(t, s, "d", ""); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d, %v", len(got), len(want), err)
	}
}

// TestListChanging checks that entries that exist throughout are listed, whatever else is added
// or removed.
func TestListChanging(t *testing.T) {
	srv, s, names := startPlain(t, 3000)
	for name, change := range map[string]func(){
		"last one removed":    func() { remove(t, srv, names[2999]) },
		"many removed":        func() { remove(t, srv, names[:900]...) },
		"added behind":        func() { plant(t, srv, "d/99999", "") },
		"added before":        func() { plant(t, srv, "d/00000a", "") },
		"page end removed":    func() { remove(t, srv, names[1023], names[1024]) },
		"rest removed":        func() { remove(t, srv, names[2000:2999]...) },
		"swapped":             func() { plant(t, srv, "d/00001a", ""); remove(t, srv, names[1500]) },
		"all but two removed": func() { remove(t, srv, names[901:1023]...); remove(t, srv, names[1026:1500]...) },
	} {
		before := listed(t, s)
		srv.ClearFaults()
		srv.Fault(mantatest.On{Method: "GET", Nth: 1, Times: 1}, mantatest.After(change))
		got, err := list(t, s, "d", "")
		srv.ClearFaults()
		if err != nil || !slices.IsSorted(got) {
			t.Errorf("%s: %v", name, err)
		}
		for _, n := range listed(t, s) {
			if slices.Contains(before, n) && !slices.Contains(got, n) {
				t.Errorf("%s: %s was there all the time", name, n)
			}
		}
	}
}

func listed(t *testing.T, s store.Store) []string {
	t.Helper()
	names, err := list(t, s, "d", "")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func remove(t *testing.T, srv *mantatest.Server, names ...string) {
	for _, n := range names {
		_ = srv.Remove(corpus + "d/" + n) // another change may have removed it
	}
}

// TestListStor checks the root, which counts itself as an entry and takes up a place on a page.
func TestListStor(t *testing.T) {
	srv, _ := start(t)
	s := open(t, manta.Options{URL: srv.URL, NoAuth: true, Dir: "/alice/stor"})
	if got, err := list(t, s, "", ""); err != nil || len(got) != 0 {
		t.Errorf("a root that nobody made: %q, %v", got, err)
	}
	if a, err := s.Stat(t.Context(), ""); err != nil || !a.Dir || !a.ModTime.IsZero() {
		t.Errorf("a root that nobody made: %+v, %v", a, err)
	}
	makeRoot(t, srv)
	if got, err := list(t, s, "", ""); err != nil || len(got) != 0 {
		t.Errorf("an empty root: %q, %v", got, err)
	}
	var want []string
	for i := range 1100 {
		want = append(want, fmt.Sprintf("s%05d", i))
		if _, err := srv.PutObject("/alice/stor/"+want[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, last := range []string{"stop", "stuff", "zebra"} {
		want = append(want, last)
		if _, err := srv.PutObject("/alice/stor/"+last, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := list(t, s, "", ""); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d of %d, %v", len(got), len(want), err)
		}
	}
	if got, err := list(t, s, "", "stp"); err != nil || !slices.Equal(got, want[1101:]) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestListBad checks lines that a correct Manta never sends.
func TestListBad(t *testing.T) {
	header := map[string]string{"Content-Type": "application/x-json-stream; type=directory", "Result-Set-Size": "2"}
	good := `{"name":"b","type":"directory","mtime":"2020-01-01T00:00:00.000Z"}` + "\n"
	for body, want := range map[string]error{
		`{"code":"InternalError","message":"sorry"}` + "\n":        store.ErrUnavailable,
		good + `{"name":"c","type":"dir`:                           store.ErrUnavailable,
		good + good:                                                store.ErrCorrupt,
		good + `{"name":"a","type":"directory"}` + "\n":            store.ErrCorrupt,
		`{"name":"a/b","type":"directory"}` + "\n":                 store.ErrCorrupt,
		`{"name":"a\u0000b","type":"directory"}` + "\n":            store.ErrCorrupt,
		`{"name":"","type":"directory"}` + "\n":                    store.ErrCorrupt,
		`{"name":"\xff","type":"directory"}` + "\n":                store.ErrCorrupt,
		"{\"name\":\"a\xff\",\"type\":\"directory\"}\n":            store.ErrCorrupt,
		`{"name":"a","type":"object"}` + "\n":                      store.ErrCorrupt,
		`{"name":"a","type":"object","etag":"x","size":-1}` + "\n": store.ErrCorrupt,
		`{"name":"a","type":"socket"}` + "\n":                      store.ErrCorrupt,
		"\n":                                                       store.ErrCorrupt,
		"[]\n":                                                     store.ErrCorrupt,
	} {
		srv, s := start(t)
		srv.Fault(mantatest.On{}, mantatest.Answer(200, header, body))
		if _, err := list(t, s, "d", ""); store.Kind(err) != want {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
}

// TestTimes checks that Stat and List return the same time, and that a change of metadata changes
// the time but not the version.
func TestTimes(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 987654321, time.UTC)
	srv := mantatest.Start(t, mantatest.Options{Clock: func() time.Time { return now }})
	s := open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true})
	put, err := s.Put(t.Context(), store.Ref{Key: "d/o"}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := now.Truncate(time.Second)
	_, got, err := s.Get(t.Context(), store.Ref{Key: "d/o"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := s.Stat(t.Context(), "d/o")
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range s.List(t.Context(), "d", "") {
		if err != nil || e.ModTime != want {
			t.Errorf("list: %v, %v", e.ModTime, err)
		}
	}
	if put.ModTime != want || got.ModTime != want || stat.ModTime != want {
		t.Errorf("%v, %v, %v, want %v", put.ModTime, got.ModTime, stat.ModTime, want)
	}
}
