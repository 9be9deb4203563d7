package analyze

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"thothfs/cmd/thothfs/output"
)

// report prints the output of analyzers in the order of the dumps and counts the results.
type report struct {
	total          int
	stdout, stderr io.Writer
	waiting        map[int]result // by index; results whose predecessors have not all been printed
	next           int            // index of the next result to print

	seen, analyzed, changed, failed, purged int

	broken error // first error from writing to standard output
}

// add prints a result once all its predecessors have been printed.
func (r *report) add(res result) {
	r.seen++
	r.waiting[res.n] = res
	for {
		res, ok := r.waiting[r.next]
		if !ok {
			return
		}
		delete(r.waiting, r.next)
		r.next++
		r.print(res)
	}
}

// flush prints the results still waiting for a dump that was never analyzed.
func (r *report) flush() {
	for _, n := range slices.Sorted(maps.Keys(r.waiting)) {
		r.print(r.waiting[n])
	}
	r.waiting = nil
}

func (r *report) print(res result) {
	defer os.Remove(res.out)
	defer os.Remove(res.err)
	switch {
	case errors.Is(res.failure, errStopped):
		return
	case errors.Is(res.failure, errPurged):
		r.purged++
	case res.failure != nil:
		r.failed++
	default:
		r.analyzed++
	}
	if res.changed {
		r.changed++
	}
	if r.total > 1 && (size(res.out) > 0 || size(res.err) > 0) {
		fmt.Fprintf(r.stderr, "thothfs: %s:\n", res.id)
	}
	if err := copyLines(r.stdout, res.out); err != nil && r.broken == nil {
		r.broken = err
	}
	copyLines(r.stderr, res.err)
	if len(res.foreign) > 0 {
		fmt.Fprintf(r.stderr, "thothfs: %s: changed and not stored, as only the ticket and properties are: %s\n", res.id, output.Printable(strings.Join(res.foreign, ", ")))
	}
	if res.failure != nil && !errors.Is(res.failure, errPurged) {
		fmt.Fprintf(r.stderr, "thothfs: %s: failed: %s\n", res.id, output.Printable(res.failure.Error()))
	}
}

func size(path string) int64 {
	fi, err := os.Lstat(path)
	if path == "" || err != nil {
		return 0
	}
	return fi.Size()
}

// copyLines writes the file at path to w in pieces that end in a newline. If path is empty, it does
// nothing.
func copyLines(w io.Writer, path string) error {
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
			left = n - i // keep the start of a line until the rest has been read
		}
		if _, err := w.Write(piece[:n-left]); err != nil {
			return err
		}
		copy(piece, piece[n-left:n])
		if err != nil { // end of file
			return nil
		}
	}
}

// finish prints the summary.
func (r *report) finish(ctx context.Context, w io.Writer) error {
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
		return output.ErrReported
	}
	return nil
}
