package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"

	"thothfs/corpus/history"
	"thothfs/dump"
	"thothfs/store"
)

// MaxAnalyzer is the maximum size of an analyzer in bytes.
const MaxAnalyzer = 16 << 20

// PutAnalyzer stores an analyzer, replacing any existing one of that name. It returns
// store.ErrInvalid for a name that an analyzer cannot have, and store.ErrTooLarge.
func (c *Corpus) PutAnalyzer(ctx context.Context, name string, data []byte) error {
	key, err := analyzerKey("put", name)
	if err != nil {
		return err
	}
	if len(data) > MaxAnalyzer {
		return &store.Error{Op: "put", Key: key, Kind: store.ErrTooLarge}
	}
	return c.changeAnalyzers(ctx, key, func() error { return c.replace(ctx, key, data) })
}

// Analyzer returns the text of an analyzer. It returns store.ErrNotExist if there is none of that
// name, including for a name that an analyzer cannot have.
func (c *Corpus) Analyzer(ctx context.Context, name string) ([]byte, error) {
	key, err := analyzerKey("get", name)
	if err != nil {
		return nil, notExist("get", AnalyzersDir)
	}
	data, _, err := c.store.Get(ctx, store.Ref{Key: key}, MaxAnalyzer)
	c.availability.record(c.now(), err, c.log)
	return data, err
}

// RemoveAnalyzer removes an analyzer. It returns store.ErrNotExist if there is none.
func (c *Corpus) RemoveAnalyzer(ctx context.Context, name string) error {
	key, err := analyzerKey("remove", name)
	if err != nil {
		return err
	}
	return c.changeAnalyzers(ctx, key, func() error {
		old, attr, err := c.analyzerNow(ctx, "remove", key)
		if errors.Is(err, store.ErrInvalid) { // an empty directory may be removed
			if rerr := c.store.Remove(ctx, store.Ref{Key: key}); !errors.Is(rerr, store.ErrConflict) {
				return rerr
			}
		}
		if err != nil {
			return err
		}
		return c.dropAnalyzer(ctx, key, old, attr)
	})
}

// RenameAnalyzer renames an analyzer, replacing any existing one of the new name. Stores cannot
// rename objects, so the analyzer briefly has both names. It keeps both if the old one cannot be
// removed.
func (c *Corpus) RenameAnalyzer(ctx context.Context, from, to string) error {
	old, err := analyzerKey("rename", from)
	if err != nil {
		return err
	}
	key, err := analyzerKey("rename", to)
	if err != nil {
		return err
	}
	return c.changeAnalyzers(ctx, old, func() error {
		data, attr, err := c.store.Get(ctx, store.Ref{Key: old}, MaxAnalyzer)
		if err != nil || old == key {
			return err
		}
		if err := c.replace(ctx, key, data); err != nil {
			return err
		}
		err = c.dropAnalyzer(ctx, old, data, attr)
		if errors.Is(err, store.ErrNotExist) {
			return nil // another client removed it
		}
		return err
	})
}

// analyzerKey returns the key of an analyzer. The name must be a ValidFileName.
func analyzerKey(op, name string) (string, error) {
	if !ValidFileName(name) {
		return "", &store.Error{Op: op, Key: AnalyzersDir, Kind: store.ErrInvalid, Err: fmt.Errorf("%q is not a valid name for an analyzer", name)}
	}
	return AnalyzersDir + "/" + name, nil
}

// changeAnalyzers calls change, and repeats it after conflicts. It makes the next call of Analyzers
// ask the store, in this process and in those that share the catalogue.
func (c *Corpus) changeAnalyzers(ctx context.Context, key string, change func() error) error {
	leave, err := c.editLocks.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer leave()
	defer c.FilesChanged(ctx, dump.ID{}) // even after an error, since the change may have been made
	for y := newConflictBackoff(ctx); ; {
		err := change()
		c.wrote(err)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if !y.wait(ctx) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// analyzerNow returns the text of an analyzer and its attributes; their ETag is "" if there is no
// analyzer. If the analyzer is larger than MaxAnalyzer, it returns only the attributes.
func (c *Corpus) analyzerNow(ctx context.Context, op, key string) ([]byte, store.Attr, error) {
	data, attr, err := c.store.Get(ctx, store.Ref{Key: key}, MaxAnalyzer)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, store.Attr{}, nil
	case errors.Is(err, store.ErrInvalid):
		return nil, attr, &store.Error{Op: op, Key: key, Kind: store.ErrInvalid, Err: errors.New("it is a directory")}
	case errors.Is(err, store.ErrTooLarge):
		attr, err = c.store.Stat(ctx, key)
		c.log.Warn("an analyzer is too large to be kept in the history", "key", key, "bytes", attr.Size)
		return nil, attr, err
	}
	return nonNil(data), attr, err
}

// replace stores data at key, replacing any existing analyzer.
func (c *Corpus) replace(ctx context.Context, key string, data []byte) error {
	old, attr, err := c.analyzerNow(ctx, "put", key)
	if err != nil {
		return err
	}
	return c.record(ctx, key, old, attr, nonNil(data), func() error {
		_, err := c.store.Put(ctx, store.Ref{Key: key, ETag: attr.ETag}, bytes.NewReader(data), int64(len(data)))
		return err
	})
}

// dropAnalyzer removes the analyzer at key, whose text is old.
func (c *Corpus) dropAnalyzer(ctx context.Context, key string, old []byte, attr store.Attr) error {
	if attr.ETag == "" {
		return notExist("remove", key)
	}
	return c.record(ctx, key, old, attr, nil, func() error {
		return c.store.Remove(ctx, store.Ref{Key: key, ETag: attr.ETag})
	})
}

// record changes the analyzer at key by calling apply, and records the change in the history.
func (c *Corpus) record(ctx context.Context, key string, old []byte, attr store.Attr, text []byte, apply func() error) error {
	e := c.newEdit(ctx, dump.ID{})
	e.Changes = []history.Change{history.AnalyzerChange(path.Base(key), old, attr.Size, text)}
	recorded := c.recorder.Begin(e)
	if err := apply(); err != nil {
		if refused(err) {
			c.recorder.Void(e)
		}
		return err
	}
	return recorded(ctx)
}
