package fusefs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/store/mem"
)

func manyDumps(n int) func(*mem.Store) {
	return func(s *mem.Store) {
		for i := range n {
			id := fmt.Sprintf("%08x%024d", i*2654435761%(1<<32), i)
			s.Set(id+"/info.json", fmt.Appendf(nil, `{"cmd": "c%d", "type": "core", "time": %d}`, i%3, 1500000000+i))
		}
	}
}

func TestListingMakesNoNodes(t *testing.T) {
	const n = 10000
	m := mountStore(t, manyDumps(n), nil)
	for _, dir := range []string{"by-hash", "by-type/core"} {
		before := m.b.nodes.made.Load()
		if got := len(ls(t, m.path(dir))); got != n {
			t.Errorf("%s lists %d", dir, got)
		}
		if made := m.b.nodes.made.Load() - before; made > n/10 {
			t.Errorf("%s made %d nodes", dir, made)
		}
	}
	if m.corpus.called("dump")+m.corpus.called("files") > 0 {
		t.Error("listing asked the store")
	}
	for range 3 {
		ls(t, m.path("by-hash"))
	}
	if all, some := m.corpus.called("all"), m.corpus.called("select"); all > 1 || some > 1 {
		t.Errorf("%d lists of all dumps and %d selections for one directory each", all, some)
	}
}

// position is a name in a directory, as read with getdents(2).
type position struct {
	name string
	next int64 // position after the entry
}

func positions(t testing.TB, fd, buf int) []position {
	t.Helper()
	var all []position
	b := make([]byte, buf)
	for {
		n, err := unix.Getdents(fd, b)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return all
		}
		for e := range dirents(b[:n]) {
			all = append(all, position{e.name, e.next})
		}
	}
}

func TestSeekdir(t *testing.T) {
	m := mountStore(t, manyDumps(2000), nil)
	for _, dir := range []string{"by-hash", "by-type/core", "by-cmd", ""} {
		t.Run(dir, func(t *testing.T) {
			fd, err := unix.Open(m.path(dir), unix.O_RDONLY|unix.O_DIRECTORY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			whole := positions(t, fd, 8<<10)
			if whole[0].name != "." || whole[1].name != ".." {
				t.Errorf("begins with %v", whole[:2])
			}
			for _, i := range []int{0, 1, 2, len(whole) / 2, len(whole) - 1} {
				if _, err := unix.Seek(fd, whole[i].next, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if got := positions(t, fd, 1<<10); !slices.Equal(got, whole[i+1:]) {
					t.Errorf("after entry %d: %d entries, want %d", i, len(got), len(whole)-i-1)
				}
			}
			if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if got := positions(t, fd, 64<<10); !slices.Equal(got, whole) {
				t.Errorf("rewound: %d entries, want %d", len(got), len(whole))
			}
		})
	}
}

func TestRewindSeesChanges(t *testing.T) {
	m := mountStore(t, manyDumps(10), nil)
	f, err := os.Open(m.path("by-type/core"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names, _ := f.Readdirnames(-1); len(names) != 10 {
		t.Fatalf("%d names", len(names))
	}
	putDump(t, m.store, hashOf("ffff"), "", nil, `"type": "core"`)
	m.corpus.refresh()
	eventually(t, "the new dump after rewinddir", func() bool {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		names, _ := f.Readdirnames(-1)
		return len(names) == 11
	})
}

func TestInodeNumbers(t *testing.T) {
	fill := threeDumps(t)
	m, again := mountStore(t, fill, nil), mountStore(t, fill, nil)
	ino := func(path string) uint64 {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	seen := map[uint64]string{}
	filepath.WalkDir(m.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
			return nil
		}
		n := ino(path)
		if other, ok := seen[n]; ok {
			t.Errorf("%s and %s have number %d", path, other, n)
		}
		seen[n] = path
		rel, _ := filepath.Rel(m.dir, path)
		if there := ino(again.path(rel)); there != n {
			t.Errorf("%s is %d, on another mount %d", rel, n, there)
		}
		if d.IsDir() {
			checkDirents(t, path, ino)
		}
		return nil
	})
	if a, b := ino(m.path("by-cmd/node", hashA)+"/."), ino(m.path("by-hash", hashA)); a != b {
		t.Errorf("one dump is %d and %d", a, b)
	}
}

// checkDirents compares the inode numbers of a listing with those of stat.
func checkDirents(t testing.TB, dir string, ino func(string) uint64) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	b := make([]byte, 64<<10)
	n, err := unix.Getdents(fd, b)
	if err != nil {
		t.Fatal(err)
	}
	for e := range dirents(b[:n]) {
		if is := ino(filepath.Join(dir, e.name)); e.number != is && e.name != ".." {
			t.Errorf("%s/%s is listed as %d, is %d", dir, e.name, e.number, is)
		}
	}
}

// TestWalkIsForgotten checks that a walk over a great many dumps does not keep a node for each.
func TestWalkIsForgotten(t *testing.T) {
	const most = 4000
	m := mountStore(t, manyDumps(most*3/2), func(o *Options) { o.Tree.AttrTimeout = time.Hour })
	m.b.nodes.mu.Lock()
	if m.b.nodes.max != maxNodes {
		t.Errorf("%d nodes are kept", m.b.nodes.max)
	}
	m.b.nodes.max = most
	m.b.nodes.mu.Unlock()
	for _, d := range m.corpus.all() {
		if !exists(m.path("by-hash", d.ID.String())) {
			t.Fatal(d.ID)
		}
	}
	eventually(t, "the oldest to be forgotten", func() bool {
		return len(m.b.nodes.root.GetChild("by-hash").Children()) <= most
	})
}
