// Package corpus lists the dumps of one store, and reads and edits their documents. Package
// corpus/ingest stores new dumps.
//
// # The catalogue
//
// A catalogue (package corpus/catalog) under [Options.Dir] is the local record of what the corpus
// contains. It is a cache: it may be deleted at any time, and several processes may share it.
// [Corpus] embeds [catalog.Reader], which runs queries on it.
//
// A directory of the corpus is ignored unless its name consists of 32 lower-case hexadecimal
// digits. A directory without an info.json is an unfinished upload: it is not a dump, and later
// polls check it again, less and less often. A damaged or oversized document still belongs to a
// dump, which shows what can be read of it ([Dump.Damage]).
//
// # How it follows the store
//
//   - [Corpus.Sync] reconciles the catalogue with the store once. It lists the corpus if the
//     version of the corpus directory has changed, and from time to time in any case. It reads
//     new documents, and checks the ones that have gone unchecked for longest. After an
//     interruption the next Sync continues.
//   - [Corpus.Run] does so repeatedly.
//   - [Corpus.Dump] asks the store whether a document is still current if it was last checked
//     longer than [Options.AttrTimeout] ago.
//
// While the store is unavailable, everything known is served from the catalogue. An edit by another
// client becomes visible when the dump is read, when the change log mentions it (see package
// corpus/changelog), or when the document is checked again.
//
// # Snapshots
//
// [Corpus.Publish] stores the catalogue as one object. An empty catalogue can start from it
// ([Corpus.TakeSnapshot]).
//
// # Edits
//
// [Corpus.Edit] replaces exactly the version of a document that it was made from. If another client
// was faster, the edit is applied to the newer version, so that simultaneous edits are not lost.
// The catalogue and subscribers have the edit before Edit returns. Other processes that share the
// catalogue receive it from there, at once if they are in Run; other clients receive it as they
// follow the store.
//
// # History
//
// Every edit of a ticket, a property or an analyzer stores a record of what it replaced (see
// package corpus/history). [Corpus.History] yields edits, [Corpus.Undo] reverts them, and
// [Corpus.CompactHistory] packs the records.
//
// # Concurrency
//
// A [Corpus] is safe for concurrent use. From [Open] to [Corpus.Close] it runs goroutines that call
// subscribers and that write the history and the change log; [Corpus.Run] runs one that follows
// other processes. A store request shared by several callers continues when its first caller
// leaves, at most until Close. Errors are of the kinds defined by package store, or come from the
// context or from the disk that holds the catalogue, or are [ErrAmbiguous].
package corpus
