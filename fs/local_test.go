package fs

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

// mountAny mounts the real catalogue of a store, synced once.
func mountAny(t testing.TB, s store.Store, blocks Blocks) string {
	t.Helper()
	c, mountpoint := mountCorpus(t, s, blocks)
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return mountpoint
}

// mountCorpus mounts the real catalogue of a store, which knows nothing yet. Every
// Sync looks at every document.
func mountCorpus(t testing.TB, s store.Store, blocks Blocks) (*corpus.Corpus, string) {
	t.Helper()
	needFUSE(t)
	log := slog.New(slog.DiscardHandler)
	c, err := corpus.Open(t.Context(), corpus.Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: t.TempDir(), AttrTimeout: time.Nanosecond, Revalidate: time.Nanosecond, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	mountpoint := t.TempDir()
	server, err := Mount(mountpoint, Options{Corpus: c, Cache: blocks, Store: s, AttrTimeout: time.Nanosecond, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c, mountpoint
}

// putFile lays a dump out as a directory of a local corpus.
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

// A local object is replaced, or written to in place, under a reader.
func TestLocalReplaced(t *testing.T) {
	for name, replace := range map[string]func(file string, data []byte) error{
		"replaced": func(file string, data []byte) error {
			return errors.Join(os.WriteFile(file+".new", data, 0o600), os.Rename(file+".new", file))
		},
		"in place": func(file string, data []byte) error { return os.WriteFile(file, data, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			root, first, second := t.TempDir(), noise(1, 4<<20), noise(2, 4<<20+1)
			file := putFile(t, root, hashA, "core.x", first)
			there := filepath.Join(mountDir(t, root), "by-hash", hashA, "core")
			old := mustOpen(t, there)
			head := make([]byte, 4096)
			if _, err := old.ReadAt(head, 0); err != nil {
				t.Fatal(err)
			}
			if err := replace(file, second); err != nil {
				t.Fatal(err)
			}
			if got := read(t, there); got != string(second) {
				t.Error("a new open does not see the new version")
			}
			_, err := io.ReadFull(io.NewSectionReader(old, 3<<20, 4096), head)
			if !errors.Is(err, syscall.ESTALE) && (err != nil || !bytes.Equal(head, first[3<<20:3<<20+4096])) {
				t.Errorf("the old handle is neither stale nor right: %v", err)
			}
		})
	}
}
