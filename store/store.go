// Package store defines the contract between thothfs and the storage of its objects: a local
// directory (store/dir), Manta (store/manta) or memory (store/mem).
//
// Everything between the file system and HTTP is a [Store]. Retrying and counting work with any
// store: each is a decorator in this package, which embeds a Store and overrides some methods.
// Package storetest tests the contract on every store and every decorator. Package registry opens
// the store selected by --store.
//
// A store is safe for concurrent use and starts no goroutine that outlives a call. Nothing that
// it returns needs closing except an *os.File.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"strings"
	"time"
)

// Ref identifies one version of one object. A read through a Ref with an ETag always returns the
// same bytes or fails, so the result may be cached forever.
type Ref struct {
	// Key is the path below the corpus, slash-separated, without a leading or trailing slash:
	// "6433c1cc…/info.json". Components are opaque: they may be "." or "..", be longer than
	// 255 bytes, and contain any character except '/' and NUL. The key of the corpus
	// directory itself is "".
	Key string
	// ETag is the opaque version. Its meaning when empty depends on the method.
	ETag string
}

// Attr holds the attributes of an object or directory.
type Attr struct {
	// ETag is the version. For a directory it is a cheap change indicator: while it stays the
	// same, no entry was added or removed, as far as the store can tell without listing.
	// (Manta counts entries, so it misses one removal and one addition between two calls.)
	ETag    string
	Size    int64     // bytes; 0 for directories
	ModTime time.Time // UTC; zero if unknown
	MD5     []byte    // 16 bytes, or nil if unknown
	Dir     bool
}

// Entry is one entry of a directory.
type Entry struct {
	Name string
	Attr
}

// Store is an object store under one corpus directory. By errors.Is, an error matches exactly one
// of the kinds below, or it is the error of ctx.
type Store interface {
	// ReadAt reads into p from the object version ref, which must have an ETag, starting at
	// offset off. It follows io.ReaderAt: n < len(p) only with an error, which is io.EOF at
	// the end of the object. If the object was replaced, the error is ErrStale; if it was
	// removed, ErrNotExist; if the response is not exactly the requested range, ErrCorrupt. A
	// missing ETag, a negative offset or a directory is ErrInvalid. After an error, p may
	// hold garbage beyond n.
	ReadAt(ctx context.Context, ref Ref, p []byte, off int64) (n int, err error)

	// Get reads a small object whole, with its attributes, in one round trip. If known has an
	// ETag and the object is still that version, Get returns ErrNotModified and no data. If
	// the object is larger than limit bytes, Get returns ErrTooLarge without reading the
	// body. A directory is ErrInvalid. The caller owns the data.
	Get(ctx context.Context, known Ref, limit int64) ([]byte, Attr, error)

	// Stat returns the attributes of the object or directory at key. A key below an object
	// does not exist.
	Stat(ctx context.Context, key string) (Attr, error)

	// List yields the entries of a directory in byte order of their names, starting at the
	// first name >= from. It streams, and stops after an error. An absent directory is
	// ErrNotExist, an object ErrInvalid. Entries that are added or removed meanwhile may or
	// may not be seen. If the store cuts a listing short, List yields ErrUnavailable and
	// never just ends early.
	List(ctx context.Context, dir, from string) iter.Seq2[Entry, error]

	// Put stores size bytes of src as a new version of old.Key, provided that the current
	// version is old.ETag; an empty ETag means that the object must not exist. Otherwise it
	// fails with ErrConflict and changes nothing. There is no unconditional write. Put
	// creates missing parent directories. A partly written object is never visible. Put
	// verifies the stored data by MD5; if it differs, Put removes the object and returns
	// ErrCorrupt. If the store is full, the error is ErrNoSpace; if the store never accepts
	// such an object, ErrTooLarge. src is read in order, possibly more than once. If src
	// fails or ends early, Put returns its error (io.ErrUnexpectedEOF for an early end),
	// which has no kind. The returned Attr always has the MD5. A key that the store cannot
	// hold, the corpus itself, a directory, or a key below an object is ErrInvalid; a
	// directory may be ErrConflict if detecting it would take another round trip.
	//
	// ErrUnavailable from a store that is not wrapped in [Retry] means that the outcome is
	// unknown. Retry determines the outcome by reading back.
	Put(ctx context.Context, old Ref, src io.ReaderAt, size int64) (Attr, error)

	// Remove removes the object version ref, or an empty directory, whose ETag is ignored. A
	// directory that is not empty, or an ETag that is not the current one, is ErrConflict; an
	// empty ETag means any version. An absent object is ErrNotExist; the corpus itself (Key
	// "") is ErrInvalid.
	Remove(ctx context.Context, ref Ref) error
}

// Local is implemented by a Store whose objects are local files.
type Local interface {
	// OpenLocal opens the object version ref for reading. It returns the same errors as
	// ReadAt. The caller closes the file, which keeps that version while it is open.
	OpenLocal(ctx context.Context, ref Ref) (*os.File, error)
}

// AsLocal returns the Local that s is or wraps, or false.
func AsLocal(s Store) (Local, bool) { return behind[Local](s) }

// behind returns the T that s is or wraps, or false.
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

// Prober is implemented by a Store that can check cheaply, without using a network, whether it
// could store an object.
type Prober interface {
	// Probe returns the error that a Put of a small object in the directory dir would return
	// now: ErrPermission, ErrNoSpace or ErrUnavailable. It changes nothing. If dir does not
	// exist, it checks the directory in which dir would be created.
	Probe(ctx context.Context, dir string) error
}

// AsProber returns the Prober that s is or wraps, or false.
func AsProber(s Store) (Prober, bool) { return behind[Prober](s) }

// The kinds of error. ErrNotModified is a normal result, not a failure.
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
	// ErrInvalid means that the store cannot hold the key, or that the key is a directory
	// where an object is needed, or the reverse.
	ErrInvalid = errors.New("invalid name or kind of object")
)

// ErrReadOnly is the cause of an ErrPermission if the corpus is on a file system that is mounted
// read-only. It is not a kind.
var ErrReadOnly = errors.New("the corpus is on a read-only file system")

// ErrUnknownOutcome is the cause of an ErrConflict from [Retry] if an earlier try may have stored
// the object and another client has replaced it since. It is not a kind.
var ErrUnknownOutcome = errors.New("an earlier try may have succeeded")

// Error is an error of one of the kinds above, with details. Its text never contains a
// credential.
type Error struct {
	Op        string // "read", "get", "stat", "list", "put", "remove"
	Key       string // Ref.Key
	Kind      error  // one of the kinds
	RequestID string // from the server; "" if none
	// RetryAfter is the pause that the store requested: 0 if it requested none, 1 ns if it
	// said that the call may be repeated at once.
	RetryAfter time.Duration
	Err        error // the cause, or nil
}

func (e *Error) Error() string {
	s := e.Op
	if e.Key != "" { // the key of the corpus itself is ""
		s += " " + e.Key
	}
	s += ": " + e.Kind.Error()
	if e.Err != nil && !strings.HasPrefix(e.Kind.Error(), e.Err.Error()) { // not "permission denied by the store: permission denied"
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
