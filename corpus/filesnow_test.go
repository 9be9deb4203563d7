package corpus

import (
	"testing"
	"testing/synctest"
	"time"

	"thothfs/dump"
	"thothfs/store/mem"
)

// FilesNow asks a store that answers, and does not wait long for one that does not.
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
