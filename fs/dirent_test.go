package fs

import (
	"bytes"
	"encoding/binary"
)

// dirent reads one struct linux_dirent64: number, position of the next, length, type, name.
func dirent(b []byte) (next int64, name string, size int) {
	size = int(binary.NativeEndian.Uint16(b[16:]))
	text, _, _ := bytes.Cut(b[19:size], []byte{0})
	return int64(binary.NativeEndian.Uint64(b[8:])), string(text), size
}

func direntNumber(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }
