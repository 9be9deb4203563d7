package dir

import (
	"context"
	"errors"
	"syscall"

	"thothfs/store"
)

func invalid(op, key string, cause error) error {
	return &store.Error{Op: op, Key: key, Kind: store.ErrInvalid, Err: cause}
}

var (
	errNotRegular = errors.New("neither a regular file nor a directory")
	errDirectory  = errors.New("it is a directory")
	errNotDir     = errors.New("it is not a directory")
)

// failure converts an error of the operating system to a store.Error with a kind. It returns nil,
// context errors, and errors that already have a kind unchanged.
func failure(op, key string, err error) error {
	var has *store.Error
	switch {
	case err == nil, errors.As(err, &has), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	kind, cause := kindOf(err)
	return &store.Error{Op: op, Key: key, Kind: kind, Err: cause}
}

// kindOf maps errnos to kinds. os.Root reports a link out of the corpus without an errno.
func kindOf(err error) (kind, cause error) {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return store.ErrPermission, errors.New("a symbolic link leads out of the corpus")
	}
	switch no {
	case syscall.ENOENT, syscall.ENOTDIR:
		return store.ErrNotExist, nil
	case syscall.EACCES, syscall.EPERM:
		return store.ErrPermission, no
	case syscall.EROFS:
		return store.ErrPermission, store.ErrReadOnly
	case syscall.ENOSPC:
		return store.ErrNoSpace, errors.New("the disk of the corpus is full")
	case syscall.EDQUOT:
		return store.ErrNoSpace, errors.New("over the disk quota of the corpus")
	case syscall.EFBIG:
		return store.ErrTooLarge, errors.New("the file system of the corpus does not take files of that size")
	case syscall.EXDEV:
		return store.ErrInvalid, errors.New("this directory is on another file system than the corpus")
	case syscall.ENOTEMPTY, syscall.EEXIST:
		return store.ErrConflict, no
	case syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EISDIR, syscall.EINVAL:
		return store.ErrInvalid, no
	}
	return store.ErrUnavailable, no
}
