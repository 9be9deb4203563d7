// Package cache keeps blocks of object versions on the local disk, so that data that was read
// once is not fetched again, whether by another reader or process or after a remount.
//
// It deals in versions (store.Ref with an ETag), which never change, so it has nothing to
// revalidate. It has no notion of dumps, directories or the kernel. It does not retry; its
// Source does.
//
// Package blockfile manages the files and the locks between processes, package cachedir checks
// the directory, and package hotpack defines the format of hot packs.
//
// # Reading
//
// [File.ReadAt] takes each block from disk, or from memory if the disk has failed. Otherwise it
// joins or starts a fetch: one range request for up to 1 MiB of neighbouring blocks, or 2 MiB
// for wide read-ahead. A miss checks memory and disk once, and its fetch stores into the file
// that was opened for that check; a fetch checks again only if it had to queue, or if blocks
// have been stored since. Readers get their bytes before the blocks are stored. Read-ahead
// stays in memory for a moment after it is stored (see readyBuffers), and [File.Lend] returns
// it without a copy.
//
// The limiter bounds the bytes of buffers and the number of requests over all handles. Demand
// goes before prefetch; read-ahead uses what is left or is dropped. A handle that is read
// sequentially, in up to eight places in turn, gets for each of them a read-ahead window that
// grows to at most 8 MiB (see stream). A random read gets only the blocks it touches. A request
// that stalls is repeated, and the first response wins.
//
// # Before reading
//
// While a version is open, it has a warmup, which fetches what no reader has asked for yet:
//
//   - its hot pack (Options.Hot): the pages that debuggers read first, in one request. It
//     races with the readers' own requests;
//   - if there is none, what Options.Predict predicts, widened by what the kernel reads around
//     a page fault. A reader raises a queued prefetch to demand priority;
//   - the rest, according to Options.Complete.
//
// Blocks that are already in the cache are not fetched: the prediction first runs on the cache
// alone. What was read on demand in the first minute becomes a pack for the next session, on
// any machine (Options.Learned).
//
// # Complete versions
//
// A complete version is read from end to end once, compared with its checksums and the expected
// MD5 ([File.Expect]), and marked as verified. [File.LocalFile] then returns it for the kernel
// to read. This is the only way in which bytes leave the cache unverified, so the mark is valid
// for one state of one file and one boot of the machine, and expires after a day. Pages that
// came from packs are fetched again first, so that a complete version contains only what the
// Source returned.
//
// # Space
//
// The quota bounds the disk space used under Dir by all namespaces together. Space is reserved
// before a write. Whole files that nobody has open are evicted first, least recently used
// first; then blocks of files in use, except recently read ones. A verified file may still be
// mapped by a program that has closed it, so its blocks are never punched; it is unlinked as a
// whole. If nothing can be evicted, the block stays in memory.
//
// # A failing disk
//
// A failed write (disk full, broken, read-only or gone) costs only the copy on disk: the block
// goes to memory. After three failures the cache is degraded and tries one write per second;
// see health.
//
// # Goroutines and locks
//
// Open starts the housekeeper, which measures the directory. Each fetch is one goroutine, or
// two when it is hedged. Each warmup has two goroutines until it has nothing more to do, and
// one that publishes a pack. Close ends them all. The lock order is File.mu, warmup.mu,
// openVersion.mu, Cache.mu. None of these is held during I/O, a fetch or a copy. The other
// locks (limiter, blockfile.Pool, quota, health, accessHistory, latencies) are leaves.
package cache
