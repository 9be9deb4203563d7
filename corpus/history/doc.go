// Package history keeps a record of every edit of a corpus, so that edits can be listed and undone.
// The records are in the store, beside the dumps:
//
//	.thothfs/history/edits/TIME-RANDOM       the records of edits made at about the same time, one per line
//	.thothfs/history/segments/TIME-TIME-SUM  many records, compacted (see compact.go)
//	.thothfs/history/large/EDIT-TRY          the changes of one record that do not fit on a line
//
// A record contains what an edit replaced. It is stored concurrently with the edit, which returns
// when both are stored, so every edit that has returned can be undone. After a crash between the
// two there may be a record without its edit. Undoing it does nothing, because an edit is undone
// only where its new value is still present.
//
// Anyone who can write to the store can write records. Records are therefore checked when they are
// read, and their memory use is limited: see decodeRecord and [History.Changes].
package history
