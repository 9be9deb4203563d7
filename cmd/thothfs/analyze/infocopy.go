package analyze

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/internal/atomicfile"
	"thothfs/internal/filelock"
)

// copyInfo returns the document for an analyzer's copy. It is always valid JSON, even if the
// document is damaged, so that tools can read it.
func copyInfo(d *document.Document) []byte {
	if d.IsJSON() {
		return d.Text()
	}
	return append(d.Value().JSON(), '\n')
}

// EditCopy applies edits to the copy of info.json in file, replacing the file atomically.
// Concurrent edits by one analyzer are serialized.
func EditCopy(ctx context.Context, file string, edits ...document.Edit) error {
	return editCopy(ctx, file, func(*document.Document) ([]document.Edit, error) { return edits, nil })
}

// MergeIntoCopy merges the document in the file update into the copy of info.json in file.
func MergeIntoCopy(ctx context.Context, file, update string) error {
	raw, err := ReadDocument(update)
	if err != nil {
		return err
	}
	added := document.Parse(raw)
	return editCopy(ctx, file, func(old *document.Document) ([]document.Edit, error) {
		if fields := document.ReadOnlyChanges(document.Parse([]byte("{}")), added); len(fields) > 0 {
			return nil, fmt.Errorf("%s cannot be set: only the ticket and properties can", strings.Join(fields, ", "))
		}
		return document.Merge(old, added)
	})
}

func editCopy(ctx context.Context, file string, edits func(*document.Document) ([]document.Edit, error)) error {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close() // unlocks
	if err := filelock.Lock(ctx, dir, filelock.Exclusive); err != nil {
		return fmt.Errorf("lock %s: %w", dir.Name(), err)
	}
	raw, err := ReadDocument(file)
	if err != nil {
		return err
	}
	doc := document.Parse(raw)
	if !doc.IsJSON() {
		return fmt.Errorf("%s is no longer JSON: %s", filepath.Base(file), doc.Damage())
	}
	list, err := edits(doc)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !document.Writable(e.Path) {
			return fmt.Errorf("%q cannot be set: only the ticket and properties can", e.Path)
		}
	}
	after, changed, err := doc.Apply(list...)
	if err != nil || !changed {
		return err
	}
	return atomicfile.WriteFile(file, after)
}

// storeChanges stores an analyzer's changes to its copy of a dump's document as a single edit. It
// returns the changed fields that only the corpus may change as foreign; they are not stored.
func (e *Env) storeChanges(ctx context.Context, d *corpus.Dump, info string) (changed bool, foreign []string, err error) {
	raw, err := ReadDocument(info)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil, errors.New("the analyzer removed its info.json")
	}
	if err != nil {
		return false, nil, err
	}
	after := document.Parse(raw)
	edits, err := document.Diff(d.Doc, after)
	if err != nil {
		return false, nil, fmt.Errorf("its info.json: %w", err)
	}
	foreign = document.ReadOnlyChanges(d.Doc, after)
	if len(edits) == 0 {
		return false, foreign, nil
	}
	_, err = e.Corpus.Edit(ctx, d.ID, edits...)
	return err == nil, foreign, err
}

// ReadDocument reads a file of at most the maximum size of a document. It returns an error for a
// FIFO rather than waiting for a writer.
func ReadDocument(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case fi.Size() > document.MaxSize:
		return nil, fmt.Errorf("%s has more than %d bytes", path, document.MaxSize)
	}
	raw := make([]byte, fi.Size())
	n, err := io.ReadFull(f, raw)
	return raw[:n], err
}
