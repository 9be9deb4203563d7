// Package cache keeps blocks of object versions on the local disk, so that what
// was read once is not fetched again: not by another reader, another process, nor
// after a remount.
//
// It knows versions (store.Ref with an ETag), which never change, and so has
// nothing to revalidate. It does not know dumps, directories or the kernel, and it
// does not retry: its Source does.
//
// # On disk
//
// A version is two files, Dir/NAMESPACE/xx/ID.data and ID.map, where ID is the
// SHA-256 of key, ETag and block size. The data file is sparse and as long as the
// object; a complete one is the object itself. The map file holds a record for each
// block, as laid out in record.go: absent, present with a checksum for each 4 KiB, there
// for some of its 4 KiB pages, or all zeros, which takes no space. Data is written before
// its record, and neither is flushed before the version is complete.
//
// Whatever is read from disk is verified, every time (but see Complete versions). That costs about as much as
// reading it from the page cache does, and a read of 4 KiB verifies 4 KiB. In return
// nothing else has to be true: not that the disk kept its order of writes over a
// power cut, not that another process has left the block alone since it was last
// looked at, not that the files are those that were written. What does not verify is
// absent, is counted when it was damage, and is fetched again.
//
// # Processes
//
// Any number of processes of one user may use one Dir, which nobody else may write to
// (see [Private]). They hold a shared flock on
// the map files they have open; who makes or unlinks a pair holds it exclusively. A
// shared lock on the data file pins a version ([File.LocalFile]): it is not evicted.
// Evictors exclude one another by Dir/evict.lock. A process that is killed leaves
// nothing that the next has to repair.
//
// # Reading
//
// [File.ReadAt] takes each block from disk, else from the memory that stands in for a
// failing disk, else joins or begins a flight: one range request for up to 1 MiB of
// neighbouring blocks, 2 MiB for read-ahead that goes far, whoever asks. A flight
// belongs to the cache; see flight for its life. Readers get their bytes before the
// blocks go to disk. What was read ahead stays in memory for a moment more, for the
// reader that comes this way (see spares); [File.Lend] hands it on without a copy.
// Buffers have a budget of bytes and requests one of number, over all handles (see
// limiter): demand goes before prefetch, read-ahead takes what is left or is dropped. A handle read in sequence, at
// up to eight places by turns, gets a window of read-ahead for each that grows up to
// 8 MiB (see stream); one read at random never gets more than the blocks it touches. A
// request that takes far longer than is usual is made again, and who answers first wins.
//
// # Before reading
//
// While a version is open it has a session, which fetches what nobody has asked for yet:
//
//   - its hot pack (Options.Hot): the pages that debuggers read first, in one request. It
//     races with the readers' own, and serves those who wait for what it has;
//   - where there is none, what Options.Predict tells, widened by what the kernel reads
//     around a page fault. A reader makes demand of prefetch that has not begun;
//   - the rest, if Options.Complete says so.
//
// What is held is not asked for: the prediction is first run on what is held alone. What
// a session read on demand in its first minute is handed out as a pack for the next, on
// another machine (Options.Learned).
//
// # Complete versions
//
// A version that is complete is read from end to end once, compared with its checksums
// and the MD5 that is expected ([File.Expect]), and sealed (see seal.go). Then it can be
// handed to the kernel as a local file. That is the one way in which bytes leave the cache
// unverified, so a seal counts for one state of one file (see fileState), and not after a
// restart of the machine; a day later the file is read once more. Pages of packs are
// fetched again before: a complete version holds what the Source gave and nothing else.
//
// # Space
//
// The quota bounds the blocks of the file system under Dir, all namespaces together.
// Room is reserved before a write. Whole files that nobody has open go first, least
// recently used first; then blocks of files in use, punched out one by one, those lately
// read spared. A sealed file may be mapped by somebody who has closed it long ago, so it is
// never punched: it loses its names, and its space with the last mapping. When nothing can
// go the block stays in memory.
//
// # A failing disk
//
// A write that fails (full, broken, read-only, gone) costs nothing but the copy on disk:
// the block goes to memory. After three failures the cache is degraded and writes once
// a second, to see whether the disk is well again; see health.
//
// # Goroutines and locks
//
// Open starts one goroutine, the housekeeper, which measures the directory. Each flight
// is one more, or two when it is hedged, and each session two until it has nothing more
// to do, and one that teaches. Close ends them all. The order of locks is File.mu, session.mu, object.mu,
// Cache.mu; none is held during I/O, a fetch or a copy. The others (limiter, pairs, quota,
// health, lesson, latencies, hedge) are leaves, but for hedge.mu before Cache.mu.
package cache
