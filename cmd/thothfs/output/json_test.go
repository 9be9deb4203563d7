package output

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"thothfs/corpus"
	"thothfs/dump/document"
)

func TestWriteDocument(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"b":1.50,"a":[1,{"x":[]}],"c":{},"d":{"e":null}}`, `{
    "b": 1.50,
    "a": [
        1,
        {
            "x": []
        }
    ],
    "c": {},
    "d": {
        "e": null
    }
}
`},
		{`{"a":"x\n\"` + "\u009b\u202e\x7f\xff\U000e0001" + `</é","k` + "\x7f" + `":1}`, `{
    "a": "x\n\"\u009b\u202e\u007f\ufffd\udb40\udc01</é",
    "k\u007f": 1
}
`},
		{`{"cmd":"a","psargs":"a "b"",
	"ticket":"T"}{"properties":{"x":1}}`, `{
    "cmd": "a",
    "psargs": "a \"b\"",
    "ticket": "T",
    "properties": {
        "x": 1
    }
}
`},
		{"<html>", "{}\n"},
	} {
		var b strings.Builder
		if err := WriteDocument(&b, &corpus.Dump{Doc: document.Parse([]byte(c.in))}); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want || !json.Valid([]byte(b.String())) {
			t.Errorf("%s: got\n%s", c.in, b.String())
		}
	}
}

func TestWriteDocuments(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		in   []string
		err  error
		want string
	}{
		{"none", nil, nil, "[]\n"},
		{"two", []string{`{"a":{"b":1}}`, `{"id":"own"}`}, nil, `[
    {
        "id": "0433c1ccfb41929dedf3257a8d9160ea",
        "a": {
            "b": 1
        }
    },
    {
        "id": "own"
    }
]
`},
		{"unreadable", []string{""}, nil, `[
    {
        "id": "0433c1ccfb41929dedf3257a8d9160ea"
    }
]
`},
		{"an error", []string{`{"id":1}`}, broken, `[
    {
        "id": 1
    }
]
`},
		{"an error at once", nil, broken, "[]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := WriteDocuments(&b, sequence(c.err, c.in...)); !errors.Is(err, c.err) {
				t.Errorf("got %v", err)
			}
			if b.String() != c.want || !json.Valid([]byte(b.String())) {
				t.Errorf("got\n%s", b.String())
			}
		})
	}
}
