package storetest

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"thothfs/store"
)

func (s *suite) put(t *testing.T) {
	t.Run("create", s.putCreate)
	t.Run("replace", s.putReplace)
	t.Run("over a directory", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/e/o", "data")
		for _, etag := range []string{"", o.attr.ETag} {
			_, err := put(st, store.Ref{Key: "d/e", ETag: etag}, []byte("x"))
			wantKind(t, err, store.ErrInvalid, store.ErrConflict)
		}
		wantData(t, st, o.key, "data")
	})
	t.Run("below an object", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		for _, key := range []string{"d/o/x", "d/o/x/y"} {
			_, err := put(st, store.Ref{Key: key}, []byte("x"))
			wantKind(t, err, store.ErrInvalid)
		}
		s.wantAttr(t, wantData(t, st, o.key, "data"), o) // not replaced by a directory
	})
	t.Run("parents are made", func(t *testing.T) {
		st := s.open(t)
		create(t, st, "a/b/c/d/o", "deep")
		create(t, st, "a/b/o", "less")
		wantData(t, st, "a/b/c/d/o", "deep")
		wantNames(t, st, "a/b", "", "c", "o")
		create(t, st, "top", "no parent at all")
		wantData(t, st, "top", "no parent at all")
	})
	t.Run("big", s.putBig)
	t.Run("source", s.putSource)
}

func (s *suite) putCreate(t *testing.T) {
	st := s.open(t)
	for _, data := range []string{"", "x", "some data"} {
		o := create(t, st, "d/o"+data, data)
		sum := md5.Sum(o.data)
		if !bytes.Equal(o.attr.MD5, sum[:]) {
			t.Errorf("MD5 %x, want %x", o.attr.MD5, sum)
		}
		s.wantAttr(t, o.attr, o)
		s.wantAttr(t, wantData(t, st, o.key, data), o)
	}
	o := create(t, st, "d/first", "first")
	for _, data := range []string{"second", "first"} { // a conflict even with the same bytes
		_, err := put(st, store.Ref{Key: o.key}, []byte(data))
		wantKind(t, err, store.ErrConflict)
	}
	s.wantAttr(t, wantData(t, st, o.key, "first"), o)
}

func (s *suite) putReplace(t *testing.T) {
	st := s.open(t)
	one := create(t, st, "d/o", "one")
	two := replace(t, st, one.ref(), "two")
	if one.attr.ETag == two.attr.ETag {
		t.Errorf("both versions are %q", one.attr.ETag)
	}
	s.wantAttr(t, wantData(t, st, "d/o", "two"), two)
	for name, old := range map[string]store.Ref{
		"stale":   one.ref(),
		"unknown": {Key: "d/o", ETag: "never was one"},
		"absent":  {Key: "d/absent", ETag: two.attr.ETag},
		"nowhere": {Key: "nowhere/absent", ETag: two.attr.ETag},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := put(st, old, []byte("three"))
			wantKind(t, err, store.ErrConflict)
		})
	}
	s.wantAttr(t, wantData(t, st, "d/o", "two"), two)
	wantAbsent(t, st, "d/absent")
	wantAbsent(t, st, "nowhere/absent")
	same := replace(t, st, two.ref(), "two")
	s.wantAttr(t, wantData(t, st, "d/o", "two"), same)
	gone := replace(t, st, same.ref(), "")
	s.wantAttr(t, wantData(t, st, "d/o", ""), gone)
}

// stream is deterministic content of any size that includes runs of zeros, like a dump.
type stream struct {
	size int64
	seed uint64
}

const streamBlock = 4096

func (s stream) ReadAt(p []byte, off int64) (n int, err error) {
	var block [streamBlock]byte
	for n < len(p) && off < s.size {
		i := off / streamBlock
		s.fill(block[:], i)
		end := min(streamBlock, s.size-i*streamBlock)
		k := copy(p[n:], block[off%streamBlock:end])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s stream) fill(block []byte, i int64) {
	if i/8%3 == 1 { // every third 32 KiB block is zeros
		clear(block)
		return
	}
	r := rand.New(rand.NewPCG(s.seed, uint64(i)))
	for j := 0; j < len(block); j += 8 {
		v := r.Uint64()
		for k := range 8 {
			block[j+k] = byte(v >> (8 * k))
		}
	}
}

func (s *suite) putBig(t *testing.T) {
	st := s.open(t)
	for _, tail := range []int64{0, 70000} { // the second ends in zeros
		src := io.ReaderAt(stream{size: s.f.Big, seed: 1})
		size := s.f.Big + tail
		if tail > 0 {
			src = padded{src, s.f.Big, size}
		}
		old := store.Ref{Key: fmt.Sprintf("d/big%d", tail)}
		attr, err := st.Put(t.Context(), old, src, size)
		if err != nil {
			t.Fatal(err)
		}
		ref := store.Ref{Key: old.Key, ETag: attr.ETag}
		wantStream(t, st, ref, src, size)
	}
}

// padded is a reader followed by zeros.
type padded struct {
	r          io.ReaderAt
	from, size int64
}

func (z padded) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), z.size-off)))
	clear(p[:n])
	if off < z.from {
		if _, err := z.r.ReadAt(p[:min(int64(n), z.from-off)], off); err != nil && err != io.EOF {
			return 0, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// wantStream fails unless the object has the content of src.
func wantStream(t *testing.T, st store.Store, ref store.Ref, src io.ReaderAt, size int64) {
	t.Helper()
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(got)) {
		n, err := st.ReadAt(t.Context(), ref, got, off)
		if err != nil && !(err == io.EOF && off+int64(n) == size) {
			t.Fatalf("read at %d: %v", off, err)
		}
		if m, _ := src.ReadAt(want, off); m != n || !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("at %d: %d bytes, want %d, or they differ", off, n, m)
		}
	}
	attr, err := st.Stat(t.Context(), ref.Key)
	if err != nil || attr.Size != size || attr.ETag != ref.ETag {
		t.Errorf("stat: %+v, %v, want %d bytes, ETag %q", attr, err, size, ref.ETag)
	}
}

// failing is a reader that fails at and after an offset.
type failing struct {
	r    io.ReaderAt
	from int64
	err  error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.from {
		return 0, f.err
	}
	if left := f.from - off; int64(len(p)) > left {
		n, _ := f.r.ReadAt(p[:left], off)
		return n, f.err
	}
	return f.r.ReadAt(p, off)
}

func (s *suite) putSource(t *testing.T) {
	broken := errors.New("the disk of the uploader is broken")
	big := stream{size: s.f.Big, seed: 2}
	for _, c := range []struct {
		name string
		src  io.ReaderAt
		want error
	}{
		{"fails at once", failing{big, 0, broken}, broken},
		{"fails in the middle", failing{big, s.f.Big / 2, broken}, broken},
		{"fails at the last byte", failing{big, s.f.Big - 1, broken}, broken},
		{"empty", failing{big, 0, io.EOF}, io.ErrUnexpectedEOF},
		{"ends early", failing{big, s.f.Big / 2, io.EOF}, io.ErrUnexpectedEOF},
		{"ends one byte early", failing{big, s.f.Big - 1, io.EOF}, io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := s.open(t)
			_, err := st.Put(t.Context(), store.Ref{Key: "d/o"}, c.src, s.f.Big)
			if !errors.Is(err, c.want) {
				t.Errorf("create: %v, want %v", err, c.want)
			}
			wantAbsent(t, st, "d/o")
			o := create(t, st, "d/old", "data")
			_, err = st.Put(t.Context(), o.ref(), c.src, s.f.Big)
			if !errors.Is(err, c.want) {
				t.Errorf("replace: %v, want %v", err, c.want)
			}
			s.wantAttr(t, wantData(t, st, "d/old", "data"), o)
			wantNames(t, st, "d", "", "old")
		})
	}
	t.Run("longer than size", func(t *testing.T) {
		st := s.open(t)
		attr, err := st.Put(t.Context(), store.Ref{Key: "d/o"}, big, 100000)
		if err != nil {
			t.Fatal(err)
		}
		wantStream(t, st, store.Ref{Key: "d/o", ETag: attr.ETag}, stream{size: 100000, seed: 2}, 100000)
	})
	t.Run("negative size", func(t *testing.T) {
		st := s.open(t)
		_, err := st.Put(t.Context(), store.Ref{Key: "d/o"}, big, -1)
		wantKind(t, err, store.ErrInvalid)
		wantAbsent(t, st, "d/o")
	})
}
