package dir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"thothfs/store"
	"thothfs/store/dir"
)

func BenchmarkReadAt(b *testing.B) {
	s, ref := benchStore(b)
	p := make([]byte, 128<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := s.ReadAt(b.Context(), ref, p, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStat(b *testing.B) {
	s, ref := benchStore(b)
	for b.Loop() {
		if _, err := s.Stat(b.Context(), ref.Key); err != nil {
			b.Fatal(err)
		}
	}
}

// benchStore returns a corpus of 10,000 empty directories and one object.
func benchStore(b *testing.B) (*dir.Store, store.Ref) {
	b.Helper()
	root := b.TempDir()
	for i := range 10000 {
		if err := os.Mkdir(filepath.Join(root, fmt.Sprintf("%032x", i)), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	s, err := dir.Open(root)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("%032x", 7), "core"), make([]byte, 1<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	key := fmt.Sprintf("%032x/core", 7)
	attr, err := s.Stat(b.Context(), key)
	if err != nil {
		b.Fatal(err)
	}
	return s, store.Ref{Key: key, ETag: attr.ETag}
}

func BenchmarkList10000(b *testing.B) {
	s, _ := benchStore(b)
	for b.Loop() {
		n := 0
		for _, err := range s.List(b.Context(), "", "") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10000 {
			b.Fatal(n)
		}
	}
}
