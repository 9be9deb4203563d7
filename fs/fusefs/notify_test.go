package fusefs

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store/mem"
)

// mountForAnHour mounts a store with timeouts of an hour, so that only notifications make a change
// visible.
func mountForAnHour(t testing.TB, fill func(*mem.Store)) *mounted {
	return mountStore(t, fill, func(o *Options) { o.Tree.AttrTimeout = time.Hour })
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestNotify(t *testing.T) {
	m := mountForAnHour(t, threeDumps(t))
	dirs := []string{"by-hash", "by-node", "by-node/n2", "by-ticket", "by-ticket/OS-1", "by-time", "by-time/2013/07/11", "query/type=core", "query/type=core/ticket=undefined"}
	look := func() {
		for _, d := range dirs {
			if exists(m.path(d)) {
				for _, name := range ls(t, m.path(d)) {
					exists(m.path(d, name))
				}
			}
		}
	}
	new := hashOf("77")
	look()
	for _, absent := range []string{"by-hash/" + new, "by-node/n3", "by-ticket/OS-2", "query/type=core/" + new, "query/type=core/ticket=undefined/" + hashA} {
		if exists(m.path(absent)) {
			t.Fatalf("%s is there already", absent)
		}
	}
	shows := func(dir, name string, want bool) {
		t.Helper()
		eventually(t, dir+"/"+name, func() bool {
			return exists(m.path(dir, name)) == want && (!exists(m.path(dir)) || slices.Contains(ls(t, m.path(dir)), name) == want)
		})
	}

	t.Run("a dump appears", func(t *testing.T) {
		putDump(t, m.store, new, "core.n", nil, `"type": "core", "node": "n3", "time": 1373566300`)
		m.corpus.refresh()
		shows("by-hash", new, true)
		shows("by-node", "n3", true)
		shows("by-node/n3", new, true)
		shows("query/type=core", new, true)
		shows("by-time/2013/07/11", new, true)
	})
	t.Run("a ticket moves", func(t *testing.T) {
		look()
		putDump(t, m.store, hashA, "core.node.1", nil, `"cmd": "node", "type": "core", "ticket": "OS-2"`)
		m.corpus.refresh()
		shows("by-ticket", "OS-2", true)
		shows("by-ticket", "OS-1", false)
		shows("by-ticket/OS-2", hashA, true)
		shows("by-time/2013/07/11", hashA, false)
	})
	t.Run("a ticket is unset", func(t *testing.T) {
		putDump(t, m.store, hashA, "core.node.1", nil, `"cmd": "node", "type": "core"`)
		m.corpus.refresh()
		shows("query/type=core/ticket=undefined", hashA, true)
		shows("by-ticket", "OS-2", false)
	})
	t.Run("a dump disappears", func(t *testing.T) {
		look()
		m.store.Delete(new + "/info.json")
		m.corpus.refresh()
		shows("by-hash", new, false)
		shows("by-node", "n3", false)
		shows("query/type=core", new, false)
	})
	t.Run("and comes back", func(t *testing.T) {
		putDump(t, m.store, new, "core.n", []byte("again"), `"type": "core", "node": "n3"`)
		m.corpus.refresh()
		shows("by-hash", new, true)
		shows("by-hash/"+new, "core.n", true)
		if got := read(t, m.path("by-node/n3", new, "core")); got != "again" {
			t.Errorf("holds %q", got)
		}
	})
}

func TestNotifyEverything(t *testing.T) {
	m := mountForAnHour(t, threeDumps(t))
	names := ls(t, m.path("by-hash"))
	for _, n := range names {
		ls(t, m.path("by-hash", n))
	}
	new := hashOf("77")
	if exists(m.path("by-cmd/late")) || exists(m.path("by-hash", hashA, "later")) {
		t.Fatal("there already")
	}
	putDump(t, m.store, new, "", nil, `"cmd": "late"`)
	m.corpus.mu.Lock()
	tell := m.corpus.subscriber
	m.corpus.subscriber = nil
	m.corpus.mu.Unlock()
	m.corpus.refresh()
	tell([]corpus.Change{{}})
	eventually(t, "a new dump in the listing", func() bool { return len(ls(t, m.path("by-hash"))) == len(names)+1 })
}

func TestNotifyManyChanges(t *testing.T) {
	m := mountForAnHour(t, manyDumps(100))
	ls(t, m.path("by-hash"))
	manyDumps(8192 + 500)(m.store)
	m.corpus.refresh()
	eventually(t, "thousands of new dumps", func() bool { return len(ls(t, m.path("by-hash"))) == 8192+500 })
}

// TestNotifyWhileAsking checks that while a lookup in a directory waits for the store, lookups that
// do not need the store continue, even during an invalidation, and that the invalidation takes
// effect.
func TestNotifyWhileAsking(t *testing.T) {
	unknown, _ := dump.ParseID(hashOf("abcd"))
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	defer let()
	m := mountStore(t, manyDumps(50), func(o *Options) {
		o.Tree.AttrTimeout = time.Hour
		o.Tree.Corpus = &slowDump{o.Tree.Corpus.(*plainCorpus), unknown, sync.OnceFunc(func() { close(asked) }), release}
	})
	known, fresh := m.corpus.all(), hashOf("77")
	if exists(m.path("by-hash", fresh)) || !exists(m.path("by-hash", known[0].ID.String())) {
		t.Fatal("not as it should be at first")
	}
	gone := make(chan struct{})
	go func() { defer close(gone); exists(m.path("by-hash", unknown.String())) }() // ends on let
	<-asked
	putDump(t, m.store, fresh, "core.x", []byte("x"), `"type": "core"`)
	m.corpus.refresh()
	time.Sleep(100 * time.Millisecond) // long enough to detect an invalidation that waits for the lookup
	seen := make(chan bool, 1)
	go func() { seen <- exists(m.path("by-hash", known[1].ID.String())) }()
	select {
	case ok := <-seen:
		if !ok {
			t.Error("a known dump is not there")
		}
	case <-time.After(2 * time.Second):
		t.Error("the lookup of a known dump waits for that of an unknown one")
	}
	let()
	<-gone
	eventually(t, "the new dump", func() bool { return exists(m.path("by-hash", fresh)) })
}

// slowDump blocks Dump for one dump until release is closed.
type slowDump struct {
	*plainCorpus
	id      dump.ID
	asked   func()
	release chan struct{}
}

func (c *slowDump) Dump(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	if id == c.id {
		c.asked()
		<-c.release
	}
	return c.plainCorpus.Dump(ctx, id)
}

// TestSetxattrNotifiesOnce checks that a setxattr invalidates only once although it is reported
// twice.
func TestSetxattrNotifiesOnce(t *testing.T) {
	m := mountForAnHour(t, threeDumps(t))
	count := func() int {
		m.b.invalidations.mu.Lock()
		defer m.b.invalidations.mu.Unlock()
		return m.b.invalidations.count
	}
	for n := range 3 {
		before := count()
		if err := unix.Setxattr(m.path("by-hash", hashA), "user.thoth.ticket", []byte{'A' + byte(n)}, 0); err != nil {
			t.Fatal(err)
		}
		if got := count() - before; got != 1 {
			t.Errorf("%d changes were invalidated", got)
		}
	}
	putDump(t, m.store, hashA, "core.node.1", nil, `"cmd": "node", "type": "core", "ticket": "C"`)
	before := count()
	m.corpus.refresh()
	if got := count() - before; got != 1 {
		t.Errorf("%d changes by another client were invalidated", got)
	}
}

// TestNotifyStat checks that a change of the document by another client is visible in the first
// stat after the corpus has noticed it.
func TestNotifyStat(t *testing.T) {
	m := mountForAnHour(t, threeDumps(t))
	size := func() int64 {
		fi, err := os.Stat(m.path("by-hash", hashA, "info.json"))
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	before := size()
	putDump(t, m.store, hashA, "core.node.1", nil, `"cmd": "node", "type": "core", "ticket": "a much longer ticket than it had, to be seen in the size of the document"`)
	m.corpus.refresh()
	eventually(t, "another size", func() bool { return size() != before })
}
