package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"thothfs/corpus"
	"thothfs/dump/document"
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
		{errNotOwner, syscall.EACCES},
		{errFileTooBig, syscall.EFBIG},
		{errNoRoom, syscall.ENOSPC},
		{badName(&store.Error{Kind: store.ErrInvalid}), syscall.EINVAL},
		{errNoProperty, syscall.ENODATA},
		{errTooBig, syscall.E2BIG},
		{errShortBuffer, syscall.ERANGE},
		{fmt.Errorf("%w: x", errNotDecodable), syscall.ENOENT},
		// A failure of our own disk or database says nothing about the corpus.
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

func TestWords(t *testing.T) {
	var out logged
	w := newWords(slog.New(slog.NewTextHandler(&out, nil)))
	err := &store.Error{Op: "read", Key: "k", Kind: store.ErrUnavailable, RequestID: "req-7", Err: errors.New("reset")}
	for range 5 {
		w.failed("read", "/by-hash/x", syscall.EIO, err)
	}
	w.failed("read", "/by-hash/y", syscall.EIO, err)
	text := out.String()
	if n := strings.Count(text, "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for _, want := range []string{"op=read", "path=/by-hash/x", "request=req-7", "reset"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if unsaid, say := w.due("read\x00/by-hash/x\x00"+message(err), time.Now().Add(2*wordsEvery)); !say || unsaid != 4 {
		t.Errorf("a minute later: %v, %d left out", say, unsaid)
	}
}
