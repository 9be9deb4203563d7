package corpus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sync/singleflight"

	"thothfs/corpus/changelog"
	"thothfs/corpus/history"
	"thothfs/store"
)

// Options say which corpus, and how closely to follow it.
type Options struct {
	Store store.Store
	// Name identifies the store, for the catalogue's file.
	Name string
	// Root is the path that "name" and "dump" in info.json begin with:
	// "/USER/stor/thoth".
	Root string
	// Dir is the private directory of the catalogue; it is made (0700) if absent.
	Dir string
	// Poll is how often Run looks at the store; 0 is never.
	Poll time.Duration
	// AttrTimeout is how long Dump trusts a document without asking the store.
	AttrTimeout time.Duration
	// Revalidate is the age from which a document that nobody looked at is read
	// again in the background; 0 is 20 times Poll, at least ten minutes.
	Revalidate time.Duration
	// Changes has the edits and uploads of this process told to others, in the change
	// log of the corpus, and what its edits replace kept in the history. The log of
	// others is read in any case.
	Changes bool
	// By, With and How say in the history who edits (user@host), with which program, and
	// by which verb; for How see also WithHow.
	By, With, How string
	// Log may be nil.
	Log *slog.Logger
}

// ErrAmbiguous is a prefix that several hashes have.
var ErrAmbiguous = errors.New("ambiguous")

// Corpus is the dumps of one store.
type Corpus struct {
	o      Options
	store  store.Store
	log    *slog.Logger
	now    func() time.Time                             // a test's clock
	host   func() host                                  // a test's machine
	listen func(path string) (*fsnotify.Watcher, error) // a test's deafness

	cat           *catalogue
	events        *events
	revalidations *revalidations
	stale         *staleLists
	editLocks     *keyedMutex
	availability  availability
	probing       singleflight.Group // of the probe of CanStore
	unwritable    atomic.Bool        // the catalogue, as far as logged
	state         *syncState
	asOf          atomic.Int64 // when that was last noted, in milliseconds

	changes   *changelog.Writer // nil: none is written
	logReader changelog.Reader
	history   history.History
	recorder  *history.Recorder // nil: none is written
	skew      atomic.Int64      // how far the store's clock is ahead of now, in nanoseconds

	syncing chan struct{} // holds a token while a reconciliation goes on

	wholeMu   sync.Mutex     // guards whole
	wholeRun  *wholeRun      // that goes on; nil: none
	wholeRuns sync.WaitGroup // those that go on, or are about to end

	journalMu   sync.Mutex // guards what follows; held while other processes' changes are told
	journalSeen int64
	resets      int // of cat
}

// Open opens the catalogue of a corpus, making or rebuilding it if need be. It
// does not touch the store. The caller closes the Corpus.
func Open(ctx context.Context, o Options) (*Corpus, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Revalidate == 0 {
		o.Revalidate = max(20*o.Poll, 10*time.Minute)
	}
	cat, err := openCatalogue(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("catalogue in %s: %w", o.Dir, err)
	}
	c := &Corpus{o: o, store: o.Store, log: o.Log, now: time.Now, listen: listen, cat: cat, events: newEvents(), state: newSyncState(), revalidations: newRevalidations(), stale: newStaleLists(), editLocks: newKeyedMutex(), host: thisHost, syncing: make(chan struct{}, 1)}
	c.history = history.History{Store: o.Store, Log: o.Log}
	c.logReader = changelog.Reader{Store: o.Store, State: cat, Now: func() time.Time { return c.now() }}
	if err := c.loadState(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("catalogue in %s: %w", o.Dir, err)
	}
	if o.Changes {
		c.changes, c.recorder = changelog.NewWriter(o.Store, c.storeNow, o.Log), history.NewRecorder(c.history, c.storeNow)
	}
	return c, nil
}

// Close ends the calling of subscribers, stores what is left to be told to others, for
// which it waits up to five seconds, and closes the catalogue. Run and all
// other calls have ended before; it must not be called by a subscriber.
func (c *Corpus) Close() error {
	c.wholeRuns.Wait() // nobody waits for it any more
	c.awaitProbe()
	c.recorder.Close()
	c.changes.Close()
	c.events.close()
	return c.cat.close()
}

// Generation moves with every visible change of the corpus. It starts anew with
// the process.
func (c *Corpus) Generation() uint64 { return c.events.generation.Load() }
