package fusefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"syscall"
	"testing"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/store"
)

func TestErrnoOf(t *testing.T) {
	tests := []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{context.Canceled, syscall.EINTR},
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
		{fmt.Errorf("x: %w", corpus.ErrAmbiguous), syscall.ENOTUNIQ},
		{&store.Error{Kind: store.ErrNotExist}, syscall.ENOENT},
		{&store.Error{Kind: store.ErrPermission}, syscall.EACCES},
		{&store.Error{Kind: store.ErrPermission, Err: store.ErrReadOnly}, syscall.EROFS},
		{&store.Error{Kind: store.ErrConflict}, syscall.EBUSY},
		{&store.Error{Kind: store.ErrStale}, syscall.ESTALE},
		{&store.Error{Kind: store.ErrCorrupt}, syscall.EIO},
		{&store.Error{Kind: store.ErrUnavailable}, syscall.EIO},
		{&store.Error{Kind: store.ErrInvalid}, syscall.EIO},
		{&store.Error{Kind: store.ErrTooLarge}, syscall.EFBIG},
		{&store.Error{Kind: store.ErrNoSpace}, syscall.ENOSPC},
		{errors.Join(&store.Error{Kind: store.ErrConflict}, context.DeadlineExceeded), syscall.EBUSY},
		{errors.Join(&store.Error{Kind: store.ErrConflict}, context.Canceled), syscall.EINTR},
		{fmt.Errorf("cmd: %w", corpus.ErrReadOnlyField), syscall.EPERM},
		{document.ErrPresent, syscall.EEXIST},
		{document.ErrAbsent, syscall.ENODATA},
		{document.ErrEdit, syscall.EINVAL},
		{document.ErrTooLarge, syscall.EFBIG},
		{&document.DamagedError{Damage: "x"}, syscall.EIO},
		{fs.ErrNotOwner, syscall.EACCES},
		{fs.ErrFileTooBig, syscall.EFBIG},
		{fs.ErrNoRoom, syscall.ENOSPC},
		{fmt.Errorf("%w: %w", fs.ErrBadName, &store.Error{Kind: store.ErrInvalid}), syscall.EINVAL},
		{fs.ErrNoAttr, syscall.ENODATA},
		{fs.ErrAttrTooBig, syscall.E2BIG},
		{fmt.Errorf("%w: x", fs.ErrSpec), syscall.ENOENT},
		// A failure of the local disk or the database says nothing about the corpus.
		{iofs.ErrNotExist, syscall.EIO},
		{syscall.ENOENT, syscall.EIO},
		{syscall.ENOSYS, syscall.EIO},
		{io.ErrUnexpectedEOF, syscall.EIO},
		{errors.New("any other"), syscall.EIO},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.err), func(t *testing.T) {
			if got := errnoOf(tt.err); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
