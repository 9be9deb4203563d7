package dumptest

import (
	"encoding/binary"
	"slices"
)

// Record is a record of a flattened dump.
type Record struct {
	Off, Size int64
	Data      []byte
}

// End is the record that ends a flattened dump.
var End = Record{Off: -1, Size: -1}

// Flatten returns dump in makedumpfile's flattened format, in records of up to 16 KiB. Like
// makedumpfile, it writes the header twice, the first time with incorrect last bytes.
func Flatten(dump []byte) []byte {
	first := slices.Clone(dump[:min(len(dump), 512)])
	for i := len(first) / 2; i < len(first); i++ {
		first[i] ^= 0xff
	}
	records := []Record{{0, int64(len(first)), first}}
	for at := 0; at < len(dump); {
		n := min(len(dump)-at, 16368)
		records = append(records, Record{int64(at), int64(n), dump[at : at+n]})
		at += n
	}
	return Flattened(append(records, End)...)
}

// Flattened returns a flattened dump that contains records, which need not be valid.
func Flattened(records ...Record) []byte {
	b := make([]byte, 4096)
	copy(b, "makedumpfile")
	b[23], b[31] = 1, 1 // type and version
	for _, r := range records {
		b = binary.BigEndian.AppendUint64(b, uint64(r.Off))
		b = binary.BigEndian.AppendUint64(b, uint64(r.Size))
		b = append(b, r.Data...)
	}
	return b
}
