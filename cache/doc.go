// Package cache keeps blocks of object versions on the local disk, so that what was read
// once is not fetched again: not by another reader or process, nor after a remount.
//
// It knows versions (store.Ref with an ETag), which never change, so it has nothing to
// revalidate. It does not know dumps, directories or the kernel. It does not retry: its
// Source does.
//
// Package blockfile has the files and the locks between processes, package cachedir the
// directory, package hotpack the format of hot packs.
//
// # Reading
//
// [File.ReadAt] takes each block from disk, or from memory if the disk failed. Otherwise it
// joins or starts a fetch: one range request for up to 1 MiB of neighbouring blocks, 2 MiB
// for wide read-ahead. A miss looks at memory and disk once, and its fetch stores into the
// file that was opened for that; a fetch looks again only if it had to wait for its turn, or
// if blocks were stored since. Readers get their bytes before the blocks are stored.
// Read-ahead stays in memory for a moment after that (see readyBuffers), and [File.Lend]
// returns it without a copy.
//
// The limiter bounds the bytes of buffers and the number of requests, over all handles: demand
// goes before prefetch, and read-ahead takes what is left or is dropped. A handle that is read
// sequentially, in up to eight places in turn, gets a window of read-ahead for each that grows
// up to 8 MiB (see stream). A random read gets only the blocks it touches. A request that
// stalls is made again, and the first answer wins.
//
// # Before reading
//
// While a version is open it has a warmup, which fetches what no reader has asked for yet:
//
//   - its hot pack (Options.Hot): the pages that debuggers read first, in one request. It
//     races with the readers' own requests;
//   - if there is none, what Options.Predict wants, widened by what the kernel reads around a
//     page fault. A reader raises a queued prefetch to demand;
//   - the rest, according to Options.Complete.
//
// What is held is not fetched: the prediction first runs on what is held alone. What was read
// on demand in the first minute becomes a pack for the next session, on any machine
// (Options.Learned).
//
// # Complete versions
//
// A complete version is read from end to end once, compared with its checksums and the
// MD5 that is expected ([File.Expect]), and marked as verified. Then [File.LocalFile] returns
// it for the kernel to read. This is the only way in which bytes leave the cache unverified, so
// the mark holds for one state of one file and one boot of the machine, and expires after a day.
// Pages of packs are fetched again before: a complete version holds only what the Source
// returned.
//
// # Space
//
// The quota bounds the blocks of the file system under Dir, all namespaces together. Room is
// reserved before a write. Whole files that nobody has open are evicted first, least recently
// used first; then blocks of files in use, except those read lately. A verified file may be
// mapped by a program that has closed it, so it is never punched but unlinked as a whole. When
// nothing can be evicted the block stays in memory.
//
// # A failing disk
//
// A failed write (disk full, broken, read-only, gone) costs only the copy on disk: the block
// goes to memory. After three failures the cache is degraded and tries one write a second;
// see health.
//
// # Goroutines and locks
//
// Open starts the housekeeper, which measures the directory. Each fetch is a goroutine, or two
// when it is hedged. Each warmup is two until it has nothing more to do, and one that
// publishes a pack. Close ends them all. The order of locks is File.mu, warmup.mu,
// openVersion.mu, Cache.mu. None is held during I/O, a fetch or a copy. The others (limiter,
// blockfile.Pool, quota, health, accessHistory, latencies) are leaves.
package cache
