package query

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEncodeName(t *testing.T) {
	for v, want := range map[string]string{
		"svc.startd":                           "svc.startd",
		"eb9ca020-77a6-41fd-aabb-8f95305f9aa6": "eb9ca020-77a6-41fd-aabb-8f95305f9aa6",
		"a b'\"$`*?\\":                         "a b'\"$`*?\\",
		"Grüße €":                              "Grüße €",
		"":                                     "%",
		".":                                    "%2E",
		"..":                                   "%2E%2E",
		"...":                                  "...",
		".hidden":                              ".hidden",
		"../../etc":                            "..%2F..%2Fetc",
		"a=b":                                  "a%3Db",
		"100%":                                 "100%25",
		"a\nb\x00\x7f":                         "a%0Ab%00%7F",
		"\u0085":                               "%C2%85",
		"\xff\xc3":                             "%FF%C3",
		"\ufffd":                               "\ufffd",
	} {
		got := EncodeName(v)
		if got != want {
			t.Errorf("%q: got %q, want %q", v, got, want)
		}
		if back, err := DecodeName(got); err != nil || back != v {
			t.Errorf("%q: read back as %q, %v", v, back, err)
		}
	}
}

func TestEncodeNameLong(t *testing.T) {
	names := map[string]string{}
	for _, v := range []string{
		strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("x", 300), strings.Repeat("x", 300) + "y",
		strings.Repeat("é", 200), strings.Repeat("\n", 86), strings.Repeat("%", 1000), strings.Repeat("a", 10<<20),
	} {
		name := EncodeName(v)
		if len(name) > 255 || !utf8.ValidString(name) || names[name] != "" {
			t.Errorf("%.20q (%d bytes): bad name %q", v, len(v), name)
		}
		names[name] = v
		back, err := DecodeName(name)
		if len(v) <= 255 && strings.Trim(v, "x") == "" {
			if back != v || err != nil {
				t.Errorf("%.20q: read back as %q, %v", v, back, err)
			}
		} else if !errors.Is(err, ErrNotReversible) {
			t.Errorf("%.20q: got %q, %v", v, back, err)
		}
	}
}

func TestDecodeNameRefuses(t *testing.T) {
	for _, s := range []string{"", ".", "..", "a/b", "a=b", "100%", "%2f", "%41", "%zz", "a%", "a\n", "\xff", "%~", "a%~12",
		strings.Repeat("x", 256), "%2E.", "a%2E"} {
		if v, err := DecodeName(s); !errors.Is(err, ErrName) {
			t.Errorf("%q: got %q, %v", s, v, err)
		}
	}
}

func TestParseName(t *testing.T) {
	for name, want := range map[string]string{
		"type=core cmd=svc* ticket=undefined mtime=6h": "type=core cmd=svc* ticket=undefined mtime=6h",
		"ticket=undefined":     "ticket=undefined",
		"psargs=%2Flib%2fsvc*": "psargs=/lib/svc*",
		"load=100%":            "load=100%",
		"load=100%25":          "load=100%",
		"a=%zz%4":              "a=%zz%4",
		"type=core%20cmd=x":    "type=core cmd=x",
		"6433c1":               "6433c1",
	} {
		p, err := ParseName(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if p.String() != want {
			t.Errorf("%q: got %q, want %q", name, p, want)
		}
	}
}

func TestEncodeNameRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		checkName(t, randomText(rng))
	}
}

func FuzzEncodeName(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a/b", "%~", "\xff", strings.Repeat("é", 130), "=", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkName(t, s)
		if v, err := DecodeName(s); err == nil && EncodeName(v) != s {
			t.Errorf("%q stands for %q, whose name is %q", s, v, EncodeName(v))
		}
	})
}

// checkName checks that the name of v has the properties that EncodeName promises.
func checkName(t *testing.T, v string) {
	t.Helper()
	name := EncodeName(v)
	if name == "" || name == "." || name == ".." || len(name) > 255 || !utf8.ValidString(name) ||
		strings.ContainsAny(name, "/=\x00\n\x1b\x7f") {
		t.Fatalf("%q: bad name %q", v, name)
	}
	back, err := DecodeName(name)
	if errors.Is(err, ErrNotReversible) && len(v) > 255/6 {
		return
	}
	if err != nil || back != v {
		t.Fatalf("%q: its name %q is read as %q, %v", v, name, back, err)
	}
}
