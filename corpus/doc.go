// Package corpus knows the dumps of one store: which there are, what their documents say, and how
// they are edited. Package corpus/ingest stores new ones.
//
// # The catalogue
//
// What a corpus holds is known locally through a catalogue (package corpus/catalog) under
// [Options.Dir]. It is a cache: it may be deleted at any time, and several processes may share
// it. [Corpus] embeds its queries: [catalog.Reader].
//
// A directory of the corpus whose name is not 32 lower-case hexadecimal digits is ignored. One
// without an info.json is an unfinished upload: not a dump, and checked again at later polls,
// ever more rarely. A document that is damaged or too large is still a dump: what can be read
// of it is shown ([Dump.Damage]).
//
// # How it follows the store
//
//   - [Corpus.Sync] reconciles the catalogue with the store once: it lists the corpus if the
//     version of the corpus directory changed, and in any case every so often; it reads the
//     documents that are new, and those that were not checked for longest. After an
//     interruption the next Sync continues.
//   - [Corpus.Run] repeats that for as long as the corpus is used.
//   - [Corpus.Dump] asks the store whether a document is still current if it was last checked
//     longer than [Options.AttrTimeout] ago.
//
// While the store is unavailable everything known is answered from the catalogue. So an edit
// by another client shows when the dump is read, when the change log mentions it (see
// changelog.go), or when the document is checked again.
//
// # Snapshots
//
// [Corpus.Publish] puts the catalogue into the store as one object. A catalogue that knows
// nothing begins with that ([Corpus.TakeSnapshot]).
//
// # Edits
//
// [Corpus.Edit] replaces exactly the version of a document that it was made from. If another
// client was faster, the edit is made again from the newer version, so that of simultaneous
// edits none is lost. The catalogue and subscribers have the edit before Edit returns; other
// processes that share the catalogue get it from there, at once while they are in Run, and
// other clients as they follow the store.
//
// # History
//
// Every edit of a ticket, a property or an analyzer stores a record of what it replaced
// (see package corpus/history). [Corpus.History] yields edits, [Corpus.Undo] reverts them,
// and [Corpus.CompactHistory] packs the records.
//
// # Concurrency
//
// A [Corpus] is safe for concurrent use. From [Open] until [Corpus.Close] it has goroutines
// that call subscribers and that write the history and the change log. [Corpus.Run] has one
// that follows other processes. A request to the store that several callers share goes on when
// its first caller leaves, at most until Close. Errors are of the kinds of package store, of
// the context, [ErrAmbiguous], or of the disk of the catalogue.
package corpus
