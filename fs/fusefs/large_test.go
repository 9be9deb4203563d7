package fusefs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thothfs/store/mem"
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

// TestLargeDocumentIsKept checks that reading all attributes and properties of a large document
// fetches it from the catalogue only once, and that a change is still visible.
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
