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

// Options say what corpus to make.
type Options struct {
	Dir   string // the corpus: made if absent
	Count int    // of dumps, from number From on
	From  int
	Seed  uint64
	// Name is the directory that "name" in info.json begins with; "": /thoth/stor/thoth.
	Name     string
	DumpSize int64 // bytes of each dump, all holes but for its headers; 64 KiB at least
	Fill     bool  // the dumps have bytes instead of holes
	Workers  int   // 0: two for each processor
	// Progress, if not nil, is called now and then, by several at once.
	Progress func(Progress)
}

func (o Options) name() string {
	if o.Name == "" {
		return "/thoth/stor/thoth"
	}
	return o.Name
}

// Progress is how far it is.
type Progress struct {
	Done    int // dumps that are there
	Written int // of them, by this call
	Total   int
}

// often is after how many dumps a worker tells its progress.
const often = 64

// Generate makes what is not there of a corpus. Whatever error or ctx ends it, each
// dump is there with its document or without it, as of an interrupted upload, and
// another call goes on.
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

// place puts dump number i where it belongs, and tells whether it was not there.
func (w *world) place(o Options, i int) (bool, error) {
	d, err := w.sample(o, i)
	if err != nil {
		return false, err
	}
	dir := filepath.Join(o.Dir, d.ID.String())
	info := d.Info()
	switch fi, err := os.Stat(filepath.Join(dir, "info.json")); {
	case err == nil && fi.Size() > 0:
		return false, nil // all of it, for it comes last; edited since, perhaps
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

// fill writes what is behind the headers: bytes that nothing makes smaller.
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

// writeWhole writes a small file, or none.
func writeWhole(name string, data []byte) error {
	err := os.WriteFile(name, data, 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("%s is incomplete", name), err, os.Remove(name))
	}
	return nil
}
