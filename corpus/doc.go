// Package corpus knows the dumps of one store: which there are, what their
// documents say, how they are edited, and how a new one gets in. It is the only user of SQL.
//
// # The catalogue
//
// What a corpus holds is known locally through a catalogue, an SQLite file per
// corpus under [Options.Dir]. It is a cache: it may be deleted at any time, and
// one that is torn, foreign or of another version is rebuilt when it is opened,
// or when the damage shows. Several processes may share it.
//
// A directory of the corpus whose name is not 32 lower-case hexadecimal digits is
// none of ours. One without an info.json is an unfinished upload: not a dump, and
// looked at again at later polls, ever more rarely. A document that is damaged or
// too large is still a dump: what can be read of it is shown ([Dump.Damage]).
//
// # How it follows the store
//
//   - [Corpus.Sync] reconciles the catalogue with the store once: it lists the
//     corpus if the corpus directory's version says that it changed, and in any
//     case every so often; it reads the documents that are new, and those that
//     nobody looked at for longest. Interrupted, the next one goes on from there.
//   - [Corpus.Run] does that from time to time for as long as the corpus is used.
//   - [Corpus.Dump] asks the store whether a document is still current when the
//     catalogue's is older than [Options.AttrTimeout].
//
// While the store is unavailable everything known is answered from the catalogue.
// An edit that another client made of a known dump's document is therefore seen
// when the dump is looked at, when the change log tells of it (see changelog.go), or when
// its turn comes.
//
// # Snapshots
//
// [Corpus.Publish] puts the catalogue into the store as one object, and
// [Corpus.TakeSnapshot] begins a catalogue that knows nothing with it (see snapshot.go).
//
// # Edits
//
// [Corpus.Edit] replaces exactly the version of a document that it was made from, and
// is made anew from a newer one until that succeeds: of clients that edit one dump at
// the same time none loses anything. The catalogue learns of an edit, and subscribers
// are told, before Edit returns; other processes that share the catalogue learn of it
// from there, at once while they are in Run, and others as they follow the store.
//
// # History
//
// Every edit of a ticket, a property or an analyzer stores a record of what it replaced
// (see package corpus/history). [Corpus.History] yields edits, [Corpus.Undo] reverts them,
// and [Corpus.CompactHistory] packs the records.
//
// # Meaning
//
// [query.Spec.Match] over the documents says which dumps a specification means.
// Indexes find candidates; they never change the answer.
//
// # Concurrency
//
// A [Corpus] is safe for concurrent use. Goroutines of its own call
// subscribers and store records and entries of the log, from [Open] until [Corpus.Close]; [Corpus.Run] has one that follows
// other processes, and [Corpus.CanStore] one that ends within seconds. Errors are of the kinds of
// package store, of ctx, [ErrAmbiguous], or of the catalogue's disk.
package corpus
