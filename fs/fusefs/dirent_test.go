package fusefs

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// direntry is a struct linux_dirent64.
type direntry struct {
	number uint64
	next   int64 // position after the entry
	name   string
}

// dirents yields the entries in a buffer filled by getdents64(2).
func dirents(b []byte) iter.Seq[direntry] {
	return func(yield func(direntry) bool) {
		for len(b) > 0 {
			size := binary.NativeEndian.Uint16(b[16:])
			name, _, _ := bytes.Cut(b[19:size], []byte{0})
			if !yield(direntry{binary.NativeEndian.Uint64(b), int64(binary.NativeEndian.Uint64(b[8:])), string(name)}) {
				return
			}
			b = b[size:]
		}
	}
}
