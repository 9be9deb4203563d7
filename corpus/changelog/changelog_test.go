package changelog

import (
	"slices"
	"strings"
	"testing"
	"time"

	"thothfs/dump"
	"thothfs/store/mem"
)

// TestEntries checks that entry names parse, and that hostile and damaged entries are skipped.
func TestEntries(t *testing.T) {
	at := time.Date(2026, 11, 27, 1, 2, 3, 456e6, time.UTC)
	one, several := entryName(at, []line{{dump.ID{1}, "e1"}}), entryName(at, make([]line, 2))
	if e, ok := parseEntryName(several); !ok || !e.at.Equal(at) || e.only || several == entryName(at, nil) {
		t.Errorf("%s: %v, %v", several, e, ok)
	}
	if e, ok := parseEntryName(one); !ok || !e.at.Equal(at) || !e.only || e.version != (Version{dump.ID{1}, Tag("e1")}) {
		t.Errorf("%s: %v, %v", one, e, ok)
	}
	for _, name := range []string{one, several} {
		for _, bad := range []string{"", "x", name[1:], name + "0", name + "-", strings.Replace(name, "Z-", "Z_", 1), strings.Replace(name, "Z-", "Z-0", 1),
			name[:len(name)-1] + "g", "2026" + strings.Repeat("x", len(name)-4)} {
			if _, ok := parseEntryName(bad); ok {
				t.Errorf("%q is taken", bad)
			}
		}
	}
	all := []line{{dump.ID{1}, "e1"}, {dump.ID{2}, "e\n2"}}
	text := encodeLines(all)
	got := decodeLines(append([]byte("{}\nnonsense\n{\"id\":7}\n\x00\n"), append(text, "{\"id\":\"6433"...)...))
	if want := []Version{{dump.ID{1}, Tag("e1")}, {dump.ID{2}, Tag("e\n2")}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if n := len(decodeLines([]byte(strings.Repeat(string(text), maxVersions)))); n != maxVersions {
		t.Errorf("%d lines are taken", n)
	}
}

func TestChangeLogIsTrimmed(t *testing.T) {
	s := mem.New()
	now := time.Now()
	for i := range trimAtOnce + 10 {
		s.Set(Dir+"/"+entryName(now.Add(time.Duration(i-trimAtOnce)*time.Hour), nil), nil)
	}
	s.Set(Dir+"/a note", nil)
	if err := Trim(t.Context(), s, now.Add(-100*time.Hour-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Keys()); n != 100+10+1 {
		t.Errorf("%d entries are left", n)
	}
}
