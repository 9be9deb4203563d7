package fs

import (
	"context"
	"errors"
	"syscall"

	"thothfs/corpus"
	"thothfs/store"
)

// What the tree itself has to say. Everything else comes from below.
var (
	errNoProperty   = errors.New("no such property")
	errNotDecodable = errors.New("malformed specification or name")
	errTooBig       = errors.New("value too big for an extended attribute")
	errShortBuffer  = errors.New("buffer too small")
)

// errnoOf is the only place where an error becomes an errno. What is not in the
// table is EIO: a failure of our own must not tell anybody that a file does not
// exist. ENOSYS is never among the answers, since the kernel would never ask again.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	for _, row := range [...]struct {
		kind  error
		errno syscall.Errno
	}{
		{context.Canceled, syscall.EINTR},
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
		{errNoProperty, syscall.ENODATA},
		{errNotDecodable, syscall.ENOENT},
		{errTooBig, syscall.E2BIG},
		{errShortBuffer, syscall.ERANGE},
		{corpus.ErrAmbiguous, syscall.ENOTUNIQ},
		{store.ErrNotExist, syscall.ENOENT},
		{store.ErrPermission, syscall.EACCES},
		{store.ErrConflict, syscall.EBUSY},
		{store.ErrStale, syscall.ESTALE},
	} {
		if errors.Is(err, row.kind) {
			return row.errno
		}
	}
	return syscall.EIO
}

// isExpected tells the errnos that are answers rather than failures: they are
// counted, not logged.
func isExpected(errno syscall.Errno) bool {
	switch errno {
	case 0, syscall.EINTR, syscall.ENODATA, syscall.ENOENT, syscall.ENOTUNIQ, syscall.ERANGE:
		return true
	}
	return false
}
