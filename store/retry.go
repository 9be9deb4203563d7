package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// RetryOptions are the limits of [Retry]. Zero fields mean the default.
type RetryOptions struct {
	Tries  int           // calls in total, 8
	Budget time.Duration // from the first failure to the start of the last try, 2 min
	First  time.Duration // the first pause, before jitter; it doubles each time; 100 ms
	Most   time.Duration // the longest pause, unless the store asks for more, 10 s

	// Stall is how long a try that reads may make no progress (see [Progress]), 3 s. It doubles
	// after each stalled try in a row, up to LongStall, 30 s. Put and Remove have LongStall from
	// the start, since they are costly to repeat, and a Put has more after its last byte.
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

// Retry returns s with failed calls repeated: those that fail with [ErrUnavailable], and a few
// times those that fail with [ErrCorrupt]. Pauses grow, with jitter. If a store asks for a
// pause, the try counts against the budget but not against Tries, and the pause is what it
// asked for, but at most 5 s the first time, 15 s the second, and so on, since many outages
// are shorter than announced. Retry returns the last error when the tries or the budget are
// used up, or at once when the next try would begin after ctx's deadline or the store asks for
// more than the budget.
//
// A Put whose outcome is unknown is repeated only after reading back. An object with the same
// size and MD5 was stored by some try; the old version means that nothing was stored; anything
// else is ErrConflict. That can also be a version that somebody based on ours, which existed
// for a moment, so an edit that is repeated after a conflict should be idempotent. A Remove
// whose outcome is unknown has succeeded when nothing is there. A List continues after the
// last name that it yielded, a ReadAt after the last good byte.
//
// Local files (see [AsLocal]) are not affected.
func Retry(s Store, o RetryOptions) Store {
	return &retrier{Store: s, o: o.withDefaults()}
}

type retrier struct {
	Store
	o RetryOptions
}

// Unwrap returns the store that Retry was given.
func (r *retrier) Unwrap() Store { return r.Store }

// again repeats try as s allows.
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

// worthwhile is how many bytes a try of ReadAt must bring for earlier failures to be
// forgotten. It bounds the tries when a store hangs up every few bytes.
const worthwhile = 64 << 10

func (r *retrier) ReadAt(ctx context.Context, ref Ref, p []byte, off int64) (int, error) {
	s := newSchedule(&r.o)
	done := 0
	for {
		n, err := attempt(ctx, call{"read", ref.Key}, s.patience, func(ctx context.Context, _ *watchdog) (int, error) {
			return r.Store.ReadAt(ctx, ref, p[done:], off+int64(done))
		})
		if errors.Is(err, ErrCorrupt) {
			n = 0 // do not trust a part of a wrong answer
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

// retriedList is a List in progress, over any number of tries.
type retriedList struct {
	r         *retrier
	dir, from string
	s         *schedule
	yield     func(Entry, error) bool
	some      bool // from has been yielded
}

// goOn makes one try. It returns nil at the end of the directory, or when the caller stops.
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
			w.pause() // the caller may take its time
			if !l.yield(e, nil) {
				return struct{}{}, nil
			}
			w.progress()
		}
		return struct{}{}, nil
	})
	return err
}
