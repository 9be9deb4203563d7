package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// RetryOptions sets the limits of [Retry]. A zero field means the default.
type RetryOptions struct {
	Tries  int           // maximum number of tries; default 8
	Budget time.Duration // from the first failure to the start of the last try; default 2 min
	First  time.Duration // first pause before jitter; it doubles each time; default 100 ms
	Most   time.Duration // longest pause, unless the store requests a longer one; default 10 s

	// Stall (default 3 s) is how long a read may go without progress (see [Progress]). It
	// doubles after each consecutive stalled try, up to LongStall (default 30 s). Put and
	// Remove start with LongStall, since they are expensive to repeat, and Put waits even
	// longer after its last byte.
	Stall, LongStall time.Duration
}

func (o RetryOptions) withDefaults() RetryOptions {
	or := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	or(&o.Budget, 2*time.Minute)
	or(&o.First, 100*time.Millisecond)
	or(&o.Most, 10*time.Second)
	or(&o.Stall, 3*time.Second)
	or(&o.LongStall, max(30*time.Second, o.Stall))
	if o.Tries == 0 {
		o.Tries = 8
	}
	return o
}

// Retry returns a store that repeats failed calls to s: those that fail with [ErrUnavailable],
// and a few times those that fail with [ErrCorrupt]. Pauses grow, with jitter. If the store
// requests a pause, the try counts against the budget but not against Tries. The pause is then
// the requested one, but at most 5 s the first time, 15 s the second, and so on, since many
// outages are shorter than announced. Retry returns the last error when the tries or the budget
// are used up. It gives up at once when the next try would start after ctx's deadline or the
// store requests a pause longer than the budget.
//
// A Put whose outcome is unknown is repeated only after reading back. If the object has the same
// size and MD5, one of the tries stored it. If the old version is present, nothing was stored.
// Anything else is ErrConflict. This includes a version that another client derived from ours
// while ours existed briefly, so an edit that is repeated after a conflict should be idempotent.
// A Remove whose outcome is unknown has succeeded if the object is absent. A List continues after
// the last name that it yielded, a ReadAt after the last good byte.
//
// Local files (see [AsLocal]) are not affected.
func Retry(s Store, o RetryOptions) Store {
	return &retrier{Store: s, o: o.withDefaults()}
}

type retrier struct {
	Store
	o RetryOptions
}

// Unwrap returns the store that was passed to Retry.
func (r *retrier) Unwrap() Store { return r.Store }

// again calls try until it succeeds or s gives up.
func again[T any](ctx context.Context, s *schedule, what call, try func(context.Context) (T, error)) (T, error) {
	for {
		v, err := attempt(ctx, what, s.patience, func(ctx context.Context, _ *watchdog) (T, error) { return try(ctx) })
		if err == nil {
			return v, nil
		}
		if err = s.wait(ctx, err); err != nil {
			return v, err
		}
	}
}

// worthwhile is the number of bytes that a try of ReadAt must return to reset the failure count. It
// bounds the number of tries when a store closes the connection every few bytes.
const worthwhile = 64 << 10

func (r *retrier) ReadAt(ctx context.Context, ref Ref, p []byte, off int64) (int, error) {
	s := newSchedule(&r.o)
	done := 0
	for {
		n, err := attempt(ctx, call{"read", ref.Key}, s.patience, func(ctx context.Context, _ *watchdog) (int, error) {
			return r.Store.ReadAt(ctx, ref, p[done:], off+int64(done))
		})
		if errors.Is(err, ErrCorrupt) {
			n = 0 // do not trust any part of a wrong response
		}
		if done += n; n >= worthwhile {
			s.progress()
		}
		if err == nil || err == io.EOF || n > 0 && done == len(p) {
			return done, eofOnly(err)
		}
		if err = s.wait(ctx, err); err != nil {
			return done, err
		}
	}
}

func eofOnly(err error) error {
	if err == io.EOF {
		return err
	}
	return nil
}

func (r *retrier) Get(ctx context.Context, known Ref, limit int64) ([]byte, Attr, error) {
	type answer struct {
		data []byte
		attr Attr
	}
	a, err := again(ctx, newSchedule(&r.o), call{"get", known.Key}, func(ctx context.Context) (a answer, err error) {
		a.data, a.attr, err = r.Store.Get(ctx, known, limit)
		return a, err
	})
	return a.data, a.attr, err
}

func (r *retrier) Stat(ctx context.Context, key string) (Attr, error) {
	return again(ctx, newSchedule(&r.o), call{"stat", key}, func(ctx context.Context) (Attr, error) { return r.Store.Stat(ctx, key) })
}

func (r *retrier) List(ctx context.Context, dir, from string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l := retriedList{r: r, dir: dir, from: from, s: newSchedule(&r.o), yield: yield}
		for {
			err := l.goOn(ctx)
			if err == nil {
				return
			}
			if err = l.s.wait(ctx, err); err != nil {
				yield(Entry{}, err)
				return
			}
		}
	}
}

// retriedList is a List in progress, possibly over several tries.
type retriedList struct {
	r         *retrier
	dir, from string
	s         *schedule
	yield     func(Entry, error) bool
	some      bool // from has been yielded
}

// goOn makes one try. It returns nil at the end of the directory or when the caller stops.
func (l *retriedList) goOn(ctx context.Context) error {
	_, err := attempt(ctx, call{"list", l.dir}, l.s.patience, func(ctx context.Context, w *watchdog) (struct{}, error) {
		for e, err := range l.r.Store.List(ctx, l.dir, l.from) {
			if err != nil {
				return struct{}{}, err
			}
			if l.some && e.Name <= l.from {
				continue
			}
			l.from, l.some = e.Name, true
			l.s.progress()
			w.pause() // the caller may be slow
			if !l.yield(e, nil) {
				return struct{}{}, nil
			}
			w.progress()
		}
		return struct{}{}, nil
	})
	return err
}
