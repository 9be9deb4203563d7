package corpus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
)

// TestCanStore checks that the outcome of a call is used for a second, after which CanStore sends
// one request.
func TestCanStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		plant(t, s)
		c := open(t, options(t, s))
		can := func() error { return c.CanStore(t.Context(), AnalyzersDir) }
		puts := func() int { return s.Calls(mem.Put) }
		check := func(what string, want error, requests int) {
			t.Helper()
			before := puts()
			if err := can(); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
			if n := puts() - before; n != requests {
				t.Errorf("%s: %d requests, want %d", what, n, requests)
			}
		}
		check("nothing is known", nil, 1)
		check("known", nil, 0)
		s.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Kind: store.ErrPermission})
		check("known for a second", nil, 0)
		time.Sleep(verdictTime)
		check("denied", store.ErrPermission, 1)
		s.Heal()
		check("known to be denied", store.ErrPermission, 0)
		time.Sleep(verdictTime)
		check("allowed again", nil, 1)

		s.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Kind: store.ErrNoSpace})
		if err := c.PutAnalyzer(t.Context(), "a", []byte("x")); !errors.Is(err, store.ErrNoSpace) {
			t.Fatal(err)
		}
		check("full", store.ErrNoSpace, 0)
		time.Sleep(verdictTime)
		check("still full", store.ErrNoSpace, 1)
		s.Heal()
		time.Sleep(verdictTime)
		check("space again", nil, 1)

		release := make(chan struct{})
		s.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Block: release})
		time.Sleep(verdictTime)
		began := time.Now()
		check("silent", store.ErrUnavailable, 1)
		if waited := time.Since(began); waited != probeTime {
			t.Errorf("waited %v, want %v", waited, probeTime)
		}
		check("known to be silent", store.ErrUnavailable, 0)
		time.Sleep(verdictTime)
		began = time.Now()
		if err := can(); !errors.Is(err, store.ErrUnavailable) || time.Since(began) != probeGlance {
			t.Errorf("%v after %v, want %v", err, time.Since(began), probeGlance)
		}
		close(release)
		s.Heal()
		time.Sleep(verdictTime)
		check("back", nil, 1)

		time.Sleep(verdictTime)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.Inject(mem.Fault{Op: mem.Put, Delay: time.Second})
		if err := c.CanStore(ctx, AnalyzersDir); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that left: %v", err)
		}
	})
}

// TestProbeIsNoEdit checks that probing a store that was full, which writes an object, leaves no
// record in the history.
func TestProbeIsNoEdit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		plant(t, s)
		c := recording(t, s, "set")
		full := mem.Fault{Op: mem.Put, Times: mem.Always, Kind: store.ErrNoSpace}
		s.Inject(full)
		if err := c.PutAnalyzer(t.Context(), "a", []byte("x")); !errors.Is(err, store.ErrNoSpace) {
			t.Fatal(err)
		}
		for _, want := range []error{store.ErrNoSpace, nil} {
			synctest.Wait()
			time.Sleep(verdictTime)
			before := s.Calls(mem.Put)
			if err := c.CanStore(t.Context(), AnalyzersDir); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			synctest.Wait()
			if n := s.Calls(mem.Put) - before; n != 1 {
				t.Errorf("%d writes, want the probe alone", n)
			}
			s.Heal()
		}
		for _, key := range s.Keys() {
			if strings.HasPrefix(key, ".thothfs/history/") {
				t.Errorf("%s was stored", key)
			}
		}
	})
}

// TestSlowListIsNoRefusal checks that a slow listing does not count as a failure to write.
func TestSlowListIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		plant(t, s)
		c := open(t, options(t, s))
		if _, err := c.FilesNow(t.Context(), ident(0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(c.o.AttrTimeout + time.Millisecond)
		s.Inject(mem.Fault{Op: mem.List, Times: mem.Always, Delay: 2 * listTimeout})
		s.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Delay: 2 * probeGlance})
		if _, err := c.FilesNow(t.Context(), ident(0)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := c.CanStore(t.Context(), AnalyzersDir); err != nil {
				t.Error(err)
			}
			time.Sleep(verdictTime)
		}
	})
}
