package corpus

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"thothfs/dump"
)

// entryTime is how the name of an entry begins.
const entryTime = "20060102T150405.000Z"

// logged is a line of an entry: a dump, and the version of its document.
type logged struct {
	ID   dump.ID `json:"id"`
	ETag string  `json:"etag"`
}

// told is what an entry says of a dump.
type told struct {
	id  dump.ID
	tag uint64 // of the version, by hashTag
}

// logEntry is what the name of an entry says.
type logEntry struct {
	name   string
	at     time.Time // by its writer's clock
	stored time.Time // by the store's clock; zero when it does not say
	whole  bool      // dump is all that is in it
	dump   told
}

// entryName is the name of an entry made at a time. Of one dump it says all there is to
// know, so that nobody need read the entry: TIME-HASH-TAG. Of several it is TIME and
// sixteen hex digits by chance.
func entryName(at time.Time, all []logged) string {
	name := at.UTC().Format(entryTime)
	if len(all) == 1 {
		return fmt.Sprintf("%s-%s-%016x", name, all[0].ID, hashTag(all[0].ETag))
	}
	return fmt.Sprintf("%s-%016x", name, rand.Uint64())
}

// parseEntryName reads a name; false: it is none of ours.
func parseEntryName(name string) (e logEntry, ok bool) {
	parts := strings.SplitN(name, "-", 4)
	at, err := time.Parse(entryTime, parts[0])
	if err != nil || len(parts[0]) != len(entryTime) {
		return e, false
	}
	e = logEntry{name: name, at: at}
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
		e.whole, e.dump.tag = true, tag
		return e, err == nil && copy(e.dump.id[:], id) == len(e.dump.id) && len(id) == len(e.dump.id)
	}
	return e, false
}

// encodeEntry makes an entry's text: a line of JSON for each dump.
func encodeEntry(all []logged) []byte {
	var b bytes.Buffer
	for _, l := range all {
		line, _ := json.Marshal(l) // two strings
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

// decodeEntry reads an entry as far as it makes sense.
func decodeEntry(text []byte) (all []told) {
	for line := range bytes.Lines(text) {
		var l logged
		if json.Unmarshal(line, &l) == nil && l.ID != (dump.ID{}) && len(all) < maxEntry {
			all = append(all, told{l.ID, hashTag(l.ETag)})
		}
	}
	return all
}
