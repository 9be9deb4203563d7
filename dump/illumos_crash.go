package dump

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"math"
	"strconv"
)

const (
	// Flags of a dump header.
	dfComplete   = 0x2
	dfCompressed = 0x8

	dumpMagic = 0xdefec8ed
	// crashHeaderSize is what the original reads of a crash dump.
	crashHeaderSize = 8192
	utsnameField    = 257
	// crashAlign is DUMP_OFFSET of sys/dumphdr.h: savecore pads a compressed dump to
	// a multiple of it, and ends it with a block of that size.
	crashAlign = 64 << 10
)

// crashHeader is the header of an illumos crash dump: dumphdr_t of sys/dumphdr.h, as a
// 64-bit kernel of DUMP_VERSION 10 lays it out. It is zero where the file ends.
type crashHeader struct{ structView }

func newCrashHeader(head []byte) crashHeader {
	b := zeroExtend(head, crashHeaderSize)
	return crashHeader{structView{b, binary.LittleEndian, 8}}
}

func isIllumosCrash(head []byte) bool {
	return len(head) >= 4 && binary.LittleEndian.Uint32(head) == dumpMagic
}

func (h crashHeader) flags() uint32    { return h.u32(8) }
func (h crashHeader) compressed() bool { return h.flags()&dfCompressed != 0 }

// check refuses what the original refuses, except for the dumps that savecore has
// expanded (vmcore.N), whose hash is that of the same text.
func (h crashHeader) check() error {
	if h.flags()&dfComplete == 0 {
		return &UnsupportedError{Format: "incomplete illumos crash dump", Hint: "the kernel did not finish writing it"}
	}
	return nil
}

// ids returns the hash that the published builds of the original give the dump
// (they ran on Node 8), and those it gives on Node 0.10 and on 12 and later.
func (h crashHeader) ids() (ID, []ID) {
	return md5.Sum(h.nodeInspect(node8)), []ID{
		md5.Sum(h.nodeInspect(node010)),
		md5.Sum(h.nodeInspect(node12)),
	}
}

func hashIllumosCrash(r *bufReader) (ID, error) {
	h := newCrashHeader(r.head(crashHeaderSize))
	if err := h.check(); err != nil {
		return ID{}, err
	}
	id, _ := h.ids()
	return id, nil
}

func inspectIllumosCrash(r *bufReader) (*Info, error) {
	h := newCrashHeader(r.head(crashHeaderSize))
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
		Size:     r.size, Needed: h.needed(),
		Properties: h.properties(),
	}
	if !h.compressed() {
		return info, nil
	}
	info.Format = "illumos vmdump"
	end, err := h.compressedEnd(r)
	info.Needed = max(info.Needed, end)
	return info, err
}

// illumosCrash predicts the reads of an illumos crash dump. All addresses of an expanded
// one lead through its tables. A compressed one is read by savecore alone, which begins
// with both headers.
func (p *predictor) illumosCrash() error {
	h := newCrashHeader(p.r.head(crashHeaderSize))
	if h.compressed() {
		p.want((p.size-crashAlign)&^(crashAlign-1), 2*crashAlign)
	} else {
		p.wantRange(Range{0, h.u64(48)})
	}
	return nil
}

// machine returns the name that the kernel gives the machine, except for the platform
// "i86pc", which stands for two.
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

// crashTime reads a time that has the size of a long in the kernel that crashed.
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
	if h.u32(12) != 64 || h.u32(4) < 10 { // the fields below lie elsewhere
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

// compressedEnd returns the length of a whole compressed dump. savecore repeats the header
// in the last block and cannot expand a dump without it. A file that lacks the block is
// cut, and the result is the next length that a whole one can have.
func (h crashHeader) compressedEnd(r *bufReader) (int64, error) {
	const compared = 1800 // up to the time, which has the size of a long
	last := (r.size - crashAlign) &^ (crashAlign - 1)
	if last > 0 {
		b := make([]byte, compared)
		if _, err := r.fill(b, last); err != nil {
			return 0, err
		}
		const valid = 1 // savecore clears it in either
		b[8] = b[8]&^valid | h.b[8]&valid
		if bytes.Equal(b, h.b[:compared]) {
			return last + crashAlign, nil
		}
	}
	return min(r.size, math.MaxInt64-crashAlign)&^(crashAlign-1) + crashAlign, nil
}

// needed returns the least length of the file: up to its data, and for an expanded dump to
// the end of its pages. The header does not say how long compressed data are.
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
