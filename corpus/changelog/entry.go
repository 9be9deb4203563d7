// Package changelog informs the clients of a corpus which documents other clients have changed, so
// that they need not ask the store for every document. A client that edits or uploads stores a
// small object in [Dir], whose name sorts by time; other clients list the new objects.
//
// The log is a hint. Entries may be lost if a process is killed or a clock is wrong; every document
// is eventually read again without them. The original thoth does not write entries and ignores the
// directory.
package changelog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"thothfs/dump"
)

// Dir is the directory of the log.
const Dir = ".thothfs/changes"

// Retention is the minimum age at which entries may be removed.
const Retention = 28 * 24 * time.Hour

// timeFormat is the format of the time at the start of an entry's name.
const timeFormat = "20060102T150405.000Z"

const (
	maxVersions   = 4096    // maximum number in one entry
	maxEntryBytes = 1 << 20 // maximum size of an entry
)

// Version is a version of a dump's document.
type Version struct {
	ID  dump.ID
	Tag uint64 // Tag of the document's ETag
}

// Tag returns a hash of an ETag, or 0 if the ETag is empty.
func Tag(etag string) uint64 {
	if etag == "" {
		return 0
	}
	return xxhash.Sum64String(etag)
}

// line is one line of an entry.
type line struct {
	ID   dump.ID `json:"id"`
	ETag string  `json:"etag"`
}

// entry is the information in the name of an entry.
type entry struct {
	name    string
	at      time.Time // writer's clock
	stored  time.Time // store's clock; zero if unknown
	only    bool      // version is everything that the entry contains
	version Version
}

// entryName returns a name for an entry with the given time. For a single line, the name is
// TIME-HASH-TAG and contains all the information, so that the entry itself need not be read. For
// several lines it consists of the time and sixteen random digits.
func entryName(at time.Time, lines []line) string {
	name := at.UTC().Format(timeFormat)
	if len(lines) == 1 {
		return fmt.Sprintf("%s-%s-%016x", name, lines[0].ID, Tag(lines[0].ETag))
	}
	return fmt.Sprintf("%s-%016x", name, rand.Uint64())
}

// parseEntryName is the inverse of entryName. It returns false for any other name.
func parseEntryName(name string) (e entry, ok bool) {
	parts := strings.SplitN(name, "-", 4)
	at, err := time.Parse(timeFormat, parts[0])
	if err != nil || len(parts[0]) != len(timeFormat) {
		return e, false
	}
	e = entry{name: name, at: at}
	last := parts[len(parts)-1]
	tag, err := strconv.ParseUint(last, 16, 64)
	if err != nil || len(last) != 16 {
		return e, false
	}
	switch len(parts) {
	case 2:
		return e, true
	case 3:
		id, err := hex.DecodeString(parts[1])
		e.only, e.version.Tag = true, tag
		return e, err == nil && len(id) == len(e.version.ID) && copy(e.version.ID[:], id) == len(id)
	}
	return e, false
}

func encodeLines(lines []line) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		text, _ := json.Marshal(l) // two strings, so it cannot fail
		b.Write(append(text, '\n'))
	}
	return b.Bytes()
}

// decodeLines decodes the lines of an entry. It skips malformed lines.
func decodeLines(text []byte) (versions []Version) {
	for text := range bytes.Lines(text) {
		var l line
		if json.Unmarshal(text, &l) == nil && l.ID != (dump.ID{}) && len(versions) < maxVersions {
			versions = append(versions, Version{l.ID, Tag(l.ETag)})
		}
	}
	return versions
}
