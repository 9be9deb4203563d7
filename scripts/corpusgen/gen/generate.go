package gen

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Options describes a corpus.
type Options struct {
	Dir   string // directory of the corpus; created if it does not exist
	Count int    // number of dumps, starting with dump number From
	From  int
	Seed  uint64
	// Name is the directory in the "name" of info.json; "" means /thoth/stor/thoth.
	Name     string
	DumpSize int64 // size of each dump in bytes, at least 64 KiB; all holes except for the headers
	Fill     bool  // use random bytes instead of holes
	Workers  int   // 0 means two for each processor
	// Progress, if not nil, is called from time to time, concurrently.
	Progress func(Progress)
}

func (o Options) name() string {
	if o.Name == "" {
		return "/thoth/stor/thoth"
	}
	return o.Name
}

// Progress is the progress of Generate.
type Progress struct {
	Done    int // dumps that exist
	Written int // dumps written by this call
	Total   int
}

// often is the number of dumps after which a worker reports progress.
const often = 64

// Generate creates the missing part of a corpus. After an error, each dump exists with or without
// its document, as after an interrupted upload, and another call continues.
func Generate(ctx context.Context, o Options) (Progress, error) {
	if o.Count < 0 || o.From < 0 {
		return Progress{}, errors.New("a corpus has no negative number of dumps")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return Progress{}, err
	}
	workers := o.Workers
	if workers <= 0 {
		workers = 2 * runtime.GOMAXPROCS(0)
	}
	w := newWorld(o.Seed)
	var next, done, written atomic.Int64
	now := func() Progress { return Progress{int(done.Load()), int(written.Load()), o.Count} }
	group, ctx := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(o.Count) && ctx.Err() == nil; i = next.Add(1) - 1 {
				wrote, err := w.place(o, o.From+int(i))
				if err != nil {
					return err
				}
				if wrote {
					written.Add(1)
				}
				if n := done.Add(1); o.Progress != nil && n%often == 0 {
					o.Progress(now())
				}
			}
			return ctx.Err()
		})
	}
	err := group.Wait()
	if o.Progress != nil {
		o.Progress(now())
	}
	return now(), err
}

// place creates dump number i and reports whether it was missing.
func (w *world) place(o Options, i int) (bool, error) {
	d, err := w.sample(o, i)
	if err != nil {
		return false, err
	}
	dir := filepath.Join(o.Dir, d.ID.String())
	info := d.Info()
	switch fi, err := os.Stat(filepath.Join(dir, "info.json")); {
	case err == nil && fi.Size() > 0:
		return false, nil // complete, since it is written last; it may have been edited
	case err != nil && !errors.Is(err, iofs.ErrNotExist):
		return false, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, iofs.ErrExist) {
		return false, err
	}
	if err := d.writeFile(filepath.Join(dir, d.Name), o, i); err != nil {
		return false, err
	}
	return true, writeWhole(filepath.Join(dir, "info.json"), info)
}

// writeFile writes the dump itself.
func (d Dump) writeFile(name string, o Options, i int) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(d.Head); err != nil {
		return err
	}
	if o.Fill {
		return d.fill(f, rand.NewChaCha8([32]byte{byte(o.Seed), byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}))
	}
	return f.Truncate(d.Size)
}

// fill writes incompressible bytes after the headers.
func (d Dump) fill(f *os.File, r *rand.ChaCha8) error {
	block := make([]byte, 1<<20)
	for at := int64(len(d.Head)); at < d.Size; at += int64(len(block)) {
		p := block[:min(d.Size-at, int64(len(block)))]
		r.Read(p) // never fails
		if _, err := f.WriteAt(p, at); err != nil {
			return err
		}
	}
	return nil
}

// writeWhole writes a small file, either completely or not at all.
func writeWhole(name string, data []byte) error {
	err := os.WriteFile(name, data, 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("%s is incomplete", name), err, os.Remove(name))
	}
	return nil
}
