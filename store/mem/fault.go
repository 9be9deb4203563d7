package mem

import (
	"context"
	"io"
	"iter"
	"math"
	"sync"
	"time"

	"thothfs/internal/withctx"
	"thothfs/store"
)

// Operations, for Fault.Op, Faulty.Calls and store.Error.Op.
const (
	Read   = "read"
	Get    = "get"
	Stat   = "stat"
	List   = "list"
	Put    = "put"
	Remove = "remove"
)

// Always is a value of Fault.Times for a permanent fault.
const Always = math.MaxInt

// Fault describes what goes wrong, and when. The zero value matches only the next call of any
// kind, and changes nothing.
type Fault struct {
	Op  string // "" means any operation
	Key string // "" means any key

	Nth   int // the n-th matching call from now; 0 means 1
	Times int // number of matching calls in a row; 0 means 1

	// Kind is the kind of the error that the call returns, with RetryAfter. If nil, the call
	// is only delayed.
	Kind       error
	RetryAfter time.Duration
	// Err, if not nil, is the cause within the error.
	Err error

	// Short is how much the call returns before the error: bytes for a read, entries for a
	// list.
	Short int
	// Garbage fills the rest of a read's buffer, as the contract allows.
	Garbage bool
	// AfterApply makes the change before the error is returned, so that the client cannot
	// tell the outcome.
	AfterApply bool
	// Before runs before the call does anything. It can make changes at the worst moment.
	Before func()

	// Delay is a pause before the call does anything.
	Delay time.Duration
	// Block, if not nil, blocks the call before it does anything until a receive succeeds.
	Block <-chan struct{}
}

// Faulty is a store that injects faults into another store.
type Faulty struct {
	s store.Store

	mu     sync.Mutex // guards the fields below
	armed  []*armed
	calls  map[string]int
	faults int
}

// armed is a pending Fault and its count of matching calls.
type armed struct {
	Fault
	seen int
}

var _ store.Store = (*Faulty)(nil)

// NewFaulty returns s wrapped, initially without faults.
func NewFaulty(s store.Store) *Faulty {
	return &Faulty{s: s, calls: map[string]int{}}
}

// Unwrap returns the wrapped store. Access to local files thus bypasses the faults.
func (f *Faulty) Unwrap() store.Store { return f.s }

// Inject adds a fault. Several may be pending; the oldest one that matches a call applies.
func (f *Faulty) Inject(x Fault) {
	x.Nth, x.Times = max(x.Nth, 1), max(x.Times, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = append(f.armed, &armed{Fault: x})
}

// Heal removes all faults.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = nil
}

// Calls returns the number of calls of op so far, or of all calls if op is "".
func (f *Faulty) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if op != "" {
		return f.calls[op]
	}
	sum := 0
	for _, n := range f.calls {
		sum += n
	}
	return sum
}

// Faults returns the number of calls that have had a fault so far.
func (f *Faulty) Faults() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults
}

// meet counts a call and returns its fault, or nil.
func (f *Faulty) meet(op, key string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	var met *Fault
	for _, a := range f.armed {
		if a.Op != "" && a.Op != op || a.Key != "" && a.Key != key {
			continue
		}
		a.seen++
		if met == nil && a.seen >= a.Nth && a.seen-a.Nth < a.Times {
			met = &a.Fault
		}
	}
	if met != nil {
		f.faults++
	}
	return met
}

// begin starts a call. If it returns a fault, the call must fail with it; otherwise the call
// proceeds.
func (f *Faulty) begin(ctx context.Context, op, key string) (*Fault, error) {
	x := f.meet(op, key)
	if x == nil {
		return nil, nil
	}
	if err := x.wait(ctx); err != nil {
		return nil, err
	}
	if x.Before != nil {
		x.Before()
	}
	if x.Kind == nil {
		return nil, nil
	}
	return x, nil
}

func (x *Fault) wait(ctx context.Context) error {
	if x.Delay > 0 {
		if err := withctx.Sleep(ctx, x.Delay); err != nil {
			return err
		}
	}
	if x.Block != nil {
		select {
		case <-x.Block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (x *Fault) error(op, key string) error {
	return &store.Error{Op: op, Key: key, Kind: x.Kind, RetryAfter: x.RetryAfter, Err: x.Err}
}

func (f *Faulty) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	x, err := f.begin(ctx, Read, ref.Key)
	if x == nil {
		if err != nil {
			return 0, err
		}
		return f.s.ReadAt(ctx, ref, p, off)
	}
	n := min(x.Short, max(len(p)-1, 0))
	if n > 0 {
		n, _ = f.s.ReadAt(ctx, ref, p[:n], off)
	}
	if x.Garbage {
		for i := n; i < len(p); i++ {
			p[i] = byte(0xa5 ^ i)
		}
	}
	return n, x.error(Read, ref.Key)
}

func (f *Faulty) Get(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	x, err := f.begin(ctx, Get, known.Key)
	if x != nil {
		err = x.error(Get, known.Key)
	}
	if err != nil {
		return nil, store.Attr{}, err
	}
	return f.s.Get(ctx, known, limit)
}

func (f *Faulty) Stat(ctx context.Context, key string) (store.Attr, error) {
	x, err := f.begin(ctx, Stat, key)
	if x != nil {
		err = x.error(Stat, key)
	}
	if err != nil {
		return store.Attr{}, err
	}
	return f.s.Stat(ctx, key)
}

func (f *Faulty) List(ctx context.Context, dir, from string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		x, err := f.begin(ctx, List, dir)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		n := 0
		for e, err := range f.s.List(ctx, dir, from) {
			if x != nil && n >= x.Short {
				break
			}
			if !yield(e, err) || err != nil {
				return
			}
			n++
		}
		if x != nil {
			yield(store.Entry{}, x.error(List, dir))
		}
	}
}

func (f *Faulty) Put(ctx context.Context, old store.Ref, src io.ReaderAt, size int64) (store.Attr, error) {
	x, err := f.begin(ctx, Put, old.Key)
	if err != nil {
		return store.Attr{}, err
	}
	if x != nil && !x.AfterApply {
		return store.Attr{}, x.error(Put, old.Key)
	}
	attr, err := f.s.Put(ctx, old, src, size)
	if x != nil && err == nil {
		return store.Attr{}, x.error(Put, old.Key)
	}
	return attr, err
}

func (f *Faulty) Remove(ctx context.Context, ref store.Ref) error {
	x, err := f.begin(ctx, Remove, ref.Key)
	if err != nil {
		return err
	}
	if x != nil && !x.AfterApply {
		return x.error(Remove, ref.Key)
	}
	if err := f.s.Remove(ctx, ref); err != nil || x == nil {
		return err
	}
	return x.error(Remove, ref.Key)
}
