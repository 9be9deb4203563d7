package dump

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
)

const (
	kdumpMagic    = "KDUMP   "
	diskdumpMagic = "DISKDUMP"

	// maxKdumpHeader bounds the blocks of the header, maxKdumpNotes what it
	// points to.
	maxKdumpHeader = 16 << 20
	maxKdumpNotes  = 64 << 20
)

// kdumpHeader is the header of a file that makedumpfile, diskdump or QEMU
// compressed page by page: struct disk_dump_header and struct kdump_sub_header of
// makedumpfile's diskdump_mod.h.
type kdumpHeader struct {
	view
	timeval, status, blockSize int // where the fields are, by the size of a long
}

func isKdump(head []byte) bool {
	return len(head) >= 8 && (string(head[:8]) == kdumpMagic || string(head[:8]) == diskdumpMagic)
}

// newKdumpHeader finds out the byte order and the size of a long, which the file
// does not state: a block has a plausible size in one layout only.
func newKdumpHeader(head []byte) (kdumpHeader, error) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, h := range []kdumpHeader{
			{view{head, order, 8}, 408, 424, 428},
			{view{head, order, 4}, 404, 412, 416},
		} {
			size := h.u32(h.blockSize)
			if h.u32(8) < 256 && size >= 512 && size <= 1<<20 && size&(size-1) == 0 {
				return h, nil
			}
		}
	}
	return kdumpHeader{}, fmt.Errorf("%w: kdump header without a block size", ErrDamaged)
}

// blocks returns the length of n blocks in bytes.
func (h kdumpHeader) blocks(n uint64) uint64 { return n * uint64(h.u32(h.blockSize)) }

// headerLen is the length of header and sub-header.
func (h kdumpHeader) headerLen() uint64 {
	return h.blocks(1 + uint64(h.u32(h.blockSize+4)))
}

// tableOff is where the page descriptors begin: behind the bitmaps.
func (h kdumpHeader) tableOff() uint64 {
	return h.headerLen() + h.blocks(uint64(h.u32(h.blockSize+8)))
}

// incomplete reports whether makedumpfile ran out of space while it wrote the file.
func (h kdumpHeader) incomplete() bool {
	const incomplete = 8
	return h.u32(h.status)&incomplete != 0
}

// ranges reads from the sub-header where VMCOREINFO, notes and eraseinfo are.
// Only its 64-bit form is known.
func (h kdumpHeader) ranges(s *source) (vmcoreinfo, notes, erased Range, err error) {
	if h.word != 8 {
		return
	}
	b := make([]byte, 104)
	if _, err = s.fill(b, int64(h.blocks(1))); err != nil {
		return
	}
	v := view{b, h.order, 8}
	at := func(off int) Range { return Range{v.u64(off), v.u64(off + 8)} }
	return at(32), at(48), at(64), nil
}

// bytes returns a range, as much of it as the file has, up to limit.
func (s *source) bytes(r Range, limit uint64) ([]byte, error) {
	if r.Off > math.MaxInt64 {
		return nil, nil
	}
	return s.hold(int64(r.Off), int64(min(r.Len, limit)))
}

// kdump is all of a kdump file's header that is looked at.
type kdump struct {
	kdumpHeader
	header, vmcoreinfo, notes []byte
	needed                    uint64 // without the pages
}

func readKdump(s *source) (k kdump, err error) {
	if k.kdumpHeader, err = newKdumpHeader(s.head(4096)); err != nil {
		return k, err
	}
	if err := k.checkSplit(s); err != nil {
		return k, err
	}
	vmcoreinfo, notes, erased, err := k.ranges(s)
	if err != nil {
		return k, err
	}
	k.needed = max(k.tableOff(), vmcoreinfo.end(), notes.end(), erased.end())
	if k.header, err = s.bytes(Range{0, k.headerLen()}, maxKdumpHeader); err != nil {
		return k, err
	}
	if k.vmcoreinfo, err = s.bytes(vmcoreinfo, maxVMCoreInfo); err != nil {
		return k, err
	}
	k.notes, err = s.bytes(notes, maxKdumpNotes)
	return k, err
}

// id names the dump. The original takes no kdump files, so that the choice is
// ours, once and for all: the MD5 of the blocks of the header, of VMCOREINFO and
// of the notes, which hold the time and the registers of the processors.
func (k kdump) id() ID {
	sum := md5.New()
	sum.Write(k.header)
	sum.Write(k.vmcoreinfo)
	sum.Write(k.notes)
	return ID(sum.Sum(nil))
}

func inspectKdump(s *source) (*Info, error) {
	k, err := readKdump(s)
	if err != nil {
		return nil, err
	}
	const field, first = 65, 12 // struct new_utsname
	text := func(i int) string { return k.text(first+i*field, field) }
	pages, err := k.pagesEnd(s)
	if err != nil {
		return nil, err
	}
	info := &Info{
		Format: "kdump", OS: "linux", Type: Crash, ID: k.id(),
		Node: text(1), Machine: text(4), Properties: map[string]string{},
		Size: s.size, Needed: int64(min(max(k.needed, pages), math.MaxInt64)),
	}
	if string(k.b[:8]) == diskdumpMagic {
		info.Format = "diskdump"
	}
	if release := text(2); release != "" {
		info.Platform = linuxPlatform(release)
	}
	if usec := k.long(k.timeval + k.word); usec < 1e6 {
		info.Time = unixTime(int64(k.long(k.timeval)), int64(usec)*1000)
	}
	if k.incomplete() {
		info.Properties["incomplete"] = "true"
	}
	parseVMCoreInfo(k.vmcoreinfo).describe(info)
	k.threads(info)
	return info, nil
}

// threads reads the registers of the processors.
func (k kdump) threads(info *Info) {
	arch := archOf(info.Machine, k.word*8)
	ns := notes{segments: [][]byte{k.notes}, order: k.order, word: k.word}
	for n := range ns.all() {
		if n.owner == "CORE" && n.typ == ntPrstatus && len(info.Threads) < maxThreads {
			info.Threads = append(info.Threads, arch.thread(n.view, info.Machine))
		}
	}
}
