package main

import (
	"io"

	"thothfs/cache/hotpack"
	"thothfs/dump"
	"thothfs/store"
)

// readAround is how far the kernel reads to either side of a page fault, in bytes.
const readAround = 32 << 10

// hotPack makes the hot pack of a dump that is being uploaded: what dump says that
// a debugger reads first, in the form that cache takes. A dump whose reads cannot
// be foretold to the end gets a pack of what can.
func hotPack(ref store.Ref, src io.ReaderAt, size int64) ([]byte, error) {
	var ranges []hotpack.Range
	err := dump.Predict(src, size, func(off, n int64) { ranges = append(ranges, hotpack.Range{Off: off, Len: n}) })
	if len(ranges) == 0 && err != nil {
		return nil, err
	}
	return hotpack.Encode(ref, size, src, ranges, readAround)
}
