package dump

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"

	"thothfs/dump/vmcore"
)

const (
	kdumpMagic    = "KDUMP   "
	diskdumpMagic = "DISKDUMP"

	// maxKdumpHeader is the maximum size of the header blocks, maxKdumpNotes that of the
	// notes.
	maxKdumpHeader = 16 << 20
	maxKdumpNotes  = 64 << 20
	// maxVMCoreInfo is the maximum size of VMCOREINFO in bytes. The kernel writes it into one page.
	maxVMCoreInfo = 1 << 20

	// pageDesc is the size of struct page_desc in makedumpfile's diskdump_mod.h: offset, size
	// and flags of the page's data, and the kernel's page flags.
	pageDesc = 24

	// pageDescsAtOnce and maxPageDescs limit how much of the table is read: 1 MiB at once,
	// and 32 MiB in total, which describe 5.3 GiB of memory that is all zeros.
	pageDescsAtOnce = 1 << 20 / pageDesc
	maxPageDescs    = 32 << 20 / pageDesc

	// maxPageTable is the size of the largest page table that is predicted. Debuggers read
	// the bitmaps from end to end, but only the entries of the pages that they need: most of
	// a large table, 24 bytes for each 4 KiB page, would be fetched in vain. The parts that a
	// session has read are stored in the dump's pack.
	maxPageTable = 1 << 20
)

// kdumpHeader is the header of a file compressed page by page by makedumpfile, diskdump or QEMU:
// struct disk_dump_header and struct kdump_sub_header of makedumpfile's diskdump_mod.h.
type kdumpHeader struct {
	structView
	timeval, status, blockSize int // offsets of fields, which depend on the size of a long
}

func isKdump(head []byte) bool {
	return len(head) >= 8 && (string(head[:8]) == kdumpMagic || string(head[:8]) == diskdumpMagic)
}

// newKdumpHeader determines the byte order and the size of a long. The file does not state them,
// but its block size is plausible in only one layout.
func newKdumpHeader(head []byte) (kdumpHeader, error) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, h := range []kdumpHeader{
			{structView{head, order, 8}, 408, 424, 428},
			{structView{head, order, 4}, 404, 412, 416},
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

// headerLen returns the length of header and sub-header.
func (h kdumpHeader) headerLen() uint64 {
	return h.blocks(1 + uint64(h.u32(h.blockSize+4)))
}

// bitmaps returns the location of the page bitmaps. The page descriptors follow them.
func (h kdumpHeader) bitmaps() Range {
	return Range{h.headerLen(), h.blocks(uint64(h.u32(h.blockSize + 8)))}
}

func (h kdumpHeader) tableOff() uint64 { return h.bitmaps().Off + h.bitmaps().Len }

// incomplete reports whether makedumpfile ran out of space while writing the file.
func (h kdumpHeader) incomplete() bool {
	const incomplete = 8
	return h.u32(h.status)&incomplete != 0
}

// subHeader reads the parts of the sub-header whose layout is known.
func (h kdumpHeader) subHeader(r *bufReader) (structView, error) {
	b := make([]byte, 88+16)
	_, err := r.fill(b, int64(h.blocks(1)))
	return structView{b, h.order, h.word}, err
}

// ranges reads the locations of VMCOREINFO, notes and eraseinfo from the sub-header. Only its
// 64-bit form is supported.
func (h kdumpHeader) ranges(r *bufReader) (vmcoreinfo, notes, erased Range, err error) {
	if h.word != 8 {
		return
	}
	v, err := h.subHeader(r)
	at := func(off int) Range { return Range{v.u64(off), v.u64(off + 8)} }
	return at(32), at(48), at(64), err
}

// checkSplit rejects a part written by makedumpfile --split. It contains only some of the pages,
// and each part has a different hash.
func (h kdumpHeader) checkSplit(r *bufReader) error {
	if string(h.b[:8]) != kdumpMagic || h.u32(8) < 2 { // the version
		return nil
	}
	v, err := h.subHeader(r)
	if err != nil || v.u32(h.word+4) == 0 {
		return err
	}
	first, end := v.long(h.word+8), v.long(2*h.word+8)
	if h.word == 8 && h.u32(8) >= 6 {
		first, end = v.u64(80), v.u64(88)
	}
	return &UnsupportedError{
		Format: fmt.Sprintf("part of a split kdump (page frames %d to %d)", first, end),
		Hint:   "join all parts first: makedumpfile --reassemble PART... DUMP",
	}
}

// kdump is the header of a kdump file, with the data to which it points.
type kdump struct {
	kdumpHeader
	header, vmcoreinfo, notes []byte
	needed                    uint64 // length of the file without the pages
}

func readKdump(r *bufReader) (k kdump, err error) {
	if k.kdumpHeader, err = newKdumpHeader(r.head(4096)); err != nil {
		return k, err
	}
	if err := k.checkSplit(r); err != nil {
		return k, err
	}
	vmcoreinfo, notes, erased, err := k.ranges(r)
	if err != nil {
		return k, err
	}
	k.needed = max(k.tableOff(), vmcoreinfo.end(), notes.end(), erased.end())
	if k.header, err = r.holdRange(Range{0, k.headerLen()}, maxKdumpHeader); err != nil {
		return k, err
	}
	if k.vmcoreinfo, err = r.holdRange(vmcoreinfo, maxVMCoreInfo); err != nil {
		return k, err
	}
	k.notes, err = r.holdRange(notes, maxKdumpNotes)
	return k, err
}

// id returns the dump's hash. The original does not support kdump files, so thothfs defines it:
// the MD5 of the header blocks, VMCOREINFO, and the notes, which contain the time and the
// processors' registers.
func (k kdump) id() ID {
	sum := md5.New()
	sum.Write(k.header)
	sum.Write(k.vmcoreinfo)
	sum.Write(k.notes)
	return ID(sum.Sum(nil))
}

func hashKdump(r *bufReader) (ID, error) {
	k, err := readKdump(r)
	if err != nil {
		return ID{}, err
	}
	return k.id(), nil
}

func inspectKdump(r *bufReader) (*Info, error) {
	k, err := readKdump(r)
	if err != nil {
		return nil, err
	}
	const field, first = 65, 12 // struct new_utsname
	text := func(i int) string { return k.text(first+i*field, field) }
	pages, err := k.pagesEnd(r)
	if err != nil {
		return nil, err
	}
	info := &Info{
		Format: "kdump", OS: "linux", Type: Crash, ID: k.id(),
		Node: text(1), Machine: k.machine(), Properties: map[string]string{},
		Size: r.size, Needed: int64(min(max(k.needed, pages), math.MaxInt64)),
	}
	if string(k.b[:8]) == diskdumpMagic {
		info.Format = "diskdump"
	}
	if release := text(2); release != "" {
		info.Platform, info.Kernel = linuxPlatform(release), release
	}
	if usec := k.long(k.timeval + k.word); usec < 1e6 {
		info.Time = unixTime(int64(k.long(k.timeval)), int64(usec)*1000)
	}
	if k.incomplete() {
		info.Properties["incomplete"] = "true"
	}
	k.threads(info)
	kernel, err := k.kernelMemory(r)
	if err != nil || kernel == nil {
		return info, err
	}
	if err := info.kernelFacts(kernel); err != nil {
		return nil, err
	}
	return info, k.describe(r, info.LinuxKernel)
}

// describe adds what the headers say about the kernel to f.
func (k kdump) describe(r *bufReader, f *vmcore.Facts) error {
	const uts, field = 12, 65
	f.Version, f.Machine = cmp.Or(f.Version, k.text(uts+3*field, field)), cmp.Or(f.Machine, k.machine())
	if f.CPUs == 0 {
		f.CPUs = int(min(k.u32(k.status+36), maxThreads))
	}
	sub, err := k.subHeader(r)
	f.DumpLevel, f.HasDumpLevel = sub.i32(k.word), k.u32(8) >= 1
	return err
}

// kernelMemory returns the kernel in the dump, or nil if it has no VMCOREINFO.
func (k kdump) kernelMemory(r *bufReader) (*vmcore.Kernel, error) {
	info := vmcore.ParseInfo(k.vmcoreinfo)
	if len(info) == 0 {
		return nil, nil
	}
	sub, err := k.subHeader(r)
	if err != nil {
		return nil, err
	}
	maps := k.bitmaps()
	last := uint64(k.u32(k.blockSize + 12)) // number of page frames
	if k.u32(8) >= 6 {
		last = sub.u64(96)
	}
	pages := &vmcore.Pages{File: r.r, Order: k.order, BlockSize: k.blocks(1), Bitmap: maps.Off, BitmapLen: maps.Len, Table: k.tableOff()}
	// The second bitmap has the pages that were dumped. A complete dump has only one.
	if last <= maps.Len/2*8 {
		pages.Bitmap, pages.BitmapLen = maps.Off+maps.Len/2, maps.Len/2
	}
	s := vmcore.Source{Info: info, Machine: k.machine(), Physical: pages, PhysBase: sub.u64(0), HasPhysBase: true}
	return vmcore.New(s), nil
}

// kdumpKernel returns the kernel in a dump.
func kdumpKernel(r *bufReader) (*vmcore.Kernel, error) {
	k, err := readKdump(r)
	if err != nil {
		return nil, err
	}
	return k.kernelMemory(r)
}

// machine returns what uname -m printed, or "" if the header does not have it.
func (k kdump) machine() string {
	m := k.text(12+4*65, 65) // struct new_utsname
	if m == "Unknown" {      // as QEMU names aarch64
		return ""
	}
	return m
}

// threads reads the registers of the processors.
func (k kdump) threads(info *Info) {
	ns := notes{segments: [][]byte{k.notes}, order: k.order, word: k.word}
	for n := range ns.all() {
		if n.owner == "CORE" && n.typ == ntPrstatus && len(info.Threads) < maxThreads {
			info.Threads = append(info.Threads, linuxThread(n.structView, info.Machine))
		}
	}
}

// pagesEnd returns the end of the last page's data, as far as it can be determined from the file.
// makedumpfile and QEMU write the data in the order of the descriptors, after all of them. A page
// of zeros is stored once, before all others. If the file is cut before its descriptors end, the
// result is the minimum length that it must have.
func (k kdump) pagesEnd(r *bufReader) (uint64, error) {
	table := k.tableOff()
	if k.incomplete() || string(k.b[:8]) != kdumpMagic || table > math.MaxInt64-pageDesc {
		return 0, nil
	}
	b := make([]byte, pageDesc)
	n, err := r.fill(b, int64(table))
	if err != nil {
		return 0, err
	}
	first := k.page(b)
	if n < pageDesc || first.Off < table+pageDesc { // every dump has at least one page
		return table + pageDesc, nil
	}
	if end := max(first.Off, first.end()); end > uint64(r.size) {
		return end, nil
	}
	return k.lastPageEnd(r, table, first)
}

// lastPageEnd scans the descriptors backwards for the last one that does not refer to the page of
// zeros.
func (k kdump) lastPageEnd(r *bufReader, table uint64, first Range) (uint64, error) {
	end := max(first.Off, first.end())
	count := int64((first.Off - table) / pageDesc) // may count the page of zeros as descriptors
	for stop := max(0, count-maxPageDescs); count > stop; {
		n := min(count-stop, pageDescsAtOnce)
		b := make([]byte, n*pageDesc)
		if _, err := r.fill(b, int64(table)+(count-n)*pageDesc); err != nil {
			return 0, err
		}
		found := false
		for ; len(b) > 0; b = b[pageDesc:] {
			if p := k.page(b); p.Off > first.Off && p.Off <= math.MaxInt64 {
				end, found = max(end, p.end()), true
			}
		}
		if found {
			break
		}
		count -= n
	}
	return end, nil
}

// page returns the location of the data described by a page descriptor.
func (h kdumpHeader) page(desc []byte) Range {
	v := structView{desc, h.order, 8}
	return Range{v.u64(0), uint64(v.u32(8))}
}

// kdump predicts the reads of a compressed dump of a Linux kernel: headers, what the sub-header
// points to, the bitmaps, and the page table if it is small. The table ends where the first page
// starts.
func (p *predictor) kdump() error {
	h, err := newKdumpHeader(p.r.head(HeadSize))
	if err != nil {
		return err
	}
	p.wantRange(Range{0, max(min(h.headerLen(), maxKdumpHeader), h.blocks(1)+predictPage)}) // including the sub-header
	vmcoreinfo, notes, erased, err := h.ranges(p.r)
	if err != nil {
		return err
	}
	for _, r := range []Range{vmcoreinfo, notes, erased} {
		p.wantRange(Range{r.Off, min(r.Len, maxNoteReads)})
	}
	table := Range{h.tableOff(), pageDesc}
	p.wantRange(table)
	p.wantRange(h.bitmaps())
	if b := p.hold(table); b != nil {
		if first := h.page(b).Off; first > table.Off && first-table.Off <= maxPageTable {
			p.wantRange(Range{table.Off, first - table.Off})
		}
	}
	return p.err
}
