package blockfile

import (
	"math/rand/v2"
	"testing"

	"thothfs/store"
)

func FuzzRecord(f *testing.F) {
	v := NewVersion(store.Ref{Key: "a", ETag: "1"}, 300<<10, 128<<10)
	data := make([]byte, 128<<10)
	rand.NewChaCha8([32]byte{}).Read(data)
	rec := make([]byte, recordSize(v.Block))
	v.setRecord(rec, 1, statePresent, 0, data)
	f.Add(rec, int64(1))
	f.Add(make([]byte, len(rec)), int64(0))
	f.Add(v.header(), int64(2))
	f.Fuzz(func(t *testing.T, b []byte, block int64) {
		if size, block, ok := parseHeader(b); ok && (size < 0 || !ValidBlock(block)) {
			t.Error("header with impossible sizes")
		}
		if len(b) != len(rec) {
			return
		}
		if v.recordState(b, block) != stateAbsent && (string(b) != string(rec) || block != 1) {
			t.Error("a record that was not encoded")
		}
	})
}
