package dump

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"math"
	"strconv"
)

const (
	// Flags in a dump header.
	dfComplete   = 0x2
	dfCompressed = 0x8

	dumpMagic = 0xdefec8ed
	// crashHeaderSize is the number of bytes that the original reads from a crash dump.
	crashHeaderSize = 8192
	utsnameField    = 257
	// crashAlign is DUMP_OFFSET in sys/dumphdr.h. savecore pads a compressed dump to a
	// multiple of it, and appends a block of that size.
	crashAlign = 64 << 10
)

// crashHeader is the header of an illumos crash dump: dumphdr_t of sys/dumphdr.h, in the layout
// of a 64-bit kernel with DUMP_VERSION 10. It is zero beyond the end of the file.
type crashHeader struct{ structView }

func newCrashHeader(head []byte) crashHeader {
	b := make([]byte, crashHeaderSize)
	copy(b, head)
	return crashHeader{structView{b, binary.LittleEndian, 8}}
}

func isIllumosCrash(head []byte) bool {
	return len(head) >= 4 && binary.LittleEndian.Uint32(head) == dumpMagic
}

func (h crashHeader) flags() uint32    { return h.u32(8) }
func (h crashHeader) compressed() bool { return h.flags()&dfCompressed != 0 }

// readCrashHeader rejects what the original rejects, except for dumps that savecore has expanded
// (vmcore.N), which are hashed from the same text.
func readCrashHeader(r *bufReader) (crashHeader, error) {
	h := newCrashHeader(r.head(crashHeaderSize))
	if h.flags()&dfComplete == 0 {
		return h, &UnsupportedError{Format: "incomplete illumos crash dump", Hint: "the kernel did not finish writing it"}
	}
	return h, nil
}

// ids returns the hash that the published builds of the original (which ran on Node 8) compute
// for the dump, and those computed on Node 0.10 and on 12 and later.
func (h crashHeader) ids() (ID, []ID) {
	return md5.Sum(h.nodeInspect(node8)), []ID{
		md5.Sum(h.nodeInspect(node010)),
		md5.Sum(h.nodeInspect(node12)),
	}
}

func hashIllumosCrash(r *bufReader) (ID, error) {
	h, err := readCrashHeader(r)
	if err != nil {
		return ID{}, err
	}
	id, _ := h.ids()
	return id, nil
}

func inspectIllumosCrash(r *bufReader) (*Info, error) {
	h, err := readCrashHeader(r)
	if err != nil {
		return nil, err
	}
	id, also := h.ids()
	info := &Info{
		Format: "illumos vmcore", OS: "illumos", Type: Crash, ID: id, AlsoIDs: also,
		Machine:  h.machine(),
		Node:     h.text(56+1*utsnameField, utsnameField),
		Kernel:   h.text(56+2*utsnameField, utsnameField),
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

// illumosCrash predicts the reads of an illumos crash dump. In an expanded dump all addresses are
// found through its tables. A compressed dump is read only by savecore, which starts with both
// headers.
func (p *predictor) illumosCrash() error {
	h := newCrashHeader(p.r.head(crashHeaderSize))
	if h.compressed() {
		p.want((p.size-crashAlign)&^(crashAlign-1), 2*crashAlign)
	} else {
		p.wantRange(Range{0, h.u64(48)})
	}
	return nil
}

// machine returns the kernel's name for the machine, except that the platform "i86pc", which
// stands for two machines, is resolved.
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

// crashTime reads a time that has the size of a long in the crashed kernel.
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
	if h.u32(12) != 64 || h.u32(4) < 10 { // the fields below are elsewhere
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

// compressedEnd returns the length of a complete compressed dump. savecore repeats the header in
// the last block and cannot expand a dump without it. If the block is missing, the file is
// truncated, and the result is the next length that a complete dump can have.
func (h crashHeader) compressedEnd(r *bufReader) (int64, error) {
	const compared = 1800 // bytes before the time, which has the size of a long
	last := (r.size - crashAlign) &^ (crashAlign - 1)
	if last > 0 {
		b := make([]byte, compared)
		if _, err := r.fill(b, last); err != nil {
			return 0, err
		}
		const valid = 1 // savecore clears it in either copy
		b[8] = b[8]&^valid | h.b[8]&valid
		if bytes.Equal(b, h.b[:compared]) {
			return last + crashAlign, nil
		}
	}
	return min(r.size, math.MaxInt64-crashAlign)&^(crashAlign-1) + crashAlign, nil
}

// needed returns the minimum length of the file: up to its data and, for an expanded dump, to the
// end of its pages. The header does not give the length of compressed data.
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
