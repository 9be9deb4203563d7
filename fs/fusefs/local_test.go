package fusefs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/corpus"
	"thothfs/fs"
	"thothfs/store"
	"thothfs/store/dir"
)

// mountDir mounts a corpus in a local directory, which is read without a cache.
func mountDir(t testing.TB, root string) string {
	t.Helper()
	needFUSE(t)
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return mountAny(t, s, nil)
}

// mountAny mounts a store with a real catalogue, synced once.
func mountAny(t testing.TB, s store.Store, blocks fs.Blocks) string {
	t.Helper()
	c, mountpoint := mountCorpus(t, s, blocks)
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return mountpoint
}

// mountCorpus mounts a store with a real, empty catalogue. Every Sync reads every document.
func mountCorpus(t testing.TB, s store.Store, blocks fs.Blocks) (*corpus.Corpus, string) {
	t.Helper()
	m := mountWith(t, s, Options{Tree: fs.Options{Cache: blocks}})
	return m.corpus, m.mountpoint
}

// realMount is a mount with a real catalogue.
type realMount struct {
	corpus     *corpus.Corpus
	mountpoint string
	server     *Server
}

// passes reports whether passthrough works on the mount.
func (m *realMount) passes() bool { return m.server.b.passthrough.on.Load() }

// passed returns the number of passthrough opens.
func (m *realMount) passed() int64 { return m.server.b.passthrough.opens.Load() }

// mountWith mounts a store with a real, empty catalogue.
func mountWith(t testing.TB, s store.Store, o Options) *realMount {
	t.Helper()
	needFUSE(t)
	log := slog.New(slog.DiscardHandler)
	c, err := corpus.Open(t.Context(), corpus.Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: t.TempDir(), AttrTimeout: time.Nanosecond, Revalidate: time.Nanosecond, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	mountpoint := t.TempDir()
	o.Tree.Corpus, o.Tree.Store, o.Tree.AttrTimeout, o.Tree.Log = c, s, time.Nanosecond, log
	server, err := Mount(mountpoint, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &realMount{c, mountpoint, server}
}

// putFile writes a dump to a directory of a local corpus.
func putFile(t testing.TB, root, hash, object string, content []byte) string {
	t.Helper()
	d := filepath.Join(root, hash)
	if err := os.MkdirAll(d, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(d, object)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	doc := `{"dump": "/u/stor/thoth/` + hash + `/` + object + `", "type": "core", "cmd": "x", "properties": {}}`
	if err := os.WriteFile(filepath.Join(d, "info.json"), []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLocalRead(t *testing.T) {
	root, content := t.TempDir(), noise(5, 3<<20+5)
	file := putFile(t, root, hashA, "core.x", content)
	mnt := mountDir(t, root)
	if got := read(t, filepath.Join(mnt, "by-cmd/x", hashA, "core")); got != string(content) {
		t.Error("the dump is another")
	}
	var there, here unix.Stat_t
	if err := errors.Join(unix.Stat(filepath.Join(mnt, "by-hash", hashA, "core.x"), &there), unix.Stat(file, &here)); err != nil {
		t.Fatal(err)
	}
	if there.Blocks != here.Blocks || there.Mtim != here.Mtim || there.Size != here.Size {
		t.Errorf("stat: %+v, of the file itself %+v", there, here)
	}
}

func TestLocalHoles(t *testing.T) {
	root := t.TempDir()
	file := putFile(t, root, hashA, "core.x", nil)
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("end"), 8<<20); err != nil {
		t.Fatal(err)
	}
	mnt := mountDir(t, root)
	there, err := os.Open(filepath.Join(mnt, "by-hash", hashA, "core"))
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	for _, whence := range []int{unix.SEEK_DATA, unix.SEEK_HOLE} {
		for _, off := range []int64{0, 1 << 20, 8 << 20, 8<<20 + 3} {
			want, werr := unix.Seek(int(mustOpen(t, file).Fd()), off, whence)
			got, err := unix.Seek(int(there.Fd()), off, whence)
			if got != want && err == nil || !errors.Is(err, werr) {
				t.Errorf("seek %d, %d: %d, %v; the file itself %d, %v", off, whence, got, err, want, werr)
			}
		}
	}
}

func mustOpen(t testing.TB, name string) *os.File {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestLocalReplaced replaces a local object while it is being read.
func TestLocalReplaced(t *testing.T) {
	root, first, second := t.TempDir(), noise(1, 4<<20), noise(2, 4<<20+1)
	file := putFile(t, root, hashA, "core.x", first)
	there := filepath.Join(mountDir(t, root), "by-hash", hashA, "core")
	old := mustOpen(t, there)
	if err := errors.Join(os.WriteFile(file+".new", second, 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, there); got != string(second) {
		t.Error("a new open does not see the new version")
	}
	got := make([]byte, len(first))
	if _, err := old.ReadAt(got, 0); err != nil || !bytes.Equal(got, first) {
		t.Errorf("the old handle has other bytes: %v", err)
	}
}

// TestLocalWrittenInPlace overwrites a local object in place while it is being read, which thothfs
// itself never does. Reads through this process must fail; passthrough reads show the new bytes.
func TestLocalWrittenInPlace(t *testing.T) {
	for name, through := range map[string]bool{"through us": true, "as it comes": false} {
		t.Run(name, func(t *testing.T) {
			root, first, second := t.TempDir(), noise(1, 4<<20), noise(2, 4<<20+1)
			file := putFile(t, root, hashA, "core.x", first)
			s, err := dir.Open(root)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			m := mountWith(t, s, Options{NoPassthrough: through})
			there := filepath.Join(m.mountpoint, "by-hash", hashA, "core")
			old := mustOpen(t, there)
			if _, err := old.ReadAt(make([]byte, 4096), 0); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, second, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := read(t, there); got != string(second) {
				t.Error("a new open does not see the new version")
			}
			got := make([]byte, 4096)
			_, err = io.ReadFull(io.NewSectionReader(old, 3<<20, 4096), got)
			switch {
			case m.passes() && err == nil && bytes.Equal(got, second[3<<20:3<<20+4096]):
			case !m.passes() && errors.Is(err, syscall.ESTALE):
			case err == nil && bytes.Equal(got, first[3<<20:3<<20+4096]): // from the page cache
			default:
				t.Errorf("neither stale nor what was or is there: %v", err)
			}
		})
	}
}
