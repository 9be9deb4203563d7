package fusefs

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"thothfs/cache"
	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
	"thothfs/store/mem"
)

// TestReadWhileANodeFallsSilent checks reads while one of Manta's two storage nodes stops in the
// middle of every response and leaves the connection open. Reads must return the right bytes, and
// only missing bytes may be requested again.
func TestReadWhileANodeFallsSilent(t *testing.T) {
	const size, at = 30 << 20, 300 << 10
	content := noise(11, size)
	srv := mantatest.Start(t, mantatest.Options{})
	s, err := manta.Open(manta.Options{URL: srv.URL, Account: "u", NoAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from := mem.New()
	oneDump(t, content)(from)
	for _, key := range from.Keys() {
		data, _ := from.Data(key)
		if _, err := s.Put(t.Context(), store.Ref{Key: key}, bytes.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
	}
	var silent atomic.Int64
	half := mantatest.Share(0.5)
	node := func(r *http.Request) bool { return r.Header.Get("Range") != "" && half(r) }
	srv.Fault(mantatest.On{Method: http.MethodGet, Match: node}, mantatest.StallAt(at, nil), mantatest.Before(func() { silent.Add(1) }))

	retried := store.Retry(s, store.RetryOptions{Stall: 100 * time.Millisecond})
	blocks, err := cache.Open(cache.Options{Dir: t.TempDir(), Source: retried, Quota: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer blocks.Close()
	c, mnt := mountCorpus(t, retried, blocks)
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(mnt, "by-hash", hashA, "dump"))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// A stalled response delivered the first at bytes or everything; a hedged request counts twice.
	if n := silent.Load(); n == 0 || n > 2*(size/at+size/(128<<10)) {
		t.Errorf("%d answers from the node that dies", n)
	}
}
