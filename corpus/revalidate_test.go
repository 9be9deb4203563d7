package corpus

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/store"
	"thothfs/store/mem"
)

func TestDumpRevalidates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 3)
		c := open(t, options(t, s))
		sync1(t, c)
		w, cancel := watch(c)
		defer cancel()
		get := func() *Dump {
			t.Helper()
			d, err := c.Dump(t.Context(), ident(1))
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		calls := s.Calls("")
		s.Set(infoKey(ident(1)), info(ident(1), "cmd1", "T-1", 1))
		if get().Text(catalog.Ticket) != "" || s.Calls("") != calls {
			t.Error("asked the store at once")
		}
		time.Sleep(2 * time.Second)
		if get().Text(catalog.Ticket) != "T-1" || s.Calls("") != calls+1 {
			t.Error("not one round trip")
		}
		wantCount(t, c, "ticket=T-1", 1)
		synctest.Wait()
		if ch := w.wait(t, 1); len(ch) != 1 || ch[0].New.Text(catalog.Ticket) != "T-1" || ch[0].Old.Text(catalog.Ticket) != "" {
			t.Errorf("%+v", ch)
		}
		time.Sleep(2 * time.Second)
		get()
		get()
		if s.Calls("") != calls+2 {
			t.Errorf("%d calls, want one", s.Calls("")-calls-1)
		}
		s.Delete(infoKey(ident(1)))
		time.Sleep(2 * time.Second)
		if _, err := c.Dump(t.Context(), ident(1)); !errors.Is(err, store.ErrNotExist) {
			t.Error(err)
		}
		wantCount(t, c, "", 2)
	})
}

func TestDumpOfOneThatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		c := open(t, options(t, s))
		for range 3 { // at most one request per second
			if _, err := c.Dump(t.Context(), ident(1)); !errors.Is(err, store.ErrNotExist) {
				t.Error(err)
			}
		}
		if n := s.Calls(""); n != 1 {
			t.Errorf("%d calls", n)
		}
		seed(s, 2)
		time.Sleep(2 * time.Second)
		if _, err := c.Dump(t.Context(), ident(1)); err != nil {
			t.Error(err)
		}
		wantCount(t, c, "", 1)
	})
}

func TestDumpWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 100)
		c := open(t, options(t, s))
		sync1(t, c)
		if _, err := c.Files(t.Context(), ident(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.Inject(mem.Fault{Kind: store.ErrUnavailable, Times: mem.Always})
		calls := s.Calls("")
		for i := range 100 {
			if d, err := c.Dump(t.Context(), ident(i)); err != nil || d.ID != ident(i) {
				t.Fatal(err)
			}
		}
		if files, err := c.Files(t.Context(), ident(1)); err != nil || len(files) != 1 {
			t.Error(files, err)
		}
		if n := s.Calls("") - calls; n != 1 {
			t.Errorf("%d calls to a store that is down", n)
		}
		if _, err := c.Dump(t.Context(), ident(200)); !errors.Is(err, store.ErrUnavailable) {
			t.Error(err) // nothing is known, so the error must not be ErrNotExist
		}
		if _, err := c.Files(t.Context(), ident(2)); !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
		s.Heal()
		s.Set(infoKey(ident(1)), info(ident(1), "back", "", 1))
		time.Sleep(unavailablePause + time.Second)
		if d, err := c.Dump(t.Context(), ident(1)); err != nil || d.Text(catalog.Cmd) != "back" {
			t.Error(d, err)
		}
	})
}

// TestDumpIsAskedOnce asks for the same dump many times while the first call is waiting for the
// store, and cancels the first.
func TestDumpIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 2)
		c := open(t, options(t, s))
		sync1(t, c)
		time.Sleep(time.Minute)
		calls := s.Calls("")
		s.Inject(mem.Fault{Delay: time.Hour, Times: 1})
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Dump(first, ident(1)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				if d, err := c.Dump(t.Context(), ident(1)); err != nil || d.Text(catalog.Cmd) != "cmd1" {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := s.Calls("") - calls; n != 1 {
			t.Errorf("%d calls, want the one of the first caller, which goes on without it", n)
		}
	})
}
