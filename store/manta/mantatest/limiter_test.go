package mantatest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiter checks that all senders share the bandwidth and take turns.
func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sharedLine
		began := time.Now()
		if err := (&sender{line: &l}).wait(t.Context(), 1<<30); err != nil || time.Since(began) != 0 {
			t.Errorf("without a limit: %v, %v", time.Since(began), err)
		}
		l.set(1000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				s := sender{line: &l}
				for range 5 {
					if err := s.wait(t.Context(), 100); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("2000 bytes at 1000 bytes/s took %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := (&sender{line: &l}).wait(ctx, 1<<20); err != context.DeadlineExceeded {
			t.Errorf("given up: %v", err)
		}
	})
}

// TestLimiterMakesUpForLateTimers checks that a lone sender of many small pieces gets the full
// bandwidth although every timer is a little late.
func TestLimiterMakesUpForLateTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sharedLine
		l.set(1_000_000)
		s, began := sender{line: &l}, time.Now()
		for range 1000 {
			if err := s.wait(t.Context(), 500); err != nil { // half a millisecond
				t.Fatal(err)
			}
			if time.Now().Before(s.free.Add(time.Millisecond)) {
				time.Sleep(time.Until(s.free.Add(time.Millisecond)))
			}
		}
		if d := time.Since(began); d < 500*time.Millisecond || d > 502*time.Millisecond {
			t.Errorf("500,000 bytes at 1,000,000 bytes/s took %v", d)
		}
	})
}

// TestLimiterGivesNothingForRest checks that unused bandwidth is lost.
func TestLimiterGivesNothingForRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l sharedLine
		l.set(1000)
		s, other := sender{line: &l}, sender{line: &l}
		for range 3 {
			began := time.Now()
			if err := s.wait(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(began); d < 100*time.Millisecond-lag || d > 100*time.Millisecond {
				t.Errorf("100 bytes at 1000 bytes/s took %v", d)
			}
			time.Sleep(time.Minute)
		}
		began := time.Now()
		if err := other.wait(t.Context(), 100); err != nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("the first 100 bytes of another took %v, %v", time.Since(began), err)
		}
	})
}

// TestShape checks that the responses of another server share the line and are counted.
func TestShape(t *testing.T) {
	s := Start(t, Options{Latency: time.Millisecond, Bandwidth: 1 << 30})
	h := httptest.NewServer(s.Shape(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	})))
	defer h.Close()
	req, _ := http.NewRequest(http.MethodGet, h.URL, nil)
	req.Header.Set("Range", "bytes=2-4")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "234" || resp.StatusCode != http.StatusPartialContent {
		t.Errorf("%d %q, %v", resp.StatusCode, body, err)
	}
	http.DefaultClient.CloseIdleConnections()
	if c := s.Counters(); c.Total != 1 || c.BodyBytes != 3 {
		t.Errorf("counted %+v", c)
	}
}
