package fusefs

import (
	"context"
	"errors"
	"syscall"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/store"
)

// errnoOf returns the errno for an error; no other function does this. An error that is not in the
// table becomes EIO, since a failure of this process does not mean that a file does not exist. No
// row contains ENOSYS, since the kernel would never make such a call again.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	for _, row := range [...]struct {
		kind  error
		errno syscall.Errno
	}{
		{context.Canceled, syscall.EINTR},
		{store.ErrConflict, syscall.EBUSY}, // other edits kept winning until the deadline
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
		{fs.ErrReadOnly, syscall.EROFS},
		{fs.ErrNotPermitted, syscall.EPERM},
		{fs.ErrNotSupported, syscall.EOPNOTSUPP},
		{fs.ErrNotOwner, syscall.EACCES},
		{fs.ErrCrossDevice, syscall.EXDEV},
		{fs.ErrNotDir, syscall.ENOTDIR},
		{fs.ErrGone, syscall.ESTALE},
		{fs.ErrInvalid, syscall.EINVAL},
		{fs.ErrNoData, syscall.ENXIO},
		{fs.ErrNoAttr, syscall.ENODATA},
		{fs.ErrAttrTooBig, syscall.E2BIG},
		{fs.ErrNoTicket, syscall.EINVAL},
		{fs.ErrTickets, syscall.EPERM},
		{fs.ErrBadName, syscall.EINVAL},
		{fs.ErrNameTooLong, syscall.ENAMETOOLONG},
		{fs.ErrExist, syscall.EEXIST},
		{fs.ErrNotEmpty, syscall.ENOTEMPTY},
		{fs.ErrFileTooBig, syscall.EFBIG},
		{fs.ErrNoRoom, syscall.ENOSPC},
		{document.ErrPresent, syscall.EEXIST},
		{document.ErrAbsent, syscall.ENODATA},
		{document.ErrEdit, syscall.EINVAL},
		{document.ErrTooLarge, syscall.EFBIG},
		{corpus.ErrReadOnlyField, syscall.EPERM},
		{corpus.ErrAmbiguous, syscall.ENOTUNIQ},
		{store.ErrNotExist, syscall.ENOENT},
		{store.ErrReadOnly, syscall.EROFS}, // must precede the kind that it wraps
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
