package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	for _, step := range []struct {
		f    *os.File
		mode Mode
		want error
	}{
		{a, Shared, nil}, {b, Shared, nil}, {a, Exclusive, ErrLocked}, {a, Shared, nil},
		{b, Exclusive, ErrLocked}, {b, Shared, nil},
	} {
		if err := TryLock(step.f, step.mode); err != step.want {
			t.Fatalf("%+v: %v", step, err)
		}
	}
	a.Close()
	if err := TryLock(b, Exclusive); err != nil {
		t.Fatalf("after the other has closed: %v", err)
	}
	if err := TryLock(open(t, path), Shared); err != ErrLocked {
		t.Fatalf("beside an exclusive lock: %v", err)
	}
	if err := TryLock(a, Shared); err == nil || err == ErrLocked {
		t.Fatalf("of a closed file: %v", err)
	}
}

func TestLockWaits(t *testing.T) {
	locks := map[string]func(context.Context, *os.File) error{
		"file": func(ctx context.Context, f *os.File) error { return Lock(ctx, f, Exclusive) },
		"byte": func(ctx context.Context, f *os.File) error { return LockByte(ctx, f, 1<<40) },
	}
	for name, lock := range locks {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lock")
			a, b := open(t, path), open(t, path)
			if err := lock(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if err := lock(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("while the other has it: %v", err)
			}
			got := make(chan error, 1)
			go func() { got <- lock(t.Context(), b) }()
			a.Close()
			if err := <-got; err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOtherBytesStayFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	if err := errors.Join(LockByte(t.Context(), a, 1), LockByte(t.Context(), b, 2)); err != nil {
		t.Fatal(err)
	}
}

func TestInterruptedCallsAreRepeated(t *testing.T) {
	for _, end := range []error{nil, unix.EAGAIN, unix.EACCES, unix.ENOLCK} {
		calls := 0
		err := try(func() error {
			if calls++; calls < 3 {
				return unix.EINTR
			}
			return end
		})
		want := end
		if end == unix.EAGAIN || end == unix.EACCES {
			want = ErrLocked
		}
		if err != want || calls != 3 {
			t.Errorf("%v: %v after %d calls", end, err, calls)
		}
	}
}
