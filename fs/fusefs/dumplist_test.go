package fusefs

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// gate delays all parts of the list of all dumps except the first.
type gate struct {
	open chan struct{}
	err  error // error for the second part, once the gate is open
}

func (g *gate) pass(ctx context.Context) error {
	select {
	case <-g.open:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mountGated mounts a corpus whose list has several parts; all but the first are delayed.
func mountGated(t testing.TB, dumps int) (*mounted, *gate) {
	m, g := mountStore(t, manyDumps(dumps), func(o *Options) { o.OpTimeout, o.Grace = time.Hour, time.Millisecond }), &gate{open: make(chan struct{})}
	m.corpus.mu.Lock()
	defer m.corpus.mu.Unlock()
	m.corpus.betweenParts = g.pass
	return m, g
}

// otherNames reads the remaining names.
func otherNames(t testing.TB, dir *os.File) []string {
	t.Helper()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestListingBegins checks that the first dumps are listed while the catalogue is still reading the
// rest.
func TestListingBegins(t *testing.T) {
	const n = 20_000
	m, g := mountGated(t, n)
	var open [2]*os.File // they share one list
	for i := range open {
		dir, err := os.Open(m.path("by-hash"))
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		open[i] = dir
	}
	seen := [2]map[string]bool{{}, {}}
	see := func(i int, names []string) {
		for _, name := range names {
			if seen[i][name] {
				t.Errorf("%s is listed twice", name)
			}
			seen[i][name] = true
		}
	}
	for i := range open {
		b := make([]byte, 1000)
		got, err := unix.Getdents(int(open[i].Fd()), b)
		if err != nil {
			t.Fatal(err)
		}
		for e := range dirents(b[:got]) {
			see(i, []string{e.name})
		}
		if len(seen[i]) < 3 {
			t.Fatalf("only %d names come before all of them have", len(seen[i]))
		}
	}
	close(g.open)
	for i, dir := range open {
		see(i, otherNames(t, dir))
		delete(seen[i], ".")
		delete(seen[i], "..")
		if len(seen[i]) != n {
			t.Errorf("%d of %d dumps are listed", len(seen[i]), n)
		}
	}
	if got := m.corpus.called("all"); got != 1 {
		t.Errorf("the list was made %d times", got)
	}
}

// TestListingFails checks that a listing fails when the catalogue fails midway, and that the next
// listing is complete.
func TestListingFails(t *testing.T) {
	const n = 1000
	m, g := mountGated(t, n)
	g.err = errors.New("disk on fire")
	close(g.open)
	dir, err := os.Open(m.path("by-hash"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if !errors.Is(err, syscall.EIO) || len(names) >= n {
		t.Errorf("%d names, %v; want EIO", len(names), err)
	}
	if _, err := dir.Readdirnames(-1); !errors.Is(err, syscall.EIO) {
		t.Errorf("read on: %v; want EIO", err)
	}
	m.corpus.mu.Lock()
	m.corpus.betweenParts = nil
	m.corpus.mu.Unlock()
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got := len(otherNames(t, dir)); got != n {
		t.Errorf("%d of %d dumps after rewinddir", got, n)
	}
	if got := len(ls(t, m.path("by-hash"))); got != n {
		t.Errorf("%d of %d dumps", got, n)
	}
}

// TestListingStuck checks that a process waiting for the list can be killed, and that an unmount
// does not wait for the list.
func TestListingStuck(t *testing.T) {
	m, _ := mountGated(t, 1000)
	fd, err := unix.Open(m.path("by-hash"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ended := make(chan error, 1)
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := unix.Getdents(fd, b)
			if n <= 0 || err != nil {
				ended <- err
				return
			}
		}
	}()
	eventually(t, "the list to be waited for", func() bool { return m.corpus.called("part") > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var busy *BusyError
	if err := m.Unmount(ctx); err != nil && !errors.As(err, &busy) {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("half a list ended as if it were whole")
	}
}

// TestLookupInTheList checks that names in a list that has been read are looked up in that list, as
// for ls -l, and all others in the catalogue.
func TestLookupInTheList(t *testing.T) {
	const n = 500
	m := mountStore(t, manyDumps(n), func(o *Options) { o.Tree.AttrTimeout = time.Hour })
	names := ls(t, m.path("by-hash"))
	before := m.corpus.called("cached")
	for _, name := range names {
		if fi, err := os.Stat(m.path("by-hash", name)); err != nil || fi.ModTime().Unix() < 1500000000 {
			t.Fatal(fi, err)
		}
	}
	if asked := m.corpus.called("cached") - before; asked > 0 {
		t.Errorf("the catalogue was asked for %d dumps of %d", asked, n)
	}
	for _, name := range []string{hashOf("1"), hashOf("7"), hashOf("f")} {
		if _, err := os.Stat(m.path("by-hash", name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	putDump(t, m.store, hashOf("ffff"), "", nil, `"type": "core"`)
	m.corpus.refresh()
	if _, err := os.Stat(m.path("by-hash", hashOf("ffff"))); err != nil {
		t.Error("a dump that came after the list:", err)
	}
}
