// Package store is the contract between thothfs and whatever keeps its objects: a local
// directory (store/dir), Manta (store/manta) or memory (store/mem).
//
// Everything between the file system and HTTP is a [Store]. Retrying and counting work for any
// store: each is a decorator in this package, which embeds a Store and overrides what it
// changes. Package storetest holds the contract as tests and runs them over every store and
// every decorator. Package registry opens the store that --store names.
//
// A store is safe for concurrent use, starts no goroutine that outlives a call, and nothing it
// returns needs closing except an *os.File.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"time"
)

// Ref names one version of one object. A read through a Ref with an ETag returns the same
// bytes forever, or fails; so what it returned may be cached forever.
type Ref struct {
	// Key is the path below the corpus, slash-separated, without a leading or
	// trailing slash: "6433c1cc…/info.json". Components are data: they may be
	// ".", "..", longer than 255 bytes, and hold any character but '/' and NUL.
	// The corpus directory itself is "".
	Key string
	// ETag is the version, opaque. Empty means "no version": see each method.
	ETag string
}

// Attr holds the attributes of an object or directory.
type Attr struct {
	// ETag is the version. The ETag of a directory is a cheap sign of change: while it
	// stays the same, no entry was added or removed as far as the store knows without
	// listing. (Manta counts entries, so it misses one removal and one addition between
	// two calls.)
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
	// an answer that is not exactly the requested range is ErrCorrupt. A missing
	// ETag, a negative offset and a directory are ErrInvalid. p may hold garbage
	// beyond n after an error.
	ReadAt(ctx context.Context, ref Ref, p []byte, off int64) (n int, err error)

	// Get reads a small object whole, with its attributes, in one round trip.
	// When known carries an ETag and the object is still that version it returns
	// ErrNotModified and no data. An object larger than limit bytes is
	// ErrTooLarge, before its body is read. A directory is ErrInvalid. The caller
	// owns the data.
	Get(ctx context.Context, known Ref, limit int64) ([]byte, Attr, error)

	// Stat describes the object or directory at key. A key below an object does not exist.
	Stat(ctx context.Context, key string) (Attr, error)

	// List yields the entries of a directory in byte order of their names, from
	// the first name >= from. It streams; after an error it stops. An absent directory is
	// ErrNotExist, an object ErrInvalid. Entries that come or go meanwhile may or may not
	// be seen. A listing that the store cut short is ErrUnavailable, never a shorter
	// listing.
	List(ctx context.Context, dir, from string) iter.Seq2[Entry, error]

	// Put stores size bytes of src as a new version of old.Key, provided that
	// the present version is old.ETag; an empty ETag means "must not exist". Otherwise it
	// fails with ErrConflict and changes nothing. There is no unconditional write. Put
	// makes missing parent directories. The object is never visible half-written. Put
	// verifies by MD5 what was stored; if it differs, Put removes it and returns
	// ErrCorrupt. A full store is ErrNoSpace; an object that this store never accepts is
	// ErrTooLarge. src is read in order, possibly more than once. If src fails or ends
	// early, Put returns its error (io.ErrUnexpectedEOF for an early end), which has no
	// kind. The returned Attr always has the MD5. A key that the store cannot hold, the
	// corpus itself, a directory, and a key below an object are ErrInvalid; a directory may
	// be ErrConflict where only another round trip would show that it is one.
	//
	// An ErrUnavailable from a bare store means that the outcome is unknown. The decorator
	// [Retry] finds it out by reading back.
	Put(ctx context.Context, old Ref, src io.ReaderAt, size int64) (Attr, error)

	// Remove removes the version ref, or an empty directory, whose ETag it ignores. A
	// directory that is not empty, and an ETag that is not the present one, are
	// ErrConflict; an empty ETag means any version. An absent object is ErrNotExist; the
	// corpus itself (Key "") is ErrInvalid.
	Remove(ctx context.Context, ref Ref) error
}

// Local is implemented by a Store whose objects are local files.
type Local interface {
	// OpenLocal opens the version ref for reading. Its errors are those of ReadAt. The
	// caller closes the file, which holds that version as long as it is open.
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

// Prober is implemented by a Store that can check cheaply, without a network, whether it could
// store an object.
type Prober interface {
	// Probe returns the error with which Put of a small object in the directory dir
	// would fail now: ErrPermission, ErrNoSpace or ErrUnavailable. It changes nothing.
	// For an absent directory it checks the one in which dir would be made.
	Probe(ctx context.Context, dir string) error
}

// AsProber returns the Prober behind s and its decorators, or false.
func AsProber(s Store) (Prober, bool) { return behind[Prober](s) }

// The kinds of error. ErrNotModified is an answer, not a failure.
var (
	ErrNotExist    = errors.New("does not exist")
	ErrPermission  = errors.New("permission denied by the store")
	ErrConflict    = errors.New("changed by somebody else")
	ErrStale       = errors.New("replaced by a newer version")
	ErrCorrupt     = errors.New("not what was asked for")
	ErrUnavailable = errors.New("store unavailable")
	ErrTooLarge    = errors.New("too large")
	// ErrNoSpace means that the store is full or its user is over quota. Nothing was stored.
	ErrNoSpace     = errors.New("no space left in the store")
	ErrNotModified = errors.New("not modified")
	// ErrInvalid is a key that this store cannot hold, or a directory in place of an object
	// or the reverse.
	ErrInvalid = errors.New("invalid name or kind of object")
)

// ErrReadOnly is the cause of an ErrPermission when the corpus is on a file system that is
// mounted read-only. It is not a kind.
var ErrReadOnly = errors.New("the corpus is on a read-only file system")

// ErrUnknownOutcome is the cause of an ErrConflict that [Retry] returns if an earlier try may
// have stored the object, and somebody has replaced it since. It is not a kind.
var ErrUnknownOutcome = errors.New("an earlier try may have succeeded")

// Error is an error of one of the kinds above with its circumstances. Its text never contains
// a credential.
type Error struct {
	Op        string // "read", "get", "stat", "list", "put", "remove"
	Key       string // Ref.Key
	Kind      error  // one of the kinds
	RequestID string // the server's, "" if none
	// RetryAfter is the pause that the store asked for: 0 if it did not ask, a nanosecond
	// if it said that the call may be repeated at once.
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

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
