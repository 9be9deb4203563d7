package corpus

// A catalogue file says by these two that it is ours and of this version. Any other
// is rebuilt: change schemaVersion with schema.
const (
	applicationID = 0x74686f74 // "thot"
	schemaVersion = 3
)

// schema is the catalogue's.
//
// A document lives apart from its row, so that a list of dumps never touches
// documents. The columns type to signature hold what query.Fields.Lookup says: NULL
// for nothing; the text; and in a row that is odd, because one of the six is an
// array, an empty BLOB in all six, which no condition of ours on a column finds:
// those rows are looked at one by one. Every index carries id and time, so lists come from
// it alone, in the order of the hashes.
//
// Times: mtime and checked in nanoseconds, due and at in milliseconds, time in seconds
// with nsec beside it; all since 1970. time is NULL when unknown.
const schema = `
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
	damage   TEXT NOT NULL,    -- why the document was not to be had
	odd      INTEGER NOT NULL,
	type, cmd, node, platform, ticket, signature,
	time     INTEGER,
	nsec     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX dumps_list     ON dumps (id, time);
CREATE INDEX dumps_type     ON dumps (type, id, time);
CREATE INDEX dumps_cmd      ON dumps (cmd, id, time);
CREATE INDEX dumps_node     ON dumps (node, id, time);
CREATE INDEX dumps_platform ON dumps (platform, id, time);
CREATE INDEX dumps_ticket   ON dumps (ticket, id, time);
CREATE INDEX dumps_signature ON dumps (signature, id, time) WHERE signature IS NOT NULL;
CREATE INDEX dumps_time     ON dumps (time, id, nsec);
CREATE INDEX dumps_checked  ON dumps (checked);
CREATE INDEX dumps_odd      ON dumps (id) WHERE odd;

CREATE TABLE docs (
	n   INTEGER PRIMARY KEY,
	id  BLOB NOT NULL, -- whose it is
	doc BLOB NOT NULL
);

-- Directories that look like a dump's and are none yet.
CREATE TABLE pending (
	id     BLOB PRIMARY KEY,
	tries  INTEGER NOT NULL, -- 0: not looked into yet
	due    INTEGER NOT NULL,
	dirtag TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX pending_due ON pending (due);

-- What directories were seen to hold: a dump's (its hash), and analyzers.
CREATE TABLE listings (
	dir     TEXT PRIMARY KEY,
	at      INTEGER NOT NULL,
	entries BLOB NOT NULL
);

-- The entries of the change log that were read, as far as they may be listed again.
CREATE TABLE seen (
	name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- The last changes, for the other processes that share the file. An empty id stands
-- for many. The rest is what was known before; NULL if the dump is new.
CREATE TABLE journal (
	seq    INTEGER PRIMARY KEY AUTOINCREMENT,
	writer INTEGER NOT NULL,
	id     BLOB NOT NULL,
	etag, size, mtime, type, cmd, node, platform, ticket, signature, time, nsec
);
`
