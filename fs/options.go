package fs

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"thothfs/cache"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
)

// Corpus is the part of *corpus.Corpus that the tree uses. Errors are those of package store,
// corpus.ErrAmbiguous and those of ctx; Edit also returns those of package dump and
// corpus.ErrReadOnlyField.
type Corpus interface {
	Dump(ctx context.Context, id dump.ID) (*corpus.Dump, error)
	Cached(ctx context.Context, id dump.ID) (*corpus.Dump, error)
	Resolve(ctx context.Context, prefix string) (dump.ID, error)
	Whole(ctx context.Context) error
	IsWhole() bool
	All(ctx context.Context) iter.Seq2[[]corpus.Row, error]
	Select(ctx context.Context, spec query.Spec) ([]corpus.Row, error)
	Values(ctx context.Context, f *corpus.Field) ([]corpus.Value, error)
	HasValue(ctx context.Context, f *corpus.Field, text string) (bool, error)
	Days(ctx context.Context, year, month int) ([]int, error)
	Files(ctx context.Context, id dump.ID) ([]store.Entry, error)
	Stale(id dump.ID) // the list that Files returned is outdated
	FilesNow(ctx context.Context, id dump.ID) ([]store.Entry, error)
	DumpFile(ctx context.Context, id dump.ID) (store.Entry, error)
	Analyzers(ctx context.Context) ([]store.Entry, error)
	CanStore(ctx context.Context, dir string) error
	Edit(ctx context.Context, id dump.ID, edits ...document.Edit) (*corpus.Dump, error)
	PutAnalyzer(ctx context.Context, name string, data []byte) error
	RemoveAnalyzer(ctx context.Context, name string) error
	RenameAnalyzer(ctx context.Context, from, to string) error
	Generation() uint64
	Subscribe(fn func([]corpus.Change)) (cancel func())
}

// Blocks is the part of *cache.Cache that the tree uses.
type Blocks interface {
	Open(ref store.Ref, size int64) *cache.File
	Held(ref store.Ref) int64
}

// Stat is one line of .thothfs/stats.
type Stat struct {
	Name  string // lower case, with parts separated by dots, such as "cache.bytes_fetched"
	Value int64
}

// Options are the settings of a tree.
type Options struct {
	Corpus Corpus      // required; the caller runs and closes it
	Cache  Blocks      // required unless Store has local files; the caller closes it
	Store  store.Store // used only for store.Local; may be nil

	AttrTimeout time.Duration // how long clients may cache attributes in by-hash; 0 means 1 s

	Stats  func() []Stat // counters of the other layers for .thothfs/stats; may be nil
	Config func() []byte // contents of .thothfs/config, the settings in effect; may be nil
	Log    *slog.Logger  // nil: slog.Default()
}

const defaultAttrTimeout = time.Second

func (o *Options) setDefaults() error {
	if o.AttrTimeout <= 0 {
		o.AttrTimeout = defaultAttrTimeout
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Corpus == nil {
		return errors.New("no corpus to mount")
	}
	return nil
}
