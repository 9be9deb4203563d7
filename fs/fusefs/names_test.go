package fusefs

import (
	"os"
	"testing"

	"thothfs/store/mem"
)

// TestKnownLinksAreNotLookedUp checks that the kernel caches the links of a view that no edit can
// change, even after other edits, and that it looks up each link in a view that an edit can change.
func TestKnownLinksAreNotLookedUp(t *testing.T) {
	m := mountForAnHour(t, manyDumps(20))
	lookups := func(dir string) int64 {
		t.Helper()
		names := ls(t, m.path(dir))
		if len(names) == 0 {
			t.Fatalf("%s is empty", dir)
		}
		before := stat(m.b, "fs.lookups")
		for _, name := range names {
			if _, err := os.Stat(m.path(dir, name, "info.json")); err != nil {
				t.Error(err)
			}
		}
		return stat(m.b, "fs.lookups") - before
	}
	for _, dir := range []string{"query/type=core", "query/type=core/ticket=undefined"} {
		lookups(dir)
		generation := m.corpus.Generation()
		putDump(t, m.store, m.corpus.all()[0].ID.String(), "", nil, `"type": "core", "cmd": "`+itoa(int(generation))+`"`)
		m.corpus.refresh()
		n := lookups(dir)
		if settled := dir == "query/type=core"; settled != (n == 0) {
			t.Errorf("%s: %d lookups in what is known", dir, n)
		}
	}
}

// TestNodesKnowThatTheirNameHasGone checks that stat of a node whose name is gone fails, and works
// again when the name comes back. While the corpus does not change, the catalogue must not be
// queried.
func TestNodesKnowThatTheirNameHasGone(t *testing.T) {
	m := mountStore(t, func(s *mem.Store) { s.Set(hashA+"/info.json", []byte(`{"cmd": "x", "time": 1}`)) }, nil)
	paths := []string{m.path("by-cmd/x"), m.path("by-cmd/x", hashA), m.path("by-time/1970"), m.path("by-time/1970/01"), m.path("by-time/1970/01/01")}
	all := func(want bool) {
		t.Helper()
		for _, p := range paths {
			eventually(t, p, func() bool { return exists(p) == want })
		}
	}
	all(true)
	for _, there := range []bool{false, true} {
		doc := `{"cmd": "y", "time": 1e9}`
		if there {
			doc = `{"cmd": "x", "time": 2}`
		}
		m.store.Set(hashA+"/info.json", []byte(doc))
		m.corpus.refresh()
		all(there)
	}
	eventually(t, "the link's new time", func() bool {
		fi, err := os.Lstat(paths[1])
		return err == nil && fi.ModTime().Unix() == 2
	})
	asked := m.corpus.called("values")
	all(true)
	if n := m.corpus.called("values") - asked; n != 0 {
		t.Errorf("%d questions for the values of a corpus that did not change", n)
	}
}
