package fs

import (
	"testing"
	"thothfs/dump/document"
)

func TestAlias(t *testing.T) {
	for _, tt := range []struct{ doc, object, want string }{
		{`{"type": "core"}`, "vmcore.0", "core"},
		{`{"type": "crash"}`, "vmcore.0", "vmcore"},
		{`{"type": "crash"}`, "vmdump.0", "vmdump"},
		{`{"type": "crash"}`, "dump.1", "vmcore"},
		{`{"type": "crash", "format": "illumos vmdump"}`, "dump.1", "vmdump"},
		{`{"type": "crash", "format": "illumos vmcore"}`, "vmdump.1", "vmcore"},
		{`{"type": "crash", "format": "kdump"}`, "vmdump.1", "vmcore"},
		{`{}`, "core.x.1", "core"},
		{`{}`, "x", "core"},
		{`{}`, "vmcore.1", "vmcore"},
		{`{}`, "vmdump.1", "vmdump"},
		{`{`, "vmcore.1", "vmcore"},
		{`{"type": 5, "format": []}`, "core.1", "core"},
	} {
		if got := aliasOf(document.Parse([]byte(tt.doc)), tt.object); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.doc, tt.object, got, tt.want)
		}
	}
}
