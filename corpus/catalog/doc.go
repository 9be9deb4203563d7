// Package catalog is the local copy of what a corpus holds: the documents of its dumps,
// indexed, in one SQLite file. It is the only package that uses SQL.
//
// A catalogue is a cache. A file that is torn, foreign or of another version is rebuilt when
// it is opened or when the damage shows ([ErrRebuilt]); on a disk that cannot take it, a
// temporary file takes its place. Several processes may share a file: each reads what the others
// changed from a journal in it ([Catalog.Journal]).
//
// # Fields
//
// [Fields] is the one list of the fields that have a column: the tables, the statements, the
// journal, exports and the by-X directories of the mount follow from it.
//
// # Queries
//
// [Reader] answers specifications. [query.Spec.Match] over the documents decides what a
// specification selects; indexes find candidates and never change the answer.
//
// # Writes
//
// [Catalog.Record] takes what was seen in the store ([Observation]) and returns what that
// changed. The newest observation wins, whatever the order in which they arrive. The
// catalogue never reads the store itself: package corpus does.
//
// All types are safe for concurrent use. Errors are those of SQLite, of the file system and
// of the context.
package catalog
