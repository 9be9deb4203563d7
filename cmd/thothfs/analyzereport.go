package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// analyzeReport shows what analyzers wrote, in the order of the dumps, and counts.
type analyzeReport struct {
	total          int
	stdout, stderr io.Writer
	waiting        map[int]outcome // those whose turn has not come
	next           int

	seen, analyzed, changed, failed, purged int

	broken error // standard output takes nothing more
}

func newAnalyzeReport(total int, stdout, stderr io.Writer) *analyzeReport {
	return &analyzeReport{total: total, stdout: stdout, stderr: stderr, waiting: make(map[int]outcome)}
}

// add takes what became of a dump, and shows it as soon as all before it are shown.
func (r *analyzeReport) add(o outcome) {
	r.seen++
	r.waiting[o.n] = o
	for {
		o, ok := r.waiting[r.next]
		if !ok {
			return
		}
		delete(r.waiting, r.next)
		r.next++
		r.show(o)
	}
}

// rest shows those that wait for one that was never begun.
func (r *analyzeReport) rest() {
	var left []int
	for n := range r.waiting {
		left = append(left, n)
	}
	slices.Sort(left)
	for _, n := range left {
		r.show(r.waiting[n])
	}
	r.waiting = nil
}

func (r *analyzeReport) show(o outcome) {
	defer func() {
		if o.out != "" {
			os.Remove(o.out)
			os.Remove(o.err)
		}
	}()
	switch {
	case errors.Is(o.failure, errStopped):
		return
	case errors.Is(o.failure, errPurged):
		r.purged++
	case o.failure != nil:
		r.failed++
	default:
		r.analyzed++
	}
	if o.changed {
		r.changed++
	}
	if r.total > 1 && (size(o.out) > 0 || size(o.err) > 0) {
		fmt.Fprintf(r.stderr, "thothfs: %s:\n", o.id)
	}
	if err := show(r.stdout, o.out); err != nil && r.broken == nil {
		r.broken = err
	}
	show(r.stderr, o.err)
	if len(o.foreign) > 0 {
		fmt.Fprintf(r.stderr, "thothfs: %s: changed and not stored, as only the ticket and properties are: %s\n", o.id, printable(strings.Join(o.foreign, ", ")))
	}
	if o.failure != nil && !errors.Is(o.failure, errPurged) {
		fmt.Fprintf(r.stderr, "thothfs: %s: failed: %s\n", o.id, printable(o.failure.Error()))
	}
}

func size(path string) int64 {
	fi, err := os.Lstat(path)
	if path == "" || err != nil {
		return 0
	}
	return fi.Size()
}

// show writes what is in a file, in pieces that end in a newline. Nothing to show is
// no error.
func show(w io.Writer, path string) error {
	if size(path) == 0 {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	piece := make([]byte, 64<<10)
	for left := 0; ; {
		n, err := f.Read(piece[left:])
		n += left
		left = 0
		if i := bytes.LastIndexByte(piece[:n], '\n') + 1; i > 0 && err == nil {
			left = n - i // the beginning of a line waits for the rest of it
		}
		if _, err := w.Write(piece[:n-left]); err != nil {
			return err
		}
		copy(piece, piece[n-left:n])
		if err != nil { // the end
			return nil
		}
	}
}

// finish sums up.
func (r *analyzeReport) finish(ctx context.Context, w io.Writer) error {
	text := fmt.Sprintf("%d of %d dumps analyzed, %d changed", r.analyzed, r.total, r.changed)
	if r.failed > 0 {
		text += fmt.Sprintf("; %d failed", r.failed)
	}
	if r.purged > 0 {
		text += fmt.Sprintf("; %d purged and left out", r.purged)
	}
	fmt.Fprintln(w, "thothfs: "+text)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.broken != nil:
		return fmt.Errorf("standard output: %w", r.broken)
	case r.failed > 0:
		return errSaid
	}
	return nil
}
