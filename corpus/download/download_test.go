package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"thothfs/internal/filelock"
	"thothfs/store"
)

// object is a source in memory that counts the bytes read.
type object struct {
	Source
	data []byte
	read atomic.Int64
	// failAt is the offset from which reads fail; 0 for none.
	failAt int64
}

var errBroken = errors.New("broken line")

// newObject returns an object of a few pieces, mostly zeros.
func newObject(size int) *object {
	o := &object{data: make([]byte, size)}
	for i := 0; i < size; i += 300_000 {
		o.data[i] = byte(i/300_000) + 1
	}
	sum := md5.Sum(o.data)
	o.Source = Source{Ref: store.Ref{Key: "abc/core", ETag: "1"}, Size: int64(size), MD5: sum[:], ReadAt: o.readAt}
	return o
}

func (o *object) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	if o.failAt > 0 && off >= o.failAt {
		return 0, errBroken
	}
	n, err := bytes.NewReader(o.data).ReadAt(p, off)
	o.read.Add(int64(n))
	return n, err
}

// names returns the names in a directory, without the number in names of unfinished copies.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func wantFile(t *testing.T, path string, data []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v, want %d", len(got), err, len(data))
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode() != 0o600 {
		t.Fatal(fi.Mode(), err)
	}
	if n := names(t, filepath.Dir(path)); len(n) != 1 {
		t.Fatal("something is left:", n)
	}
}

func TestToFile(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, pieceSize, 3*pieceSize + 5, (inFlight + 5) * pieceSize} {
		o, path := newObject(size), filepath.Join(t.TempDir(), "core")
		var done int64
		if _, err := ToFile(t.Context(), &o.Source, path, false, func(n, total int64) { done = n }); err != nil {
			t.Fatal(size, err)
		}
		wantFile(t, path, o.data)
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil || done != int64(size) || size > 2*pieceSize && st.Blocks*512 > int64(size)/10 {
			t.Error(size, err, done, st.Blocks)
		}
	}
}

func TestToFileReplaces(t *testing.T) {
	t.Parallel()
	o, path := newObject(5), filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ToFile(t.Context(), &o.Source, path, false, nil); !errors.Is(err, iofs.ErrExist) || o.read.Load() > 0 {
		t.Fatal(err)
	}
	if _, err := ToFile(t.Context(), &o.Source, path, true, nil); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, o.data)
}

// TestToFileIsOutrun checks that a file that appears during the copy is not replaced, and that the
// copy is not lost.
func TestToFileIsOutrun(t *testing.T) {
	t.Parallel()
	o, path := newObject(5), filepath.Join(t.TempDir(), "core")
	o.ReadAt = func(ctx context.Context, p []byte, off int64) (int, error) {
		return must(o.readAt(ctx, p, off))(os.WriteFile(path, []byte("mine"), 0o600))
	}
	kept, err := ToFile(t.Context(), &o.Source, path, false, nil)
	if !errors.Is(err, iofs.ErrExist) || kept != 5 {
		t.Fatal(kept, err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "mine" {
		t.Fatal(data, err)
	}
}

func must(n int, err error) func(error) (int, error) {
	return func(other error) (int, error) { return n, errors.Join(err, other) }
}

func TestToFileContinues(t *testing.T) {
	t.Parallel()
	const size = 9*pieceSize + 7
	for _, c := range []struct {
		name    string
		between func(t *testing.T, o *object, part string)
		most    int64 // bytes read by the second call
	}{
		{"at once", func(*testing.T, *object, string) {}, size - 4*pieceSize},
		{"after a cut in the middle of a piece", func(t *testing.T, _ *object, part string) {
			if err := os.Truncate(part, 3*pieceSize+11); err != nil {
				t.Error(err)
			}
		}, size - 3*pieceSize - 11},
		{"another version", func(_ *testing.T, o *object, _ string) {
			o.Ref.ETag = "2"
			o.data[0] = 99
			sum := md5.Sum(o.data)
			o.MD5 = sum[:]
		}, size},
		{"spoiled", func(t *testing.T, _ *object, part string) {
			data, err := os.ReadFile(part)
			if err == nil {
				data[5]++
				err = os.WriteFile(part, data, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}, 2*size - 4*pieceSize},
		{"too long", func(t *testing.T, _ *object, part string) {
			if err := os.Truncate(part, 2*size); err != nil {
				t.Error(err)
			}
		}, size},
		{"record replaced by a FIFO", func(t *testing.T, _ *object, part string) {
			if err := errors.Join(os.Remove(part+".json"), syscall.Mkfifo(part+".json", 0o600)); err != nil {
				t.Error(err)
			}
		}, size},
		{"record replaced by a link to an equal one", func(t *testing.T, _ *object, part string) {
			other := filepath.Join(t.TempDir(), "record")
			if err := errors.Join(os.Rename(part+".json", other), os.Symlink(other, part+".json")); err != nil {
				t.Error(err)
			}
		}, size},
		{"record with a second name", func(t *testing.T, _ *object, part string) {
			if err := os.Link(part+".json", filepath.Join(t.TempDir(), "record")); err != nil {
				t.Error(err)
			}
		}, size},
		{"record that is too long", func(t *testing.T, _ *object, part string) {
			record, err := os.ReadFile(part + ".json")
			if err == nil {
				err = os.WriteFile(part+".json", append(bytes.Repeat([]byte{' '}, maxRecord), record...), 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}, size},
		{"without its record", func(t *testing.T, _ *object, part string) {
			if err := os.WriteFile(part+".json", []byte("{"), 0o600); err != nil {
				t.Error(err)
			}
		}, size},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, path := newObject(size), filepath.Join(t.TempDir(), "core")
			o.failAt = 4 * pieceSize
			kept, err := ToFile(t.Context(), &o.Source, path, false, nil)
			if !errors.Is(err, errBroken) || kept > o.failAt {
				t.Fatal(kept, err)
			}
			left := names(t, filepath.Dir(path))
			if len(left) != 2 || !strings.HasPrefix(left[0], PartialPrefix) {
				t.Fatal(left)
			}
			part := filepath.Join(filepath.Dir(path), left[0])
			// How far the pieces before the failed one came is not determined.
			if err := os.WriteFile(part, o.data[:o.failAt], 0o600); err != nil {
				t.Fatal(err)
			}
			o.failAt = 0
			c.between(t, o, part)
			o.read.Store(0)
			if _, err := ToFile(t.Context(), &o.Source, path, false, nil); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, o.data)
			if n := o.read.Load(); n != c.most {
				t.Errorf("%d bytes were read, not %d", n, c.most)
			}
		})
	}
}

func TestMismatchLeavesNothing(t *testing.T) {
	t.Parallel()
	o, path := newObject(3*pieceSize), filepath.Join(t.TempDir(), "core")
	o.MD5 = make([]byte, md5.Size)
	if _, err := ToFile(t.Context(), &o.Source, path, false, nil); !errors.Is(err, store.ErrCorrupt) {
		t.Fatal(err)
	}
	o.MD5, o.Verify = nil, func(r io.ReaderAt, size int64) error { return errBroken }
	if _, err := ToFile(t.Context(), &o.Source, path, false, nil); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	o.Verify, o.Size = nil, o.Size+1 // the object is shorter than the store said
	if _, err := ToFile(t.Context(), &o.Source, path, false, nil); !errors.Is(err, store.ErrCorrupt) {
		t.Fatal(err)
	}
	if n := names(t, filepath.Dir(path)); slices.Contains(n, "core") {
		t.Fatal(n)
	}
}

func TestUnfinishedCopyOfAnother(t *testing.T) {
	t.Parallel()
	o, dir := newObject(5), t.TempDir()
	p, err := openPartial(&o.Source, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ToFile(t.Context(), &o.Source, filepath.Join(dir, "core"), false, nil); !errors.Is(err, ErrBusy) {
		t.Fatal(err)
	}
	if err := filelock.TryLock(p.File, filelock.Exclusive); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := os.Link(p.Name(), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := ToFile(t.Context(), &o.Source, filepath.Join(dir, "core"), false, nil); !errors.Is(err, ErrForeign) {
		t.Fatal(err)
	}
	if err := os.Remove(p.Name()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("link", p.Name()); err != nil {
		t.Fatal(err)
	}
	if _, err := ToFile(t.Context(), &o.Source, filepath.Join(dir, "core"), false, nil); !errors.Is(err, syscall.ELOOP) {
		t.Fatal(err)
	}
}

func TestToWriter(t *testing.T) {
	t.Parallel()
	o := newObject((2*inFlight+1)*pieceSize + 3)
	var b bytes.Buffer
	if err := ToWriter(t.Context(), &o.Source, &b, nil); err != nil || !bytes.Equal(b.Bytes(), o.data) {
		t.Fatal(err, b.Len())
	}
	r, w := io.Pipe()
	r.CloseWithError(errBroken) // as head(1) does
	if err := ToWriter(t.Context(), &o.Source, w, nil); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	o.MD5 = make([]byte, md5.Size)
	if err := ToWriter(t.Context(), &o.Source, io.Discard, nil); !errors.Is(err, store.ErrCorrupt) {
		t.Fatal(err)
	}
}

// TestHoles checks that only what is not a hole is read.
func TestHoles(t *testing.T) {
	t.Parallel()
	o := newObject(10 * pieceSize)
	clear(o.data)
	o.data[2*pieceSize-1], o.data[2*pieceSize] = 1, 2
	copy(o.data[9*pieceSize+4096:], "end of data")
	sum := md5.Sum(o.data)
	o.MD5 = sum[:]
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{2*pieceSize - 4096, 2 * pieceSize, 9*pieceSize + 4096} {
		if _, err := f.WriteAt(o.data[at:at+4096], at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(o.Size); err != nil {
		t.Fatal(err)
	}
	o.Data = DataOf(f, o.Size)
	total := int64(0)
	for _, r := range o.Data {
		total += r.Len
	}
	path := filepath.Join(t.TempDir(), "core")
	if _, err := ToFile(t.Context(), &o.Source, path, false, nil); err != nil || o.read.Load() != total {
		t.Fatal(err, o.read.Load(), o.Data)
	}
	wantFile(t, path, o.data)
	if total > o.Size/2 {
		t.Error("the file system of the tests has no holes:", o.Data)
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if data := DataOf(f, 0); data == nil || len(data) > 0 {
		t.Error(data)
	}
}
