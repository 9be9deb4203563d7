package dir

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"thothfs/store"
)

func TestKindOf(t *testing.T) {
	for no, want := range map[syscall.Errno]error{
		syscall.ENOENT: store.ErrNotExist, syscall.ENOTDIR: store.ErrNotExist, syscall.EACCES: store.ErrPermission,
		syscall.EPERM: store.ErrPermission, syscall.EROFS: store.ErrPermission, syscall.ENOSPC: store.ErrNoSpace,
		syscall.EDQUOT: store.ErrNoSpace, syscall.EFBIG: store.ErrTooLarge, syscall.EXDEV: store.ErrInvalid,
		syscall.EEXIST: store.ErrConflict, syscall.ENOTEMPTY: store.ErrConflict, syscall.ELOOP: store.ErrInvalid,
		syscall.EIO: store.ErrUnavailable, syscall.EMFILE: store.ErrUnavailable, syscall.ESTALE: store.ErrUnavailable,
	} {
		err := failure("put", "d/o", &os.PathError{Op: "open", Path: "/private/path", Err: no})
		if store.Kind(err) != want || !errors.Is(err, want) {
			t.Errorf("%v is %v, want %v", no, err, want)
		}
		has := &store.Error{Op: "put", Kind: store.ErrStale}
		if failure("put", "d/o", has) != error(has) {
			t.Error("an error with a kind was changed")
		}
	}
}

// TestDirectoryVersion checks that a recently changed directory, which may change again without a
// new mtime, gets a new version on every call until it has settled.
func TestDirectoryVersion(t *testing.T) {
	now := time.Now()
	old := version{ino: 1, mtime: now.Add(-time.Second).UnixNano()}
	young := version{ino: 1, mtime: now.Add(-time.Millisecond).UnixNano()}
	if a, b := old.directory(now), old.directory(now.Add(1)); a != b {
		t.Errorf("settled: %s, %s", a, b)
	}
	if a, b := young.directory(now), young.directory(now.Add(1)); a == b {
		t.Errorf("not settled: %s twice", a)
	}
}
