package blockfile

import (
	"context"
	"path/filepath"
	"time"
)

// Cleaned is the result of Clean.
type Cleaned struct {
	Files int   // versions removed
	Bytes int64 // disk space freed
	Kept  int   // versions that were chosen, but are in use
}

// Usage returns the number of versions under Dir, in all namespaces, and the disk space that they use.
func (e *Evictor) Usage(ctx context.Context) (versions int, used int64, err error) {
	files, used, err := e.scan(ctx)
	return len(files), used, err
}

// Clean removes the versions that chosen selects by their Name and the time of their last use, except those
// that a process has open or pinned. It waits for an eviction by another process.
func (e *Evictor) Clean(ctx context.Context, chosen func(name string, used time.Time) bool) (done Cleaned, err error) {
	lock, err := e.lock(ctx)
	if err != nil {
		return done, err
	}
	defer lock.Close()
	files, _, err := e.scan(ctx)
	if err != nil {
		return done, err
	}
	for _, f := range files {
		switch {
		case ctx.Err() != nil:
			return done, ctx.Err()
		case !chosen(filepath.Base(f.path), f.used):
		case unlinkUnused(f.path):
			done.Files++
			done.Bytes += f.size
		default:
			done.Kept++
		}
	}
	return done, nil
}
