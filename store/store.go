// Package store is the contract between thothfs and whatever keeps its objects:
// a local directory (store/dir), Manta (store/manta) or memory (store/mem).
//
// Everything between the file system and HTTP is a [Store]. What fits any store
// (retrying, counting) is a decorator in this package: it embeds a Store and
// overrides what it means. Package storetest holds the contract as tests and is
// run over every store and every decorator.
//
// A store is safe for concurrent use, starts no goroutine that outlives a call,
// and nothing it returns needs closing except where an *os.File is the point.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"time"
)

// Ref names one version of one object: the same bytes for ever, or an error.
// Whatever is read through a Ref with an ETag may therefore be cached for ever.
type Ref struct {
	// Key is the path below the corpus, slash-separated, without a leading or
	// trailing slash: "6433c1cc…/info.json". Components are data: they may be
	// ".", "..", longer than 255 bytes, and hold any character but '/' and NUL.
	// The corpus directory itself is "".
	Key string
	// ETag is the version, opaque. Empty means "no version": see each method.
	ETag string
}

// Attr is what a store knows of an object or directory.
type Attr struct {
	// ETag is the version. Of a directory it is a cheap signal of change: while
	// it stays the same, no entry was added or removed as far as the store can
	// tell without listing (Manta counts entries, so one removed and one added
	// between two looks go unseen).
	ETag    string
	Size    int64     // bytes; 0 for directories
	ModTime time.Time // UTC; zero when the store does not know
	MD5     []byte    // 16 bytes, or nil when the store does not know
	Dir     bool
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Attr
}

// Store is an object store under one corpus directory. Errors match exactly one
// of the kinds below by errors.Is, or are those of ctx.
type Store interface {
	// ReadAt fills p from offset off of the version ref, which must carry an
	// ETag. It follows io.ReaderAt: n < len(p) only with an error, io.EOF where
	// the object ends. A replaced object is ErrStale, a removed one ErrNotExist;
	// an answer that is not exactly the range asked for is ErrCorrupt. A missing
	// ETag, a negative offset and a directory are ErrInvalid. p may hold garbage
	// beyond n after an error.
	ReadAt(ctx context.Context, ref Ref, p []byte, off int64) (n int, err error)

	// Get reads a small object whole, with its attributes, in one round trip.
	// When known carries an ETag and the object is still that version it returns
	// ErrNotModified and no data. An object larger than limit bytes is
	// ErrTooLarge, before its body is read. A directory is ErrInvalid. The caller
	// owns the data.
	Get(ctx context.Context, known Ref, limit int64) ([]byte, Attr, error)

	// Stat describes the object or directory at key. What is below an object does
	// not exist.
	Stat(ctx context.Context, key string) (Attr, error)

	// List yields the entries of a directory in byte order of their names, from
	// the first name >= from on, streaming. It yields one error and stops. An
	// absent directory is ErrNotExist, an object ErrInvalid. Entries that come or go meanwhile may or
	// may not be seen; a listing that the store cut short is ErrUnavailable,
	// never a shorter listing.
	List(ctx context.Context, dir, from string) iter.Seq2[Entry, error]

	// Put stores size bytes of src as a new version of old.Key, provided that
	// the present version is old.ETag; an empty ETag means "must not exist".
	// Otherwise it is ErrConflict and nothing changes. There is no unconditional
	// write. Missing parent directories are made. The object is never visible
	// half-written, and what was stored is verified by MD5 end to end
	// (ErrCorrupt, and nothing is left, when it differs). A full store is
	// ErrNoSpace; an object that this store never takes is ErrTooLarge. src is read in order,
	// possibly more than once. A src that ends early, or fails, fails the Put
	// with src's error (io.ErrUnexpectedEOF for a plain end), and has no kind. The
	// answer always has the MD5. A key that the store cannot hold, the corpus
	// itself, a directory, and a key below an object are ErrInvalid, or ErrConflict
	// for a directory where the store tells them apart only by another round trip.
	//
	// An ErrUnavailable from a bare store means the outcome is unknown: the
	// object may or may not have been stored. The decorator [Retry] settles that
	// by reading back.
	Put(ctx context.Context, old Ref, src io.ReaderAt, size int64) (Attr, error)

	// Remove removes the version ref, or an empty directory (whose ETag is not
	// looked at; one that is not empty is ErrConflict). With an ETag that is not
	// the present one it is ErrConflict; with an empty ETag any version goes.
	// What is not there is ErrNotExist; the corpus itself (Key "") is ErrInvalid.
	Remove(ctx context.Context, ref Ref) error
}

// Local is implemented by a Store whose objects are local files.
type Local interface {
	// OpenLocal opens the version ref for reading, by the error rules of ReadAt.
	// The caller closes the file. The file holds that version for as long as it
	// is open.
	OpenLocal(ctx context.Context, ref Ref) (*os.File, error)
}

// AsLocal returns the Local behind s and its decorators, or false.
func AsLocal(s Store) (Local, bool) { return behind[Local](s) }

// behind returns the T behind s and its decorators, or false.
func behind[T any](s Store) (T, bool) {
	for {
		if t, ok := s.(T); ok {
			return t, true
		}
		u, ok := s.(interface{ Unwrap() Store })
		if !ok {
			var none T
			return none, false
		}
		s = u.Unwrap()
	}
}

// Prober is implemented by a Store that finds out at little cost, without waiting for
// a network, whether an object can be stored.
type Prober interface {
	// Probe returns the error with which Put of a small object in the directory dir
	// would fail now: ErrPermission, ErrNoSpace or ErrUnavailable. It changes nothing.
	// A directory that is not there counts as the one in which it would be made.
	Probe(ctx context.Context, dir string) error
}

// AsProber returns the Prober behind s and its decorators, or false.
func AsProber(s Store) (Prober, bool) { return behind[Prober](s) }

// The kinds of error. ErrNotModified is an answer rather than a failure.
var (
	ErrNotExist    = errors.New("does not exist")
	ErrPermission  = errors.New("permission denied by the store")
	ErrConflict    = errors.New("changed by somebody else")
	ErrStale       = errors.New("replaced by a newer version")
	ErrCorrupt     = errors.New("not what was asked for")
	ErrUnavailable = errors.New("store unavailable")
	ErrTooLarge    = errors.New("too large")
	// ErrNoSpace means that the store is full, or the quota of its user is used
	// up: nothing is wrong with the object itself. Nothing was stored.
	ErrNoSpace     = errors.New("no space left in the store")
	ErrNotModified = errors.New("not modified")
	// ErrInvalid is a key that this store cannot hold, or a target that is a
	// directory where an object is meant, or the reverse.
	ErrInvalid = errors.New("invalid name or kind of object")
)

// ErrReadOnly is the cause of an ErrPermission where nobody may write: the corpus is on
// a file system that is mounted read-only. It is not a kind.
var ErrReadOnly = errors.New("the corpus is on a read-only file system")

// ErrUnknownOutcome is the cause of an ErrConflict that [Retry] returns if an earlier try may
// have stored the object, and somebody has replaced it since. It is not a kind.
var ErrUnknownOutcome = errors.New("an earlier try may have succeeded")

// Error is an error of one of the kinds above with its circumstances. Its text
// never holds a credential.
type Error struct {
	Op        string // "read", "get", "stat", "list", "put", "remove"
	Key       string // Ref.Key
	Kind      error  // one of the kinds
	RequestID string // the server's, "" if none
	// RetryAfter is how long the store asked to be left alone: 0 if it did not ask,
	// a nanosecond if it said that it may be asked again at once.
	RetryAfter time.Duration
	Err        error // the cause, or nil
}

func (e *Error) Error() string {
	s := e.Op
	if e.Key != "" { // that of the corpus itself is ""
		s += " " + e.Key
	}
	s += ": " + e.Kind.Error()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.RequestID != "" {
		s += " (request " + e.RequestID + ")"
	}
	return s
}

// Unwrap gives errors.Is and errors.As the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
