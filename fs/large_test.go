package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"thothfs/dump/document"
	"thothfs/store/mem"
)

// manyProperties is a document with n properties.
func manyProperties(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"type": "core", "properties": {"first": 1`)
	for i := range n {
		fmt.Fprintf(&b, `, "p%d": "v%[1]d"`, i)
	}
	b.WriteString("}}")
	return []byte(b.String())
}

// To list the attributes takes a time that grows with the document, not with its square.
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

// Who reads all attributes and properties of a large document has it read from the
// catalogue once; a change shows all the same.
func TestLargeDocumentIsKept(t *testing.T) {
	const n = 2000
	m := mountForAnHour(t, func(s *mem.Store) { s.Set(hashA+"/info.json", manyProperties(n)) })
	dir := m.path("by-hash", hashA)
	calls := func() int { return m.corpus.called("dump") + m.corpus.called("cached") }
	names := ls(t, dir+"/properties")
	if len(names) != n+1 {
		t.Fatalf("%d properties are listed", len(names))
	}
	before := calls()
	value := make([]byte, 100)
	for _, name := range names[:300] {
		if _, err := os.Stat(dir + "/properties/" + name); err != nil {
			t.Error(err)
		}
		if got := read(t, dir+"/properties/"+name); got != "v"+name[1:]+"\n" && name != "first" {
			t.Errorf("%s holds %q", name, got)
		}
		if _, err := unix.Getxattr(dir, "user.thoth.properties."+name, value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if made := calls() - before; made > 10 {
		t.Errorf("the document was asked for %d times", made)
	}
	if err := unix.Setxattr(dir, "user.thoth.properties.p7", []byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir+"/properties/p7"); got != "new\n" {
		t.Errorf("after an edit: %q", got)
	}
	if got, err := unix.Getxattr(dir, "user.thoth.properties.p7", value); err != nil || string(value[:got]) != "new" {
		t.Errorf("after an edit: %q, %v", value[:got], err)
	}
}

func TestKeptDocs(t *testing.T) {
	c := newPlainCorpus(mustStore())
	var k keptDocs
	for i := range 40 {
		hash := hashOf(fmt.Sprintf("%02d", i))
		c.store.Set(hash+"/info.json", append([]byte(`{"x": 1}`), make([]byte, 1<<20)...))
	}
	c.refresh()
	all := c.all()
	now := time.Now()
	for _, d := range all {
		k.keep(d, 1, now)
		k.keep(d, 2, now)
	}
	if n := len(k.list); n == 0 || n > maxKeptBytes>>20 {
		t.Errorf("%d documents of a MiB are kept", n)
	}
	last := all[len(all)-1]
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

// Who waits for a look at a large document can be interrupted.
func TestExamineIsInterrupted(t *testing.T) {
	tr := &tree{background: newBackground()}
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.examine(ctx, document.Parse(manyProperties(2000)), func() { <-release }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	looked := false
	if err := tr.examine(t.Context(), document.Parse([]byte("{}")), func() { looked = true }); err != nil || !looked {
		t.Error(err, looked)
	}
	tr.background.stop()
}
