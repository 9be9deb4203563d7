// Package catalog maintains the local copy of a corpus: the documents of its dumps, indexed, in one
// SQLite file. It is the only package that uses SQL.
//
// A catalogue is a cache. A file that is damaged, not a catalogue of this corpus, or of a different
// schema version is rebuilt, either on open or when the damage is detected ([ErrRebuilt]). If the
// file cannot be written, a temporary file is used instead. Several processes may share a file: a
// journal in the file records the changes, and each process reads from it the changes made by the
// others ([Catalog.Journal]).
//
// # Fields
//
// [Fields] is the only list of the fields that have a column. The tables, the statements, the
// journal, the exports and the by-X directories of the mount are derived from it, and so is the name
// of a field in specifications. A name that is not in it is the path of a member, or of a property
// below "properties" ([Dump.Value]). The names that documents have are in a table ([Reader.Names]).
//
// # Queries
//
// [Reader] runs queries. The result is defined by applying [query.Spec.Match] to every document;
// indexes only narrow the candidates and never change the result.
//
// # Writes
//
// [Catalog.Record] takes what was seen in the store ([Observation]) and returns the resulting
// changes. The newest observation wins, in whatever order observations arrive. The catalogue never
// reads the store itself; package corpus does.
//
// All types are safe for concurrent use. Errors come from SQLite, the file system or the context.
package catalog
