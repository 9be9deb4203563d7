package fs

import (
	"context"
	"errors"
	"syscall"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/store"
)

// What the tree itself has to say. Everything else comes from below.
var (
	errNoProperty   = errors.New("no such property")
	errNotDecodable = errors.New("malformed specification or name")
	errTooBig       = errors.New("value too big for an extended attribute (64 KiB): use the file properties/NAME")
	errShortBuffer  = errors.New("buffer too small")
	errNotOwner     = errors.New("only the owner of the mount and root may write")
	errNoTicket     = errors.New("a ticket cannot be empty: remove it instead")
	errTickets      = errors.New("the dump has more than one ticket: set it in user.thoth.ticket")
	errName         = errors.New("not a name that can be stored")
	errLongName     = errors.New("name too long")
	errExists       = errors.New("is there already")
	errNotEmpty     = errors.New("dumps have that ticket already")
	errFileTooBig   = errors.New("more than can be stored (16 MiB)")
	errNoRoom       = errors.New("too much is being written at a time")
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
		{store.ErrConflict, syscall.EBUSY}, // others were faster until the deadline
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
		{errNoProperty, syscall.ENODATA},
		{errNotDecodable, syscall.ENOENT},
		{errTooBig, syscall.E2BIG},
		{errShortBuffer, syscall.ERANGE},
		{errNotOwner, syscall.EACCES},
		{errNoTicket, syscall.EINVAL},
		{errTickets, syscall.EPERM},
		{errName, syscall.EINVAL},
		{errLongName, syscall.ENAMETOOLONG},
		{errExists, syscall.EEXIST},
		{errNotEmpty, syscall.ENOTEMPTY},
		{errFileTooBig, syscall.EFBIG},
		{errNoRoom, syscall.ENOSPC},
		{document.ErrPresent, syscall.EEXIST},
		{document.ErrAbsent, syscall.ENODATA},
		{document.ErrEdit, syscall.EINVAL},
		{document.ErrTooLarge, syscall.EFBIG},
		{corpus.ErrReadOnlyField, syscall.EPERM},
		{corpus.ErrAmbiguous, syscall.ENOTUNIQ},
		{store.ErrNotExist, syscall.ENOENT},
		{store.ErrReadOnly, syscall.EROFS}, // before its kind
		{store.ErrPermission, syscall.EACCES},
		{store.ErrStale, syscall.ESTALE},
		{store.ErrTooLarge, syscall.EFBIG},
		{store.ErrNoSpace, syscall.ENOSPC},
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
	case 0, syscall.EINTR, syscall.EEXIST, syscall.ENODATA, syscall.ENOENT, syscall.ENOTEMPTY, syscall.ENOTUNIQ, syscall.ERANGE:
		return true
	}
	return false
}
