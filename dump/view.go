package dump

import (
	"bytes"
	"encoding/binary"
)

// view reads fields of a fixed layout. A field that lies outside of the bytes is
// zero: a short structure is one that does not say.
type view struct {
	b     []byte
	order binary.ByteOrder
	word  int // bytes of a long: 4 or 8
}

func (v view) at(off, n int) []byte {
	if off < 0 || n < 0 || off > len(v.b)-n {
		return nil
	}
	return v.b[off : off+n]
}

func (v view) u16(off int) uint16 {
	if b := v.at(off, 2); b != nil {
		return v.order.Uint16(b)
	}
	return 0
}

func (v view) u32(off int) uint32 {
	if b := v.at(off, 4); b != nil {
		return v.order.Uint32(b)
	}
	return 0
}

func (v view) u64(off int) uint64 {
	if b := v.at(off, 8); b != nil {
		return v.order.Uint64(b)
	}
	return 0
}

// i32 is an int, such as a pid.
func (v view) i32(off int) int { return int(int32(v.u32(off))) }

// long is an unsigned long or a pointer.
func (v view) long(off int) uint64 {
	if v.word == 8 {
		return v.u64(off)
	}
	return uint64(v.u32(off))
}

// text is a string in a field of n bytes, which may end earlier by a NUL. Bytes
// beyond the end of the structure are not there.
func (v view) text(off, n int) string {
	if off < 0 || off >= len(v.b) {
		return ""
	}
	return cstring(v.b[off:min(off+n, len(v.b))])
}

// cstring is what comes before the first NUL.
func cstring(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// zeroExtend returns the first n bytes of b, with zeros for those that are missing.
func zeroExtend(b []byte, n int) []byte {
	if len(b) >= n {
		return b[:n]
	}
	return append(make([]byte, 0, n), b...)[:n]
}
