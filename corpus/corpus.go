package corpus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"

	"thothfs/corpus/catalog"
	"thothfs/corpus/changelog"
	"thothfs/corpus/history"
	"thothfs/internal/keyedlock"
	"thothfs/store"
)

// Options specify which corpus to open and how closely to follow it.
type Options struct {
	Store store.Store
	// Name identifies the store and is part of the name of the catalogue file.
	Name string
	// Root is the prefix of the paths "name" and "dump" in info.json: "/USER/stor/thoth".
	Root string
	// Dir is the private directory of the catalogue. It is created with mode 0700 if necessary.
	Dir string
	// Poll is how often Run asks the store for changes; 0 means never.
	Poll time.Duration
	// AttrTimeout is how long Dump uses a document without checking it against the store.
	AttrTimeout time.Duration
	// Revalidate is the age at which a document is read again in the background. 0 means 20 times
	// Poll, but at least ten minutes.
	Revalidate time.Duration
	// Changes makes this process write its edits and uploads to the change log of the corpus, and
	// what its edits replace to the history. Entries by others are read in any case.
	Changes bool
	// By (user@host), With (the program) and How (the verb) describe the editor in the history.
	// WithHow overrides How.
	By, With, How string
	// Log may be nil.
	Log *slog.Logger
}

func (o Options) identity() string { return o.Name + "\x00" + o.Root }

// Exists reports whether this machine has a catalogue of the corpus.
func Exists(o Options) bool {
	_, err := os.Stat(catalog.Path(o.Dir, o.identity()))
	return err == nil
}

// OpenKnown opens what this machine knows of a corpus, for queries that must neither ask the store nor
// create files. It fails if there is no catalogue. The caller must call close.
func OpenKnown(ctx context.Context, o Options) (r *catalog.Reader, close func() error, err error) {
	cat, err := catalog.OpenReadOnly(ctx, o.Dir, o.identity())
	if err != nil {
		return nil, nil, err
	}
	refuse := func(context.Context) error { return catalog.ErrRebuilt }
	return &catalog.Reader{Catalog: cat, Now: time.Now, Refill: refuse}, cat.Close, nil
}

// ErrAmbiguous means that several hashes begin with a prefix.
var ErrAmbiguous = errors.New("ambiguous")

// Types of the catalogue that describe dumps.
type (
	Dump   = catalog.Dump
	Row    = catalog.Row
	Field  = catalog.Field
	Value  = catalog.Value
	Change = catalog.Change
)

// InfoName is the name of the document in the directory of a dump.
const InfoName = catalog.InfoName

// Corpus represents the dumps of one store.
type Corpus struct {
	*base
	*catalog.Reader
	*syncer
	*dumpReader
	watchChanged func(path string) (*fsnotify.Watcher, error) // replaced in tests

	editLocks keyedlock.Mutexes[string]

	changes  *changelog.Writer // nil if no entries are written
	history  history.History
	recorder *history.Recorder // nil if no records are written
}

// Open opens the catalogue of a corpus, creating or rebuilding it if necessary. It does not access
// the store. The caller must close the Corpus.
func Open(ctx context.Context, o Options) (*Corpus, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Revalidate == 0 {
		o.Revalidate = max(20*o.Poll, 10*time.Minute)
	}
	cat, err := catalog.Open(ctx, o.Dir, o.identity(), o.Log)
	if err != nil {
		return nil, fmt.Errorf("catalogue in %s: %w", o.Dir, err)
	}
	shared := &base{o: o, store: o.Store, log: o.Log, now: time.Now, cat: cat, events: newEvents()}
	shared.ctx, shared.cancel = context.WithCancel(context.Background()) // canceled by Close
	c := &Corpus{base: shared, dumpReader: &dumpReader{lister: &lister{base: shared}}, watchChanged: watchChanged, history: history.History{Store: o.Store, Log: o.Log}}
	c.syncer = newSyncer(shared)
	c.Reader = &catalog.Reader{Catalog: cat, Now: func() time.Time { return shared.now() }, Refill: c.Whole}
	if err := c.loadState(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("catalogue in %s: %w", o.Dir, err)
	}
	if o.Changes {
		c.changes, c.recorder = changelog.NewWriter(o.Store, c.storeNow, o.Log), history.NewRecorder(c.history, c.storeNow)
	}
	return c, nil
}

// Options returns the options of c, with defaults filled in.
func (c *Corpus) Options() Options { return c.o }

// Close writes pending change-log entries and history records, for which it waits up to five
// seconds, stops calling subscribers, and closes the catalogue. Run and all other calls must have
// returned before. A subscriber must not call Close.
func (c *Corpus) Close() error {
	c.cancel()
	c.shared.Wait()
	c.wholeRuns.Wait()
	c.recorder.Close()
	c.changes.Close()
	c.events.close()
	return c.cat.Close()
}

// Generation returns a number that grows with every visible change of the corpus. It starts at 0 in
// each process.
func (c *base) Generation() uint64 { return c.events.generation.Load() }
