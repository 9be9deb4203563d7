package catalog

import (
	"fmt"
	"hash/crc32"
	"strings"
)

// applicationID identifies a file as a catalogue ("thot").
const applicationID = 0x74686f74

// schemaVersion changes with the tables; a file with a different version is rebuilt. SQLite stores
// it as a signed 32-bit number.
var schemaVersion = crc32.ChecksumIEEE([]byte(schema)) >> 1

// schema creates the tables of a catalogue.
//
// Documents have a table of their own, so that listing dumps never reads documents. A column of
// Fields holds what query.Fields.Lookup returns: the text, or NULL for nothing; of a field of numbers
// it holds an integer. If one of these fields is an array or has a NUL, or should be an integer and is
// not, the row is odd: all of these columns hold an empty BLOB, which no condition on a column matches, and the row
// is examined separately. Every index includes id and time, so
// that it covers a list, in hash order.
//
// Times are relative to 1970: mtime and checked in nanoseconds, due and at in milliseconds, time in
// seconds, with its nanoseconds in nsec. time is NULL if unknown.
var schema = strings.NewReplacer("FIELDS", fieldColumns("", ""), "INDEXES\n", fieldIndexes()).Replace(`
CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value
) WITHOUT ROWID;

CREATE TABLE dumps (
	id       BLOB PRIMARY KEY, -- 16 bytes
	n        INTEGER NOT NULL, -- its document
	etag     TEXT NOT NULL,    -- of info.json, as are size and mtime
	size     INTEGER NOT NULL,
	mtime    INTEGER NOT NULL,
	checked  INTEGER NOT NULL, -- when the store was asked; 0: ask soon
	dirtag   TEXT NOT NULL,    -- version of the directory when it was listed
	damage   TEXT NOT NULL,    -- why the document could not be read
	odd      INTEGER NOT NULL,
	FIELDS,
	time     INTEGER,
	nsec     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX dumps_list ON dumps (id, time);
INDEXES
CREATE INDEX dumps_time ON dumps (time, id, nsec);
CREATE INDEX dumps_checked ON dumps (checked);
CREATE INDEX dumps_odd ON dumps (id) WHERE odd;

CREATE TABLE docs (
	n   INTEGER PRIMARY KEY,
	id  BLOB NOT NULL, -- of its dump
	doc BLOB NOT NULL
);

-- Directories that are named like a dump's and have no document yet.
CREATE TABLE pending (
	id     BLOB PRIMARY KEY,
	tries  INTEGER NOT NULL, -- 0: not read yet
	due    INTEGER NOT NULL,
	dirtag TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX pending_due ON pending (due);

-- The objects of directories: of a dump (its hash), and of analyzers.
CREATE TABLE listings (
	dir     TEXT PRIMARY KEY,
	at      INTEGER NOT NULL,
	entries BLOB NOT NULL
);

-- The names of properties that a document has or has had, as in specifications.
CREATE TABLE names (
	name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- The entries of the change log that were read, as long as they may be listed again.
CREATE TABLE seen (
	name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- The last changes, for the other processes that share the file. An empty id stands for
-- many changes. The other columns are the state before; NULL if the dump is new.
CREATE TABLE journal (
	seq    INTEGER PRIMARY KEY AUTOINCREMENT,
	writer INTEGER NOT NULL,
	id     BLOB NOT NULL,
	etag, size, mtime, FIELDS, time, nsec
);
`)

// fieldIndexes returns the statements that create an index for each field.
func fieldIndexes() string {
	var b strings.Builder
	for _, f := range Fields {
		where := ""
		if f.Sparse {
			where = " WHERE " + f.column() + " IS NOT NULL"
		}
		fmt.Fprintf(&b, "CREATE INDEX dumps_%s ON dumps (%[1]s, id, time)%s;\n", f.column(), where)
	}
	return b.String()
}
