package dump

import (
	"slices"
	"strconv"
	"strings"
)

// maxKernelSymbols bounds the symbols of VMCOREINFO that are looked at.
const maxKernelSymbols = 256

// kernel foretells the variables of a Linux kernel that VMCOREINFO names, as far
// as their addresses are mapped in the dump.
func (m memory) kernel(info vmcoreInfo) {
	var addrs []uint64
	for key, value := range info {
		addr, err := strconv.ParseUint(value, 16, 64)
		if err == nil && strings.HasPrefix(key, "SYMBOL(") {
			addrs = append(addrs, addr)
		}
	}
	slices.Sort(addrs)
	for _, addr := range addrs[:min(len(addrs), maxKernelSymbols)] {
		m.want(addr, 512)
	}
}

// crash foretells the reads of an illumos crash dump. All addresses of an expanded
// one lead through its tables; of a compressed one only savecore reads, which
// begins with both headers.
func (f *forecast) crash(h crashHeader) {
	if h.compressed() {
		f.tell((f.size-crashAlign)&^(crashAlign-1), 2*crashAlign)
		return
	}
	f.tellRange(Range{0, h.u64(48)})
}

// maxPageTable is the size up to which the table of pages is foretold. Debuggers read the
// bitmaps from end to end, but of the table only the entries of the pages they want: of a
// large one, of 24 bytes for each page of 4 KiB, most would be fetched for nothing. What
// a session read of it goes into the dump's pack.
const maxPageTable = 1 << 20

// kdump foretells the reads of a compressed dump of a Linux kernel: headers, what
// the sub-header points to, the bitmaps of pages, and the table of pages, which
// ends where the first page begins, if it is small.
func (f *forecast) kdump(head []byte) error {
	h, err := newKdumpHeader(head)
	if err != nil {
		return err
	}
	f.tellRange(Range{0, max(min(h.headerLen(), maxKdumpHeader), h.blocks(1)+readsPage)}) // with the sub-header
	vmcoreinfo, notes, erased, err := h.ranges(f.s)
	if err != nil {
		return err
	}
	for _, r := range []Range{vmcoreinfo, notes, erased} {
		f.tellRange(Range{r.Off, min(r.Len, maxNoteReads)})
	}
	bitmaps := Range{h.headerLen(), h.blocks(uint64(h.u32(h.blockSize + 8)))}
	table := Range{bitmaps.Off + bitmaps.Len, 24} // struct page_desc: offset, size, flags, page_flags
	f.tellRange(table)
	f.tellRange(bitmaps)
	if v := (view{f.hold(table), h.order, 8}); v.b != nil {
		if first := v.u64(0); first > table.Off && first-table.Off <= maxPageTable {
			f.tellRange(Range{table.Off, first - table.Off})
		}
	}
	return f.err
}
