package dump

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"math"
	"strconv"
)

// Flags of a dump header.
const (
	dfComplete   = 0x2
	dfCompressed = 0x8
)

const (
	dumpMagic = 0xdefec8ed
	// crashHeaderSize is what the original reads of a crash dump.
	crashHeaderSize = 8192
	utsnameField    = 257
	// crashAlign is DUMP_OFFSET of sys/dumphdr.h: savecore pads a compressed dump to
	// a multiple of it, and ends it with a block of that size.
	crashAlign = 64 << 10
)

// crashHeader is the header of an illumos crash dump: dumphdr_t of
// sys/dumphdr.h, as a 64-bit kernel of DUMP_VERSION 10 lays it out. Zeros where
// the file ends.
type crashHeader struct{ view }

func newCrashHeader(head []byte) crashHeader {
	b := zeroExtend(head, crashHeaderSize)
	return crashHeader{view{b, binary.LittleEndian, 8}}
}

func isCrash(head []byte) bool {
	return len(head) >= 4 && binary.LittleEndian.Uint32(head) == dumpMagic
}

func (h crashHeader) flags() uint32    { return h.u32(8) }
func (h crashHeader) compressed() bool { return h.flags()&dfCompressed != 0 }

// check refuses what the original refuses, but for the dumps that savecore has
// expanded (vmcore.N): those are taken under the same text.
func (h crashHeader) check() error {
	if h.flags()&dfComplete == 0 {
		return &UnsupportedError{Format: "incomplete illumos crash dump", Hint: "the kernel did not finish writing it"}
	}
	return nil
}

// ids returns the hash that the published builds of the original give the dump
// (they ran on Node 8), and those it gives on Node 0.10 and on 12 and later.
func (h crashHeader) ids() (ID, []ID) {
	return md5.Sum(h.inspectText(node8)), []ID{
		md5.Sum(h.inspectText(node010)),
		md5.Sum(h.inspectText(node12)),
	}
}

func inspectCrash(s *source) (*Info, error) {
	h := newCrashHeader(s.head(crashHeaderSize))
	if err := h.check(); err != nil {
		return nil, err
	}
	id, also := h.ids()
	info := &Info{
		Format: "illumos vmcore", OS: "illumos", Type: Crash, ID: id, AlsoIDs: also,
		Machine:  h.machine(),
		Node:     h.text(56+1*utsnameField, utsnameField),
		Platform: h.text(56+3*utsnameField, utsnameField),
		Time:     unixTime(h.crashTime(), 0),
		Size:     s.size, Needed: h.needed(),
		Properties: h.properties(),
	}
	if !h.compressed() {
		return info, nil
	}
	info.Format = "illumos vmdump"
	end, err := h.compressedEnd(s)
	info.Needed = max(info.Needed, end)
	return info, err
}

// machine is what the kernel calls itself, but for "i86pc", which is a platform
// of two machines.
func (h crashHeader) machine() string {
	m := h.text(56+4*utsnameField, utsnameField)
	if m == "i86pc" && h.u32(12) == 64 {
		return "x86_64"
	}
	if m == "i86pc" {
		return "i386"
	}
	return m
}

// crashTime has the size of a long in the kernel that died.
func (h crashHeader) crashTime() int64 {
	if h.u32(12) == 32 {
		return int64(int32(h.u32(1800)))
	}
	return int64(h.u64(1800))
}

func (h crashHeader) properties() map[string]string {
	p := map[string]string{}
	if s := h.text(1598, 200); s != "" {
		p["panicstring"] = s
	}
	if h.u32(12) != 64 || h.u32(4) < 10 { // what follows lies elsewhere
		return p
	}
	if s := h.text(1868, 37); s != "" {
		p["uuid"] = s
	}
	if n := h.u32(1864); n != 0 {
		p["fm_panic"] = strconv.FormatUint(uint64(n), 10)
	}
	return p
}

// compressedEnd returns how long a compressed dump is. savecore repeats the header in
// the last block, and cannot expand a dump without: such a file is cut, and the
// result is the next size that a whole one can have.
func (h crashHeader) compressedEnd(s *source) (int64, error) {
	const compared = 1800 // up to the time, which has the size of a long
	last := (s.size - crashAlign) &^ (crashAlign - 1)
	if last > 0 {
		b := make([]byte, compared)
		if _, err := s.fill(b, last); err != nil {
			return 0, err
		}
		const valid = 1 // savecore clears it in either
		b[8] = b[8]&^valid | h.b[8]&valid
		if bytes.Equal(b, h.b[:compared]) {
			return last + crashAlign, nil
		}
	}
	return min(s.size, math.MaxInt64-crashAlign)&^(crashAlign-1) + crashAlign, nil
}

// needed is how long the file is at least: where its data begin, and, when it is
// expanded, all of its pages. How much the compressed data take is not in the
// header.
func (h crashHeader) needed() int64 {
	end := uint64(1912)
	for off := 24; off <= 48; off += 8 { // ksyms, pfn, map, data
		end = max(end, h.u64(off))
	}
	if shift := h.u64(1808); !h.compressed() && h.u32(12) == 64 && shift < 32 {
		if pages := h.u64(1840); pages < math.MaxInt64>>shift {
			end = max(end, Range{h.u64(48), pages << shift}.end())
		}
	}
	return int64(min(end, math.MaxInt64))
}
