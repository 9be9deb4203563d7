package fs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
)

// manyProperties returns a document with n properties.
func manyProperties(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"type": "core", "properties": {"first": 1`)
	for i := range n {
		fmt.Fprintf(&b, `, "p%d": "v%[1]d"`, i)
	}
	b.WriteString("}}")
	return []byte(b.String())
}

// TestListxattrOfALargeDocument checks that listing the attributes takes time proportional to the
// size of the document.
func TestListxattrOfALargeDocument(t *testing.T) {
	perProperty := func(n int) float64 {
		text := manyProperties(n)
		return testing.AllocsPerRun(1, func() {
			if xattrList(document.Parse(text)) == "" {
				t.Error("nothing is listed")
			}
		}) / float64(n)
	}
	if few, many := perProperty(500), perProperty(8000); many > 3*few {
		t.Errorf("%.0f allocations for each of 500 properties, %.0f of 8000", few, many)
	}
}

func TestDocumentCache(t *testing.T) {
	var k documentCache
	large := document.Parse(append([]byte(`{"x": 1}`), make([]byte, 1<<20)...))
	now := time.Now()
	var last *corpus.Dump
	for i := range 40 {
		last = &corpus.Dump{ID: dump.ID{byte(i)}, Doc: large}
		k.add(last, 1, now)
		k.add(last, 2, now)
	}
	if n := len(k.list); n == 0 || n > documentCacheSize>>20 {
		t.Errorf("%d documents of a MiB are cached", n)
	}
	for _, tt := range []struct {
		generation uint64
		since      time.Time
		want       bool
	}{{2, now, true}, {2, time.Time{}, true}, {1, now, false}, {2, now.Add(time.Second), false}} {
		if got := k.find(last.ID, tt.generation, tt.since); (got == last) != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// TestExamineIsInterrupted checks that a caller waiting for a large document can be interrupted.
func TestExamineIsInterrupted(t *testing.T) {
	tr := &Tree{workers: newWorkers()}
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := tr.examine(ctx, document.Parse(manyProperties(2000)), func() (string, bool) { <-release; return "", true }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	looked := false
	if _, _, err := tr.examine(t.Context(), document.Parse([]byte("{}")), func() (string, bool) { looked = true; return "", true }); err != nil || !looked {
		t.Error(err, looked)
	}
	tr.workers.stop()
}
