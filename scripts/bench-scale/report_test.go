package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPolls(t *testing.T) {
	w := &watch{requests: map[string][]seenRequest{}}
	w.begin("a")
	at := time.Unix(0, 0)
	for _, ms := range []int{0, 20, 40, 2000, 2020, 4100, 4120, 4140, 4160, 6100} {
		w.requests["a"] = append(w.requests["a"], seenRequest{at.Add(time.Duration(ms) * time.Millisecond), ms == 4140})
	}
	got := w.polls("a", time.Second)
	want := []poll{{at, 3, false}, {at.Add(2 * time.Second), 2, false}, {at.Add(4100 * time.Millisecond), 4, true}, {at.Add(6100 * time.Millisecond), 1, false}}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if idle, listing := sortPolls(got); !slices.Equal(idle, want[1:2]) || !slices.Equal(listing, want[2:3]) || most(got) != 4 {
		t.Errorf("%v, %v", idle, listing)
	}
	if all := w.polls("b", time.Second); len(all) != 0 {
		t.Errorf("%v", all)
	}
	w.begin("b")
	for _, target := range []string{"GET /thoth/stor/thoth?limit=1024", "HEAD /thoth/stor/thoth", "GET /thoth/stor/thoth/.thothfs/changes"} {
		method, path, _ := strings.Cut(target, " ")
		r := httptest.NewRequest(method, path, nil)
		for _, r.Host = range []string{"b", "c"} {
			w.note(r)
		}
	}
	if b := w.requests["b"]; len(b) != 3 || !b[0].lists || b[1].lists || b[2].lists || w.requests["c"] != nil {
		t.Errorf("%v", w.requests)
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	doc := filepath.Join(dir, "doc.md")
	if err := os.WriteFile(doc, []byte("a\n<!-- scale: begin -->\nold\n<!-- scale: end -->\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &report{Time: time.Unix(0, 0).UTC(), Latency: "20ms", Mbit: 500, Results: []Result{
		{Dumps: 100, Step: stepList, Thothfs: 5, Plain: 2.5, Lines: 100},
		{Dumps: 100, Step: stepIdle, Count: 3},
		{Dumps: million, Step: stepList, Thothfs: 1234.5, Plain: 300, Lines: million},
		{Dumps: million, Step: stepResident, Bytes: 200 << 20},
		{Dumps: million, Step: stepScan, Note: "n", Error: "a|b\nc"},
	}}
	if err := r.write(filepath.Join(dir, "out"), doc); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| step | target | 100 dumps | plain | 1000000 dumps | plain |\n|---|--:|--:|--:|--:|--:|\n",
		"| ls -U by-hash | 1500 | 5.0 | 2.5 | 1234 | 300 |\n",
		"| " + stepIdle + " | 3 | 3 |  |  |  |\n",
		"| 100 | ls -U by-hash | 5.0 | 2.5 |  | 100 |  |  |\n",
		"| 1000000 | " + stepResident + " | 200 MiB |  | 256 MiB |  |  |  |\n",
		"| 1000000 | " + stepScan + ` | failed |  | 8000 |  |  | n; failed: a\|b |` + "\n",
		"<!-- scale: end -->\nb\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("%s", text)
	}
	if saved, err := os.ReadFile(filepath.Join(dir, "out", "scale.md")); err != nil || !strings.Contains(string(text), string(saved)) {
		t.Errorf("%v: %s", err, saved)
	}
}
