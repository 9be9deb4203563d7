package manta_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

// impatient returns a Retry that gives a stalled server 50 ms.
func impatient(s store.Store) store.Store {
	return store.Retry(s, store.RetryOptions{Stall: 50 * time.Millisecond, LongStall: 50 * time.Millisecond, First: time.Millisecond})
}

// TestStall checks that Retry finally gives up on a server that stalls forever.
func TestStall(t *testing.T) {
	for _, at := range []int64{0, 3} {
		for _, op := range []string{"read", "get", "list"} {
			srv, bare := start(t)
			ref := plant(t, srv, "d/o", text)
			srv.Fault(mantatest.On{}, mantatest.StallAt(at, nil))
			if op == "read" && at > 0 {
				continue // each try makes progress: see TestReadGoesOnElsewhere
			}
			err := calls(impatient(bare), ref)[op](t.Context())
			if store.Kind(err) != store.ErrUnavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("%s at %d: %v", op, at, err)
			}
		}
	}
}

// TestReadGoesOnElsewhere checks that a stalled response is continued over a new connection, from
// the byte where it stopped and with the same version.
func TestReadGoesOnElsewhere(t *testing.T) {
	var asked []string
	var mu sync.Mutex
	srv := mantatest.Start(t, mantatest.Options{Trace: func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Header.Get("Range"))
	}})
	bare := open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true})
	ref := plant(t, srv, "d/o", strings.Repeat("0123456789", 10))
	s := impatient(bare)
	if _, err := s.Stat(t.Context(), ref.Key); err != nil { // leaves an idle connection
		t.Fatal(err)
	}
	asked = nil
	before := srv.Counters().Connections
	srv.Fault(mantatest.On{Method: http.MethodGet, Times: 3}, mantatest.StallAt(20, nil))
	p := make([]byte, 100)
	if n, err := s.ReadAt(t.Context(), ref, p, 0); n != 100 || err != nil || string(p) != strings.Repeat("0123456789", 10) {
		t.Errorf("%q, %v", p[:n], err)
	}
	if want := []string{"bytes=0-99", "bytes=20-99", "bytes=40-99", "bytes=60-99"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	if n := srv.Counters().Connections - before; n != 3 {
		t.Errorf("%d new connections, want one for each answer that fell silent", n)
	}
}

// TestDeadIdleConnections checks that dead idle connections cost one wait in total, not one each.
func TestDeadIdleConnections(t *testing.T) {
	srv, bare := start(t)
	ref := plant(t, srv, "d/o", text)
	var old sync.Map // addresses of the connections that will die
	var all, in sync.WaitGroup
	in.Add(8)
	srv.Fault(mantatest.On{}, mantatest.AnswerWith(func(w http.ResponseWriter, r *http.Request) {
		old.Store(r.RemoteAddr, true)
		in.Done()
		in.Wait() // all at once, so that each has its own connection
		w.WriteHeader(http.StatusNotFound)
	}))
	for range 8 {
		all.Go(func() { bare.Stat(t.Context(), ref.Key) })
	}
	all.Wait()
	srv.ClearFaults()
	died := func(r *http.Request) bool { _, was := old.Load(r.RemoteAddr); return was }
	srv.Fault(mantatest.On{Match: died}, mantatest.AnswerWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	s := store.Count(bare)
	if _, err := impatient(s).Stat(t.Context(), ref.Key); err != nil {
		t.Error(err)
	}
	if n := s.Snapshot().Stat.Calls; n != 2 {
		t.Errorf("%d tries, want one over a dead connection and one over a new one", n)
	}
}

// TestSlowLineIsNotCut checks that a slow connection is not closed while it makes progress.
func TestSlowLineIsNotCut(t *testing.T) {
	srv, bare := start(t)
	data := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	ref := plant(t, srv, "d/o", data)
	srv.SetBandwidth(512 << 10)
	s := store.Count(bare)
	p := make([]byte, len(data))
	o := store.RetryOptions{Stall: time.Second}
	if _, err := store.Retry(s, o).ReadAt(t.Context(), ref, p, 0); err != nil || string(p) != data {
		t.Error(err)
	}
	if n := s.Snapshot().Read; n.Calls != 1 {
		t.Errorf("%+v", n)
	}
}
