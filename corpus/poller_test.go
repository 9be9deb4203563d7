package corpus

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"thothfs/corpus/catalog"
	"thothfs/store"
	"thothfs/store/mem"
)

// running runs a corpus in the bubble until the test ends.
func running(t *testing.T, c *Corpus) {
	// Time in a bubble stops while one of its goroutines reads a file.
	c.watchChanged = func(string) (*fsnotify.Watcher, error) { return nil, errors.New("a test's") }
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 50)
		time.Sleep(time.Hour) // old enough not to be listed twice
		o := options(t, s)
		o.Revalidate = 24 * time.Hour
		c := open(t, o)
		running(t, c)
		time.Sleep(time.Second)
		wantCount(t, c, "", 50)
		lists, gets, stats := s.Calls(mem.List), s.Calls(mem.Get), s.Calls(mem.Stat)
		time.Sleep(10 * o.Poll)
		if s.Calls(mem.List) != lists || s.Calls(mem.Get) != gets || s.Calls(mem.Stat) != stats+20 { // one each for the corpus and its change log
			t.Errorf("idle polls: %d lists, %d gets, %d stats", s.Calls(mem.List)-lists, s.Calls(mem.Get)-gets, s.Calls(mem.Stat)-stats)
		}
		time.Sleep(11 * o.Poll)
		if n := s.Calls(mem.List) - lists; n != 1 {
			t.Errorf("%d lists in 21 polls in which nothing changed, want 1", n)
		}
		s.Set(infoKey(ident(50)), info(ident(50), "new", "", 1))
		s.Delete(ident(0).String())
		time.Sleep(o.Poll)
		wantCount(t, c, "", 50)
		wantCount(t, c, "cmd=new", 1)
		if n := s.Calls(mem.Get) - gets; n != 1 {
			t.Errorf("%d documents read for one new dump", n)
		}
	})
}

func TestBackgroundRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 500)
		o := options(t, s)
		c := open(t, o)
		running(t, c)
		time.Sleep(time.Second)
		s.Set(infoKey(ident(3)), info(ident(3), "cmd3", "T-1", 1))
		gets := s.Calls(mem.Get)
		time.Sleep(c.o.Revalidate + 5*o.Poll)
		wantCount(t, c, "ticket=T-1", 1)
		if n := s.Calls(mem.Get) - gets; n < 500 || n > 700 {
			t.Errorf("%d documents read", n)
		}
	})
}

func TestUnfinishedUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 5)
		s.Set(ident(9).String()+"/core", []byte("x"))
		o := options(t, s)
		o.Revalidate = 1000 * time.Hour
		c := open(t, o)
		running(t, c)
		time.Sleep(time.Second)
		gets := s.Calls(mem.Get)
		time.Sleep(5 * time.Hour)
		if n := s.Calls(mem.Get) - gets; n < 10 || n > 40 {
			t.Errorf("looked at an unfinished upload %d times in 5 hours", n)
		}
		s.Set(infoKey(ident(9)), info(ident(9), "done", "", 1))
		time.Sleep(time.Hour + o.Poll)
		wantCount(t, c, "cmd=done", 1)
	})
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 5)
		var log lockedBuffer
		o := options(t, s)
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		c := open(t, o)
		running(t, c)
		time.Sleep(time.Second)
		s.Inject(mem.Fault{Kind: store.ErrUnavailable, Times: mem.Always})
		stats := s.Calls(mem.Stat)
		time.Sleep(10 * time.Hour)
		wantCount(t, c, "", 5)
		if n := strings.Count(log.String(), "level=WARN"); n > 2 {
			t.Errorf("%d warnings in one outage:\n%s", n, log.String())
		}
		if n := s.Calls(mem.Stat) - stats; n > 150 {
			t.Errorf("%d polls in 10 hours of outage", n)
		}
		s.Heal()
		s.Set(infoKey(ident(7)), info(ident(7), "new", "", 1))
		time.Sleep(maxBackoff + time.Second)
		wantCount(t, c, "cmd=new", 1)
		if !strings.Contains(log.String(), "the store is back") {
			t.Error(log.String())
		}
	})
}

func TestFirstSyncRetriesWithoutPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 5)
		o := options(t, s)
		o.Poll = 0
		c := open(t, o)
		s.Inject(mem.Fault{Kind: store.ErrUnavailable, Times: 3})
		running(t, c)
		time.Sleep(time.Minute)
		wantCount(t, c, "", 5)
		calls := s.Calls("")
		time.Sleep(2 * maxBackoff) // each two seconds of it read the catalogue
		if s.Calls("") != calls {
			t.Error("polls anyway")
		}
	})
}

// TestRunTellsOtherProcessesChanges opens another corpus on the same catalogue file.
func TestRunTellsOtherProcessesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 5)
		o := options(t, s)
		o.Poll = time.Hour
		a, b := open(t, o), open(t, o)
		running(t, a)
		time.Sleep(time.Second)
		w, cancel := watch(a)
		defer cancel()
		s.Set(infoKey(ident(7)), info(ident(7), "new", "", 1))
		sync1(t, b)
		time.Sleep(2 * followInterval)
		if ch := w.wait(t, 1); ch[0].ID != ident(7) || ch[0].Old != nil || ch[0].New.Text(catalog.Cmd) != "new" {
			t.Errorf("%+v", ch)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCanceledSubscriberIsNotCalled(t *testing.T) {
	c := open(t, options(t, mem.New()))
	called := make(chan struct{})
	var cancel func()
	defer c.Subscribe(func([]Change) { cancel() })()
	cancel = c.Subscribe(func([]Change) { t.Error("called after cancel") })
	defer c.Subscribe(func([]Change) { close(called) })()
	c.events.emit(Change{ID: ident(0), New: &Dump{}})
	<-called
}

// TestCancelWaitsForTheSubscriber relies on the race detector to notice a cancel that does not wait.
func TestCancelWaitsForTheSubscriber(t *testing.T) {
	c := open(t, options(t, mem.New()))
	begun, ended := make(chan struct{}), false
	cancel := c.Subscribe(func([]Change) {
		close(begun)
		runtime.Gosched()
		ended = true
	})
	c.events.emit(Change{ID: ident(0), New: &Dump{}})
	<-begun
	if cancel(); !ended {
		t.Error("cancel returned during a call")
	}
}

func TestSlowSubscriber(t *testing.T) {
	c := open(t, options(t, mem.New()))
	release := make(chan struct{})
	var got [][]Change
	done := make(chan struct{}, 100)
	cancel := c.Subscribe(func(ch []Change) {
		got = append(got, ch)
		done <- struct{}{}
		<-release
	})
	defer cancel()
	c.events.emit(Change{ID: ident(0), New: &Dump{}})
	<-done
	for i := range maxQueue + 100 { // must not block
		c.events.emit(Change{ID: ident(i), New: &Dump{}})
	}
	close(release)
	<-done
	if ch := got[1]; !ch[0].Everything() || len(ch) > 101 {
		t.Errorf("%d changes, the first %+v", len(ch), ch[0])
	}
	cancel()
	c.events.emit(Change{ID: ident(0), New: &Dump{}})
	if len(done) != 0 {
		t.Error("called after cancel")
	}
}
