package cache

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"
)

// Stats describes what the cache has done since it was opened, and what it holds now. The tag of a
// field is its name in [Stats.All].
type Stats struct {
	Hits         int64 `stat:"hits"`          // blocks served from disk or memory
	Misses       int64 `stat:"misses"`        // blocks that a reader had to wait for
	BytesRead    int64 `stat:"bytes.read"`    // bytes returned to readers
	BytesFetched int64 `stat:"bytes.fetched"` // bytes received by range requests and in hot packs
	Fetches      int64 `stat:"fetches"`       // range requests to the Source
	FetchErrors  int64 `stat:"fetch.errors"`  // range requests that failed
	ReadAhead    int64 `stat:"ahead.blocks"`  // blocks of read-ahead fetched
	AheadDropped int64 `stat:"ahead.dropped"` // blocks of read-ahead not fetched for lack of memory or requests

	Corrupt       int64 `stat:"corrupt.blocks"` // blocks on disk that failed their checksum and were fetched again
	DiskBytes     int64 `stat:"disk.bytes"`     // gauge: estimated disk space used under Dir, by all processes together
	DiskErrors    int64 `stat:"disk.errors"`
	Quota         int64 `stat:"disk.quota"`     // bytes
	BlocksEvicted int64 `stat:"evicted.blocks"` // blocks punched out of files in use
	FilesEvicted  int64 `stat:"evicted.files"`

	Packs        int64 `stat:"packs"`            // hot packs stored
	PacksRefused int64 `stat:"packs.refused"`    // unusable hot packs
	PacksLearned int64 `stat:"packs.learned"`    // hot packs published
	Completed    int64 `stat:"completed.blocks"` // blocks fetched to complete a version
	Verified     int64 `stat:"verified"`         // versions read to the end and found correct
	Mismatched   int64 `stat:"mismatched"`       // versions discarded because their content was not the expected one
	Changed      int64 `stat:"changed"`          // verified versions whose file another program changed
	Pinned       int64 `stat:"pinned"`           // gauge: local files in use
	Sessions     int64 `stat:"sessions"`         // gauge: versions being warmed up or completed
	Lessons      int64 `stat:"lessons"`          // gauge: versions for which a hot pack may be published

	Prefetched      int64 `stat:"prefetch.blocks"`  // blocks fetched for a prediction, or at least partly in a pack
	PrefetchUsed    int64 `stat:"prefetch.used"`    // prefetched blocks that were read; PrefetchUsed/Prefetched is the precision
	PrefetchLate    int64 `stat:"prefetch.late"`    // used blocks that had not arrived in time; Misses-PrefetchLate were not predicted
	PrefetchDropped int64 `stat:"prefetch.dropped"` // prefetched blocks given up: the fetch failed, or the last handle was closed
	Hedges          int64 `stat:"hedges"`           // requests repeated because they stalled
	HedgesWon       int64 `stat:"hedges.won"`       // repeated requests that finished first
	InFlight        int64 `stat:"inflight"`         // gauge: fetches not stored yet

	BufferedBytes  int64 // gauge: bytes in buffers of fetches
	MemoryBytes    int64 // gauge: bytes of blocks that could not be stored on disk
	PrefetchQueued int64 // gauge: prefetch requests waiting for their turn
	OpenFiles      int64 // gauge: local files open

	State string // "normal", or "degraded" if the disk is failing and new blocks stay in memory
}

// All yields the names and values of the fields with a tag, and the memory in use.
func (s Stats) All(yield func(name string, value int64) bool) {
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("stat"); name != "" && !yield(name, v.Field(i).Int()) {
			return
		}
	}
	yield("memory.bytes", s.BufferedBytes+s.MemoryBytes)
}

// counters holds the fields of Stats that are counted, under the same names.
type counters struct {
	Hits, Misses, BytesRead, Fetches, BytesFetched, FetchErrors, Hedges, HedgesWon atomic.Int64
	ReadAhead, AheadDropped, FilesEvicted, BlocksEvicted, Corrupt, DiskErrors      atomic.Int64
	Prefetched, PrefetchUsed, PrefetchLate, PrefetchDropped                        atomic.Int64
	Packs, PacksRefused, PacksLearned, Sessions, Lessons, InFlight                 atomic.Int64
	Completed, Verified, Mismatched, Changed, Pinned                               atomic.Int64
}

// Stats returns the counters and gauges. It is cheap. The values are read one after the other,
// not at one instant.
func (c *Cache) Stats() Stats {
	s := Stats{
		MemoryBytes: c.memory.bytes(),
		OpenFiles:   2 * int64(c.disk.files.Len()),
		DiskBytes:   c.disk.quota.estimate(),
		Quota:       c.disk.quota.limit,
		State:       c.disk.health.String(),
	}
	s.PrefetchQueued, s.BufferedBytes = c.limiter.gauges()
	from, to := reflect.ValueOf(&c.n).Elem(), reflect.ValueOf(&s).Elem()
	for i := range from.NumField() {
		n := from.Field(i).Addr().Interface().(*atomic.Int64)
		to.FieldByName(from.Type().Field(i).Name).SetInt(n.Load())
	}
	return s
}

// Trace shows how a read that had to wait spent its time. ReadAt fills the Trace that its
// context contains under [TraceKey]; a read of cached data leaves it unchanged. A Trace must be
// used by only one goroutine.
type Trace struct {
	Requests int           // range requests that the read waited for, including those of other readers
	Queued   time.Duration // longest time that one of them waited for its turn
	Fetched  time.Duration // longest time that the Source took for one of them
	Hedged   int           // requests that were repeated because they stalled
	Packed   int           // requests for which the hot pack arrived first
	Unended  int           // further requests, for which the read was still waiting when its context ended
}

type traceKey struct{}

// TraceKey is the key of a *Trace in a context.
var TraceKey any = traceKey{}

// times holds the durations of a fetch.
type times struct {
	queued, fetched time.Duration
	hedged          bool
}

// record adds a fetch that a reader has waited for; t may be nil.
func (t *Trace) record(f *fetch, err error) {
	if t == nil {
		return
	}
	f.o.mu.Lock()
	took := f.times
	f.o.mu.Unlock()
	t.Requests++
	t.Queued, t.Fetched = max(t.Queued, took.queued), max(t.Fetched, took.fetched)
	if took.hedged {
		t.Hedged++
	}
	if err == nil && took.fetched == 0 {
		t.Packed++
	}
}

// abandon adds n fetches that a reader has stopped waiting for; t may be nil.
func (t *Trace) abandon(n int) {
	if t != nil {
		t.Unended += n
	}
}

// traceOf returns the Trace of ctx, or nil.
func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(TraceKey).(*Trace)
	return t
}
