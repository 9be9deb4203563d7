package output

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	counts := Counts{}
	for l := range sequence(nil, `{"platform":"joyent_20130613T200352Z"}`, `{"platform":"b"}`, `{"platform":"b"}`, `{"platform":"a"}`,
		`{"platform":null}`, `{}`, "", `{"platform":{"x": [1]}}`, `{"platform":"\u001b\u009b"}`, `{"platform":"`+"\xff"+`"}`, `{"platform":17}`) {
		counts.AddDump(l, "platform")
	}
	var b strings.Builder
	if err := counts.Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `{
    "\u001b\u009b": 1,
    "17": 1,
    "a": 1,
    "joyent_20130613T200352Z": 1,
    "{\"x\":[1]}": 1,
    "\ufffd": 1,
    "b": 2
}
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	b.Reset()
	if err := (Counts{}).Write(&b); err != nil || b.String() != "{}\n" {
		t.Errorf("of nothing: got %q, %v", b.String(), err)
	}
}
