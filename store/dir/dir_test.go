package dir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/storetest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}

// Names cannot be "." or "..", nor longer than 255 bytes.
var features = storetest.Features{NoDotNames: true, NoLongNames: true, NoMD5: true, Entries: 600}

func open(t *testing.T) (*dir.Store, string) {
	t.Helper()
	root := t.TempDir()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, root
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { s, _ := open(t); return s }, features)
}

func put(t *testing.T, s store.Store, old store.Ref, data string) store.Ref {
	t.Helper()
	attr, err := s.Put(t.Context(), old, bytes.NewReader([]byte(data)), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return store.Ref{Key: old.Key, ETag: attr.ETag}
}

func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want %v", err, kind)
	}
}

func list(t *testing.T, s store.Store, key string) (names []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), key, "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name)
	}
	return names
}

func TestOpen(t *testing.T) {
	root := filepath.Join(t.TempDir(), "new", "corpus")
	if _, err := dir.Open(root); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	s, err := dir.Create(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if fi, err := os.Stat(root); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi, err)
	}
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Open(file); err == nil {
		t.Error("a file was opened as a corpus")
	}
}

func TestNewFilesArePrivate(t *testing.T) {
	s, root := open(t)
	put(t, s, store.Ref{Key: "d/e/o"}, "data")
	for path, want := range map[string]os.FileMode{"d": 0o700, "d/e": 0o700, "d/e/o": 0o600, ".thothfs/tmp": 0o700} {
		fi, err := os.Stat(filepath.Join(root, path))
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, fi.Mode(), err, want)
		}
	}
}

func TestOwnFolderIsHidden(t *testing.T) {
	s, _ := open(t)
	put(t, s, store.Ref{Key: "d/o"}, "data")
	if got := list(t, s, ""); !slices.Equal(got, []string{"d"}) {
		t.Errorf("list: %q", got)
	}
	for _, key := range []string{".thothfs", ".thothfs/tmp", ".thothfs/tmp/x"} {
		_, err := s.Stat(t.Context(), key)
		wantKind(t, err, store.ErrNotExist)
		wantKind(t, s.Remove(t.Context(), store.Ref{Key: key}), store.ErrNotExist)
		_, err = s.Put(t.Context(), store.Ref{Key: key}, bytes.NewReader(nil), 0)
		wantKind(t, err, store.ErrInvalid)
	}
	put(t, s, store.Ref{Key: "d/.thothfs"}, "only at the top")
	put(t, s, store.Ref{Key: ".thothfs/changes/1"}, "an object of thothfs's own")
	if got := list(t, s, ".thothfs/changes"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("list: %q", got)
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"d"}) {
		t.Errorf("list: %q", got)
	}
}

// TestChangedInPlace checks that a file that is changed in place, in any way, is a new version.
func TestChangedInPlace(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"written": func(path string) error { return os.WriteFile(path, []byte("DATA"), 0o600) },
		"written, mtime set back": func(path string) error {
			fi, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, []byte("DATA"), 0o600), os.Chtimes(path, fi.ModTime(), fi.ModTime()))
		},
		"truncated": func(path string) error { return os.Truncate(path, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			s, root := open(t)
			ref := put(t, s, store.Ref{Key: "d/o"}, "data")
			if err := change(filepath.Join(root, "d/o")); err != nil {
				t.Fatal(err)
			}
			_, err := s.ReadAt(t.Context(), ref, make([]byte, 4), 0)
			wantKind(t, err, store.ErrStale)
			_, err = s.Put(t.Context(), ref, bytes.NewReader(nil), 0)
			wantKind(t, err, store.ErrConflict)
			wantKind(t, s.Remove(t.Context(), ref), store.ErrConflict)
		})
	}
}

func TestSymlinks(t *testing.T) {
	s, root := open(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	ref := put(t, s, store.Ref{Key: "d/o"}, "data")
	for name, target := range map[string]string{
		"abs": secret, "dots": "../../" + filepath.Base(outside) + "/secret", "absdir": outside, "dangling": "nowhere", "loop": "loop",
		"in": "o", "indir": "../d",
	} {
		if err := os.Symlink(target, filepath.Join(root, "d", name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, s, "d"); !slices.Equal(got, []string{"in", "indir", "o"}) {
		t.Errorf("listed: %q", got)
	}
	for key, want := range map[string]error{
		"d/abs": store.ErrPermission, "d/dots": store.ErrPermission, "d/absdir/secret": store.ErrPermission,
		"d/dangling": store.ErrNotExist, "d/loop": store.ErrInvalid, "d/indir": store.ErrInvalid,
	} {
		_, _, err := s.Get(t.Context(), store.Ref{Key: key}, 100)
		wantKind(t, err, want)
		_, err = s.OpenLocal(t.Context(), store.Ref{Key: key, ETag: ref.ETag})
		wantKind(t, err, want)
	}
	for _, key := range []string{"d/in", "d/indir/o"} {
		if data, _, err := s.Get(t.Context(), store.Ref{Key: key}, 100); string(data) != "data" {
			t.Errorf("%s: %q, %v", key, data, err)
		}
	}
	for _, key := range []string{"d/absdir/new", "d/dangling/new"} {
		if _, err := s.Put(t.Context(), store.Ref{Key: key}, bytes.NewReader(nil), 0); err == nil {
			t.Errorf("%s was stored", key)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Errorf("outside: %v, %v", left, err)
	}
}

// TestSpecialFiles checks that special files are not opened: open(2) of a pipe without a writer
// would block forever.
func TestSpecialFiles(t *testing.T) {
	s, root := open(t)
	put(t, s, store.Ref{Key: "d/o"}, "data")
	if err := unix.Mkfifo(filepath.Join(root, "d", "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, err := s.Stat(ctx, "d/fifo")
	wantKind(t, err, store.ErrInvalid)
	_, _, err = s.Get(ctx, store.Ref{Key: "d/fifo"}, 100)
	wantKind(t, err, store.ErrInvalid)
	_, err = s.ReadAt(ctx, store.Ref{Key: "d/fifo", ETag: "x"}, make([]byte, 1), 0)
	wantKind(t, err, store.ErrInvalid)
	for _, etag := range []string{"", "x"} {
		_, err = s.Put(ctx, store.Ref{Key: "d/fifo", ETag: etag}, bytes.NewReader(nil), 0)
		wantKind(t, err, store.ErrInvalid)
	}
	wantKind(t, s.Remove(ctx, store.Ref{Key: "d/fifo"}), store.ErrInvalid)
	if got := list(t, s, "d"); !slices.Equal(got, []string{"o"}) {
		t.Errorf("listed: %q", got)
	}
}

func TestZerosBecomeHoles(t *testing.T) {
	s, root := open(t)
	data := make([]byte, 8<<20+100)
	copy(data[3<<20+5000:], "in the middle")
	put(t, s, store.Ref{Key: "d/o"}, string(data))
	path := filepath.Join(root, "d/o")
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("content differs, %v", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes on disk, %v", st.Blocks*512, err)
	}
}

// TestKinds checks that disk errors have a kind. It uses errors that even root gets.
func TestKinds(t *testing.T) {
	s, root := open(t)
	put(t, s, store.Ref{Key: "d/o"}, "data")
	_, err := s.Put(t.Context(), store.Ref{Key: "d/huge"}, failing{syscall.ENOSPC}, 5)
	if !errors.Is(err, syscall.ENOSPC) || store.Kind(err) != nil {
		t.Errorf("a source's error became ours: %v", err)
	}
	if os.Getuid() == 0 {
		return
	}
	if err := os.Chmod(filepath.Join(root, "d"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(root, "d"), 0o700)
	_, err = s.Stat(t.Context(), "d/o")
	wantKind(t, err, store.ErrPermission)
	_, err = s.Put(t.Context(), store.Ref{Key: "d/new"}, bytes.NewReader(nil), 0)
	wantKind(t, err, store.ErrPermission)
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// TestDirectoriesComeAndGo puts objects into directories while they are being removed.
func TestDirectoriesComeAndGo(t *testing.T) {
	s, _ := open(t)
	done := make(chan struct{})
	go func() { // ends with done
		defer close(done)
		for i := range 40 {
			ref := store.Ref{Key: fmt.Sprintf("d/e/o%d", i)}
			attr, err := s.Put(context.Background(), ref, bytes.NewReader(nil), 0)
			if err == nil {
				err = s.Remove(context.Background(), store.Ref{Key: ref.Key, ETag: attr.ETag})
			}
			if err != nil {
				t.Errorf("%s: %v", ref.Key, err)
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		for _, key := range []string{"d/e", "d"} {
			err := s.Remove(t.Context(), store.Ref{Key: key})
			if err != nil && !errors.Is(err, store.ErrNotExist) && !errors.Is(err, store.ErrConflict) {
				t.Errorf("remove %s: %v", key, err)
			}
		}
	}
}
