package dump

import (
	"bytes"
	"encoding/binary"
)

// structView reads the fields of a C structure. Fields beyond the end of the data are zero, as
// when a structure is too short to contain them.
type structView struct {
	b     []byte
	order binary.ByteOrder
	word  int // size of a long in bytes: 4 or 8
}

func (v structView) at(off, n int) []byte {
	if off < 0 || n < 0 || off > len(v.b)-n {
		return nil
	}
	return v.b[off : off+n]
}

// number is like at for an n-byte number; it returns zeros outside the structure.
func (v structView) number(off, n int) []byte {
	if b := v.at(off, n); b != nil {
		return b
	}
	return zeroNumber[:n]
}

var zeroNumber [8]byte

func (v structView) u16(off int) uint16 { return v.order.Uint16(v.number(off, 2)) }
func (v structView) u32(off int) uint32 { return v.order.Uint32(v.number(off, 4)) }
func (v structView) u64(off int) uint64 { return v.order.Uint64(v.number(off, 8)) }

// i32 reads an int, such as a pid.
func (v structView) i32(off int) int { return int(int32(v.u32(off))) }

// long reads an unsigned long or a pointer.
func (v structView) long(off int) uint64 {
	if v.word == 8 {
		return v.u64(off)
	}
	return uint64(v.u32(off))
}

// text reads a string from a field of n bytes, which the structure may cut short. The string ends
// at a NUL.
func (v structView) text(off, n int) string {
	if off < 0 || off >= len(v.b) {
		return ""
	}
	return cstring(v.b[off:min(off+n, len(v.b))])
}

// cstring returns the text before the first NUL.
func cstring(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
