package corpus

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/dump"
	"thothfs/store/mem"
)

// TestFilesNow checks that FilesNow asks a store that responds, and waits a second for one that
// does not.
func TestFilesNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		plant(t, s)
		s.Set("analyzers/a", []byte("a"))
		c := open(t, options(t, s))
		for _, id := range []dump.ID{ident(0), {}} {
			check := func(what string, lists int, waits time.Duration) {
				t.Helper()
				before, began := s.Calls(mem.List), time.Now()
				files, err := c.FilesNow(t.Context(), id)
				if err != nil || len(files) != 1 {
					t.Errorf("%s: %v, %v", what, files, err)
				}
				if n := s.Calls(mem.List) - before; n != lists {
					t.Errorf("%s: %d lists, want %d", what, n, lists)
				}
				if d := time.Since(began); d != waits {
					t.Errorf("%s: waited %v, want %v", what, d, waits)
				}
			}
			check("nothing is known", 1, 0)
			check("young", 0, 0)
			time.Sleep(c.o.AttrTimeout + time.Millisecond)
			check("old", 1, 0)
			time.Sleep(c.o.AttrTimeout + time.Millisecond)
			release := make(chan struct{})
			s.Inject(mem.Fault{Op: mem.List, Times: mem.Always, Block: release})
			check("silent", 1, listTimeout)
			check("left alone", 0, 0)
			close(release)
			s.Heal()
			time.Sleep(unavailablePause)
			check("back", 1, 0)
		}
	})
}

// TestSlowListsAreFinished checks that a list that always takes longer than callers wait is updated
// in the background, by one request for all callers.
func TestSlowListsAreFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		plant(t, s)
		c := open(t, options(t, s))
		files := func() int {
			t.Helper()
			files, err := c.FilesNow(t.Context(), ident(0))
			if err != nil {
				t.Fatal(err)
			}
			return len(files)
		}
		files()
		time.Sleep(time.Minute)
		s.Set(ident(0).String()+"/more", nil)
		s.Inject(mem.Fault{Op: mem.List, Times: mem.Always, Delay: 3 * listTimeout})
		lists := s.Calls(mem.List)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if n := files(); n != 1 {
					t.Errorf("%d files, want the one that is known", n)
				}
			})
		}
		wg.Wait()
		if n := s.Calls(mem.List) - lists; n != 1 {
			t.Errorf("%d lists, want 1", n)
		}
		time.Sleep(3 * listTimeout)
		if n := files(); n != 2 {
			t.Errorf("%d files, want 2", n)
		}
	})
}
