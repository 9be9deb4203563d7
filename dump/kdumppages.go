package dump

import (
	"fmt"
	"math"
)

const (
	// pageDesc is the size of struct page_desc of makedumpfile's diskdump_mod.h:
	// offset, size and flags of the page's data, and the kernel's page flags.
	pageDesc = 24

	// pageDescsAtOnce and maxPageDescs bound what is read of the table: 1 MiB at
	// once, and no more than 32 MiB, which is 5.3 GiB of memory that is all zeros.
	pageDescsAtOnce = 1 << 20 / pageDesc
	maxPageDescs    = 32 << 20 / pageDesc
)

// checkSplit refuses a part that makedumpfile --split wrote: alone it holds only some
// of the pages, and no two parts have the same hash.
func (h kdumpHeader) checkSplit(s *source) error {
	if string(h.b[:8]) != kdumpMagic || h.u32(8) < 2 { // the version
		return nil
	}
	b := make([]byte, 88+16)
	if _, err := s.fill(b, int64(h.blocks(1))); err != nil {
		return err
	}
	v := view{b, h.order, h.word}
	if v.u32(h.word+4) == 0 {
		return nil
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

// pagesEnd returns where the data of the last page ends, as far as the file tells:
// makedumpfile and QEMU write the data in the order of the descriptors, behind them
// all. A page of zeros is stored once, before all others. In a file that is cut
// before its descriptors end it is the least that the file lacks.
func (k kdump) pagesEnd(s *source) (uint64, error) {
	table := k.tableOff()
	if k.incomplete() || string(k.b[:8]) != kdumpMagic || table > math.MaxInt64-pageDesc {
		return 0, nil
	}
	b := make([]byte, pageDesc)
	n, err := s.fill(b, int64(table))
	if err != nil {
		return 0, err
	}
	first := k.page(b)
	if n < pageDesc || first.Off < table+pageDesc { // no dump is without a page
		return table + pageDesc, nil
	}
	if end := max(first.Off, first.end()); end > uint64(s.size) {
		return end, nil
	}
	return k.lastPageEnd(s, table, first)
}

// lastPageEnd reads the descriptors from the last one back until one is not the page
// of zeros.
func (k kdump) lastPageEnd(s *source, table uint64, first Range) (uint64, error) {
	end := max(first.Off, first.end())
	count := int64((first.Off - table) / pageDesc) // the page of zeros may count as some
	for stop := max(0, count-maxPageDescs); count > stop; {
		n := min(count-stop, pageDescsAtOnce)
		b := make([]byte, n*pageDesc)
		if _, err := s.fill(b, int64(table)+(count-n)*pageDesc); err != nil {
			return 0, err
		}
		found := false
		for ; len(b) > 0; b = b[pageDesc:] {
			if r := k.page(b); r.Off > first.Off && r.Off <= math.MaxInt64 {
				end, found = max(end, r.end()), true
			}
		}
		if found {
			break
		}
		count -= n
	}
	return end, nil
}

// page reads where a descriptor says that the data of its page is.
func (k kdump) page(desc []byte) Range {
	v := view{desc, k.order, 8}
	return Range{v.u64(0), uint64(v.u32(8))}
}
