package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"thothfs/store"
)

func (s *suite) races(t *testing.T) {
	t.Run("creators", s.racingCreators)
	t.Run("edits", s.racingEdits)
	t.Run("removers", s.racingRemovers)
	t.Run("readers", s.racingReaders)
	t.Run("nothing half-written", s.halfWritten)
}

// racingCreators checks that exactly one of many concurrent creators succeeds, even if the
// directory must be created first.
func (s *suite) racingCreators(t *testing.T) {
	st := s.open(t)
	for round := range 5 {
		key := fmt.Sprintf("d%d/o", round)
		objects, errs := make([]object, 8), make([]error, 8)
		var wg sync.WaitGroup
		for i := range objects {
			wg.Go(func() {
				objects[i], errs[i] = put(st, store.Ref{Key: key}, bytes.Repeat([]byte{byte('a' + i)}, 1000+i))
			})
		}
		wg.Wait()
		winners := 0
		for i, err := range errs {
			if err != nil {
				wantKind(t, err, store.ErrConflict)
				continue
			}
			winners++
			s.wantAttr(t, wantData(t, st, key, string(objects[i].data)), objects[i])
		}
		if winners != 1 {
			t.Errorf("%s: %d creators won", key, winners)
		}
	}
}

// racingEdits checks that no update is lost in concurrent conditional edits.
func (s *suite) racingEdits(t *testing.T) {
	st := s.open(t)
	create(t, st, "d/n", "0")
	const editors, each = 6, 5
	var g errgroup.Group
	for i := range editors {
		g.Go(func() error {
			for range each {
				if err := increment(t.Context(), st, "d/n", i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	data, _, err := st.Get(t.Context(), store.Ref{Key: "d/n"}, 100)
	if n, _, _ := strings.Cut(string(data), " "); n != strconv.Itoa(editors*each) {
		t.Errorf("%q, %v, want %d", data, err, editors*each)
	}
}

// increment increments a number, and retries on conflicts. It appends the editor's number, so
// that no two editors write the same bytes.
func increment(ctx context.Context, st store.Store, key string, editor int) error {
	for {
		data, attr, err := st.Get(ctx, store.Ref{Key: key}, 100)
		if err != nil {
			return err
		}
		count, _, _ := strings.Cut(string(data), " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			return err
		}
		_, err = put(st, store.Ref{Key: key, ETag: attr.ETag}, fmt.Appendf(nil, "%d by %d", n+1, editor))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (s *suite) racingRemovers(t *testing.T) {
	st := s.open(t)
	o := create(t, st, "d/o", "data")
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = st.Remove(t.Context(), o.ref()) })
	}
	wg.Wait()
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
		} else {
			wantKind(t, err, store.ErrNotExist, store.ErrConflict)
		}
	}
	if winners != 1 {
		t.Errorf("%d removers won", winners)
	}
	wantAbsent(t, st, "d/o")
}

// racingReaders checks that a reader gets one version or an error, never a mixture, while the
// object is replaced and removed.
func (s *suite) racingReaders(t *testing.T) {
	st := s.open(t)
	version := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 50000+i) }
	first, err := put(st, store.Ref{Key: "d/o"}, version(0))
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					readOneVersion(t, st)
				}
			}
		})
	}
	ref := first.ref()
	for i := 1; i < 30; i++ {
		o, err := put(st, ref, version(i))
		if err != nil {
			t.Errorf("replace: %v", err)
			break
		}
		ref = o.ref()
	}
	close(done)
	readers.Wait()
}

func readOneVersion(t *testing.T, st store.Store) {
	data, attr, err := st.Get(t.Context(), store.Ref{Key: "d/o"}, 1<<20)
	if err != nil {
		t.Errorf("get: %v", err)
		return
	}
	if int64(len(data)) != attr.Size || len(bytes.Trim(data, string(data[:1]))) > 0 {
		t.Errorf("get: versions are mixed, or %d bytes where %d are told", len(data), attr.Size)
	}
	p := make([]byte, 60000)
	n, err := st.ReadAt(t.Context(), store.Ref{Key: "d/o", ETag: attr.ETag}, p, 0)
	switch {
	case err == io.EOF && bytes.Equal(p[:n], data):
	case errors.Is(err, store.ErrStale):
	default:
		t.Errorf("read: %d bytes, %v", n, err)
	}
}

// halfWritten reads the store while a Put is still reading its source.
func (s *suite) halfWritten(t *testing.T) {
	st := s.open(t)
	old := create(t, st, "d/old", "data")
	src := stream{size: s.f.Big, seed: 4}
	for _, ref := range []store.Ref{{Key: "d/new"}, old.ref()} {
		look := sync.OnceFunc(func() {
			entries, err := collect(t, st, "d", "")
			for _, e := range entries {
				if e.Name != "old" || e.Size != 4 {
					if ref.ETag == "" {
						t.Errorf("visible: %+v, %v", e, err)
					}
				}
			}
			wantData(t, st, "d/old", "data")
			if ref.ETag == "" {
				wantAbsent(t, st, ref.Key)
			}
			if top, err := collect(t, st, "", ""); err != nil || len(top) != 1 {
				t.Errorf("at the top: %q, %v", namesOf(top), err)
			}
		})
		attr, err := st.Put(t.Context(), ref, calling{src, s.f.Big - 1, look}, s.f.Big)
		if err != nil {
			t.Fatal(err)
		}
		wantStream(t, st, store.Ref{Key: ref.Key, ETag: attr.ETag}, src, s.f.Big)
	}
}
