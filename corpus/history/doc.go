// Package history keeps a record of every edit of a corpus, so that edits can be listed
// and undone. The records lie in the store, beside the dumps:
//
//	.thothfs/history/edits/TIME-RANDOM       the records of edits made at about the same time, one a line
//	.thothfs/history/segments/TIME-TIME-SUM  many records, compacted (see compact.go)
//	.thothfs/history/large/EDIT-TRY          the changes of one record that do not fit on a line
//
// A record says what an edit replaced. It is stored while the edit is, and the edit returns
// when both are stored, so every edit that returned can be undone. A record may lack its
// edit, after a crash between the two: undoing it does nothing, because an edit is undone
// only where its new value is still there.
//
// Anybody who can write to the store can write records. What is read is therefore
// checked, and bounded in memory: see decodeRecord and [History.Changes].
package history
