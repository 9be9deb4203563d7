package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"
)

// OpCounts counts the calls of one operation.
type OpCounts struct {
	Calls  int64
	Errors int64 // failed calls, except io.EOF and ErrNotModified
	Bytes  int64 // bytes of content read or stored
}

// Counts holds the counts of all operations.
type Counts struct {
	Read, Get, Stat, List, Put, Remove OpCounts
}

// Total returns the sum over all operations.
func (c Counts) Total() OpCounts {
	var sum OpCounts
	for _, o := range []OpCounts{c.Read, c.Get, c.Stat, c.List, c.Put, c.Remove} {
		sum.Calls += o.Calls
		sum.Errors += o.Errors
		sum.Bytes += o.Bytes
	}
	return sum
}

// Counter is a store that counts the calls to the store it wraps. Inside [Retry] it counts tries;
// outside, requested calls.
type Counter struct {
	Store
	read, get, stat, list, put, remove opCounter
}

type opCounter struct{ calls, errors, bytes atomic.Int64 }

// Count returns a store that counts the calls to s. Calls to local files (see [AsLocal]) are not
// counted.
func Count(s Store) *Counter { return &Counter{Store: s} }

// Unwrap returns the store that was passed to Count.
func (c *Counter) Unwrap() Store { return c.Store }

// Snapshot returns the counts so far. A call counts when it ends.
func (c *Counter) Snapshot() Counts {
	return Counts{
		Read: c.read.load(), Get: c.get.load(), Stat: c.stat.load(),
		List: c.list.load(), Put: c.put.load(), Remove: c.remove.load(),
	}
}

func (o *opCounter) load() OpCounts {
	return OpCounts{Calls: o.calls.Load(), Errors: o.errors.Load(), Bytes: o.bytes.Load()}
}

// add counts a completed call.
func (o *opCounter) add(bytes int64, err error) {
	o.calls.Add(1)
	o.bytes.Add(bytes)
	if err != nil && err != io.EOF && !errors.Is(err, ErrNotModified) {
		o.errors.Add(1)
	}
}

func (c *Counter) ReadAt(ctx context.Context, ref Ref, p []byte, off int64) (int, error) {
	n, err := c.Store.ReadAt(ctx, ref, p, off)
	c.read.add(int64(n), err)
	return n, err
}

func (c *Counter) Get(ctx context.Context, known Ref, limit int64) ([]byte, Attr, error) {
	data, attr, err := c.Store.Get(ctx, known, limit)
	c.get.add(int64(len(data)), err)
	return data, attr, err
}

func (c *Counter) Stat(ctx context.Context, key string) (Attr, error) {
	attr, err := c.Store.Stat(ctx, key)
	c.stat.add(0, err)
	return attr, err
}

func (c *Counter) List(ctx context.Context, dir, from string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var failed error
		defer func() { c.list.add(0, failed) }()
		for e, err := range c.Store.List(ctx, dir, from) {
			failed = err
			if !yield(e, err) {
				return
			}
		}
	}
}

func (c *Counter) Put(ctx context.Context, old Ref, src io.ReaderAt, size int64) (Attr, error) {
	attr, err := c.Store.Put(ctx, old, src, size)
	stored := size
	if err != nil {
		stored = 0
	}
	c.put.add(stored, err)
	return attr, err
}

func (c *Counter) Remove(ctx context.Context, ref Ref) error {
	err := c.Store.Remove(ctx, ref)
	c.remove.add(0, err)
	return err
}
