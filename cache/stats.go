package cache

import "sync/atomic"

// Stats is what the cache did since it was opened, and holds now.
type Stats struct {
	Hits         int64 // blocks served from disk or memory
	Misses       int64 // blocks that a reader had to wait for
	BytesRead    int64 // handed to readers
	Fetches      int64 // range requests to the Source
	BytesFetched int64 // what they brought, and the hot packs
	FetchErrors  int64 // those that failed
	Hedges       int64 // requests repeated because they stalled
	HedgesWon    int64 // of those, where the second answered first
	ReadAhead    int64 // blocks fetched before anybody asked
	AheadDropped int64 // blocks of read-ahead given up for want of memory or connections

	Packs           int64 // hot packs taken
	PacksRefused    int64 // hot packs that were not in order
	PacksLearned    int64 // hot packs handed out
	Prefetched      int64 // blocks fetched because a prediction told to, or in a pack at least in part
	PrefetchUsed    int64 // of those, the blocks then read: precision is used / prefetched
	PrefetchLate    int64 // of those used, the blocks not there yet; misses - late were not foreseen
	PrefetchDropped int64 // given up: failed, or the last handle was closed

	Completed  int64 // blocks fetched to complete a version
	Verified   int64 // versions whose content was read to the end and found right
	Mismatched int64 // versions whose content was not what was expected, and was forgotten
	Changed    int64 // versions whose file was changed by another program after that
	Pinned     int64 // gauge: local files handed out

	FilesEvicted  int64
	BlocksEvicted int64 // punched out of files in use
	Corrupt       int64 // blocks on disk that failed their checksum, and were fetched again
	DiskErrors    int64

	Sessions       int64 // gauge: versions for which something is being fetched that nobody asked for
	Lessons        int64 // gauge: sessions from which there may be something to learn
	PrefetchQueued int64 // gauge: requests of prefetch that wait for their turn

	InFlight      int64  // gauge: fetches begun and not stored yet
	BufferedBytes int64  // gauge: buffers of those
	MemoryBytes   int64  // gauge: blocks that the disk could not take
	OpenFiles     int64  // gauge: local files open
	DiskBytes     int64  // gauge: estimate of what Dir takes, all processes together
	Quota         int64  // bytes
	State         string // "normal", or "degraded": the disk fails, new blocks stay in memory
}

// counters are what Stats is made of.
type counters struct {
	hits, misses, bytesRead, fetches, bytesFetched, fetchErrors atomic.Int64
	readAhead, aheadDropped, filesEvicted, blocksEvicted        atomic.Int64
	corrupt, diskErrors, inFlight                               atomic.Int64
	prefetched, prefetchUsed, prefetchLate, prefetchDropped     atomic.Int64
	packs, packsRefused, packsLearned, publishing               atomic.Int64
	completed, verified, mismatched, changed, pinned            atomic.Int64
	sessions, hedges, hedgesWon                                 atomic.Int64
}

// Stats returns the counters and gauges; cheap. They are read one after the
// other, not at one instant.
func (c *Cache) Stats() Stats {
	n := &c.n
	return Stats{
		Hits:         n.hits.Load(),
		Misses:       n.misses.Load(),
		BytesRead:    n.bytesRead.Load(),
		Fetches:      n.fetches.Load(),
		BytesFetched: n.bytesFetched.Load(),
		FetchErrors:  n.fetchErrors.Load(),
		Hedges:       n.hedges.Load(),
		HedgesWon:    n.hedgesWon.Load(),
		ReadAhead:    n.readAhead.Load(),
		AheadDropped: n.aheadDropped.Load(),

		Packs:           n.packs.Load(),
		PacksRefused:    n.packsRefused.Load(),
		PacksLearned:    n.packsLearned.Load(),
		Prefetched:      n.prefetched.Load(),
		PrefetchUsed:    n.prefetchUsed.Load(),
		PrefetchLate:    n.prefetchLate.Load(),
		PrefetchDropped: n.prefetchDropped.Load(),

		Sessions:       n.sessions.Load(),
		Lessons:        n.publishing.Load(),
		PrefetchQueued: c.limiter.prefetchesQueued(),

		Completed:  n.completed.Load(),
		Verified:   n.verified.Load(),
		Mismatched: n.mismatched.Load(),
		Changed:    n.changed.Load(),
		Pinned:     n.pinned.Load(),

		FilesEvicted:  n.filesEvicted.Load(),
		BlocksEvicted: n.blocksEvicted.Load(),
		Corrupt:       n.corrupt.Load(),
		DiskErrors:    n.diskErrors.Load(),
		InFlight:      n.inFlight.Load(),
		BufferedBytes: c.limiter.bufferedBytes(),
		MemoryBytes:   c.memory.bytes(),
		OpenFiles:     2 * int64(c.disk.files.count()),
		DiskBytes:     c.disk.quota.estimate(),
		Quota:         c.disk.quota.limit,
		State:         c.disk.health.String(),
	}
}
