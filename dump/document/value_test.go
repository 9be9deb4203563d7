package document

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestValue(t *testing.T) {
	for _, c := range []struct {
		raw, text string
		kind      Kind
	}{
		{`null`, "null", KindNull},
		{`true`, "true", KindBool},
		{`false`, "false", KindBool},
		{`-1.50e+3`, "-1.50e+3", KindNumber},
		{`"a\tb\u0000\u00e9\ud83d\ude00"`, "a\tb\x00é😀", KindString},
		{`"\ud83dx\ude00\ud83d"`, "\ufffdx\ufffd\ufffd", KindString},
		{`"\ud83d\ud83d\ude00"`, "\ufffd😀", KindString},
		{`"\b\f\n\r\t\/\\\""`, "\b\f\n\r\t/\\\"", KindString},
		{"\"\xff\"", "\xff", KindString},
		{`[ 1 , "a b" , [ ] ]`, `[1,"a b",[]]`, KindArray},
		{"{ \"a \\\" b\" : {\n} }", `{"a \" b":{}}`, KindObject},
	} {
		v := Value{[]byte(c.raw)}
		if v.Kind() != c.kind || v.Text() != c.text || string(v.JSON()) != c.raw {
			t.Errorf("%s: got kind %v, text %q", c.raw, v.Kind(), v.Text())
		}
	}
	if v := (Value{}); v.Kind() != KindNone || v.Text() != "" || v.Strings() != nil {
		t.Errorf("the zero value: got kind %v, text %q", v.Kind(), v.Text())
	}
}

// FuzzValue checks that the scanner accepts what encoding/json accepts, and that the texts agree.
func FuzzValue(f *testing.F) {
	for _, s := range []string{sampleDocument, `[1,-0,0.5e-3,01,1.,"\u00zz",tru,{"a":}]`, `{"a":[{},[],""]}`, `"\ud800\udc00"`, `-`, `[,]`, `{,}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw := []byte(s)
		start := skipSpace(raw, 0)
		end, err := valueEnd(raw, start)
		sound := err == nil && skipSpace(raw, end) == len(raw)
		if sound != json.Valid(raw) && strings.Count(s, "[")+strings.Count(s, "{") < maxDepth {
			t.Fatalf("%q: got %v", s, sound)
		}
		if !sound {
			return
		}
		checkValue(t, Value{raw[start:end]})
	})
}

func checkValue(t *testing.T, v Value) {
	t.Helper()
	switch v.Kind() {
	case KindString:
		var want string
		if err := json.Unmarshal(v.JSON(), &want); err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(v.JSON()) && v.Text() != want {
			t.Fatalf("%s: got %q, want %q", v.JSON(), v.Text(), want)
		}
	case KindArray, KindObject:
		if !json.Valid([]byte(v.Text())) {
			t.Fatalf("%s: the text is %q", v.JSON(), v.Text())
		}
	}
	for e := range v.Elements() {
		checkValue(t, e)
	}
	for _, e := range v.Members() {
		checkValue(t, e)
	}
}
