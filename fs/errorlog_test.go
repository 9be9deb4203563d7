package fs

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"thothfs/store"
)

func TestErrorLog(t *testing.T) {
	var out bytes.Buffer
	w := newErrorLog(slog.New(slog.NewTextHandler(&out, nil)))
	err := &store.Error{Op: "read", Key: "k", Kind: store.ErrUnavailable, RequestID: "req-7", Err: errors.New("reset")}
	for range 5 {
		w.failed("read", "/by-hash/x", "EIO", err)
	}
	w.failed("read", "/by-hash/y", "EIO", err)
	text := out.String()
	if n := strings.Count(text, "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for _, want := range []string{"op=read", "path=/by-hash/x", "request=req-7", "reset"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if suppressed, due := w.due("read\x00/by-hash/x\x00"+message(err), time.Now().Add(2*errorLogInterval)); !due || suppressed != 4 {
		t.Errorf("a minute later: %v, %d left out", due, suppressed)
	}
}
