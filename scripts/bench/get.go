package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// getName is the command that compares `thothfs get` with curl.
const getName = "get"

// Get is the time to copy a whole dump to a file over a link.
type Get struct {
	Link, Core   string
	Size, Data   int64   // bytes; Data are in pages that are not zero
	Thothfs      float64 // milliseconds, medians
	Curl         float64 // of the whole object
	CurlOfData   float64 // of the first Data bytes, the least that any program has to fetch
	Fetched      int64   // bytes by the last run of thothfs
	Runs         int
	Blocks, Held int64 // bytes on the disk of the original and of the copy by thothfs
}

// get measures thothfs and curl in turn on every large core.
func get(ctx context.Context, b *bench, l link) error {
	if l.slow() {
		return nil
	}
	for _, c := range b.cores {
		if err := b.getCore(ctx, l, c); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

func (b *bench) getCore(ctx context.Context, l link, c *Core) error {
	g := Get{Link: l.Name, Core: c.Name, Size: c.Size}
	var err error
	if g.Data, err = dataSize(c.Path); err != nil {
		return err
	}
	p, file := b.place(), filepath.Join(b.dir, "got")
	defer os.Remove(file)
	var walls [3][]time.Duration
	for began := time.Now(); len(walls[0]) < b.runs && (len(walls[0]) == 0 || time.Since(began) < b.patience); {
		for i, run := range []func() error{
			func() error { return p.run(ctx, account, "get", c.ID, "-o", file) },
			func() error { return p.curl(ctx, c, c.Size, file) },
			func() error { return p.curl(ctx, c, max(g.Data, 1), file) },
		} {
			_ = os.Remove(file)
			before, begin := b.site.Counters(), time.Now()
			if err := run(); err != nil {
				return err
			}
			walls[i] = append(walls[i], time.Since(begin))
			if i == 0 {
				g.Fetched = b.site.Counters().BodyBytes - before.BodyBytes
				g.Blocks, g.Held = onDisk(c.Path), onDisk(file)
			}
		}
	}
	for i, to := range []*float64{&g.Thothfs, &g.Curl, &g.CurlOfData} {
		slices.Sort(walls[i])
		*to = milliseconds(walls[i][len(walls[i])/2])
	}
	g.Runs = len(walls[0])
	b.rep.Gets = append(b.rep.Gets, g)
	b.say("%s %s: %+v", l.Name, getName, g)
	return nil
}

// dataSize returns the number of bytes in pages of a file that are not zero.
func dataSize(path string) (n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page, zeros := make([]byte, 1<<20), make([]byte, 4096)
	for {
		got, err := io.ReadFull(f, page)
		for p := range slices.Chunk(page[:got], len(zeros)) {
			if !bytes.Equal(p, zeros[:len(p)]) {
				n += int64(len(p))
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return n, nil
		case err != nil:
			return 0, err
		}
	}
}

// summarizeGets compares thothfs get with curl.
func (r *report) summarizeGets(w *strings.Builder) {
	if len(r.Gets) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### get beside curl\n\nMilliseconds to copy a whole dump to a file, medians; the last two columns are curl on the whole object, and on as many bytes as the dump has in pages that are not zero.\n\n"+
		"| link | dump | MiB | not zero | fetched | thothfs get | curl | curl, not zero | runs |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, g := range r.Gets {
		fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %.0f | %.0f | %.0f | %d |\n", g.Link, g.Core, g.Size>>20, g.Data>>20, g.Fetched>>20, g.Thothfs, g.Curl, g.CurlOfData, g.Runs)
	}
}

// onDisk returns the number of bytes that a file takes on the disk.
func onDisk(path string) int64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}
