package vmcore

import (
	"encoding/binary"
	"math"
)

// pageTables describes how a machine maps virtual to physical addresses.
type pageTables struct {
	root   uint64 // physical address of the top table
	levels int
	page   uint // number of bits of an offset in a page
	width  uint // number of bits of an index into a table
	bits   uint // number of bits of a virtual address that are translated

	// linear is the range of virtual addresses of the kernel's image, which lies at
	// linearOffset below in physical memory. It is empty if the tables have to be walked.
	linear       [2]uint64
	linearOffset uint64

	present  func(entry uint64) bool
	block    func(entry uint64) bool // maps memory, not a table; not called for the last level
	physical func(entry uint64) uint64
}

// newTablesX86 returns the page tables of x86_64, or nil if they are not known.
func newTablesX86(s Source) *pageTables {
	const imageStart = 0xffffffff80000000 // __START_KERNEL_map
	base, ok := s.Info.number("phys_base")
	if !ok {
		base, ok = s.PhysBase, s.HasPhysBase
	}
	if !ok {
		return nil
	}
	size, known := s.Info.number("KERNEL_IMAGE_SIZE")
	if !known {
		size = 512 << 20
	}
	secret, _ := s.Info.number("sme_mask")
	t := &pageTables{
		levels: 4, page: 12, width: 9, bits: 48,
		linear:       [2]uint64{imageStart, imageStart + min(size, 1<<31-1)},
		linearOffset: imageStart - base,
		present:      func(e uint64) bool { return e&1 != 0 },
		block:        func(e uint64) bool { return e&0x80 != 0 },
		physical:     func(e uint64) uint64 { return e & (1<<52 - 1<<12) &^ secret },
	}
	if five, _ := s.Info.number("pgtable_l5_enabled"); five == 1 {
		t.levels, t.bits = 5, 57
	}
	for _, name := range []string{"init_top_pgt", "init_level4_pgt", "swapper_pg_dir"} {
		if top, ok := s.Info.symbol(name); ok {
			t.root = top - t.linearOffset
			return t
		}
	}
	t.levels = 0
	return t
}

// newTablesArm returns the page tables of aarch64, or nil if they are not known.
func newTablesArm(info Info) *pageTables {
	top, ok := info.symbol("swapper_pg_dir")
	offset, ok1 := info.number("kimage_voffset")
	bits, ok2 := info.number("VA_BITS")
	if !ok || !ok1 || !ok2 || bits < 30 || bits > 52 {
		return nil
	}
	actual := bits
	if t1sz, ok := info.number("TCR_EL1_T1SZ"); ok && t1sz >= 64-52 && t1sz <= 64-30 {
		actual = 64 - t1sz
	}
	t := &pageTables{root: top - offset, present: func(e uint64) bool { return e&1 != 0 }, block: func(e uint64) bool { return e&2 == 0 }}
	switch info["PAGESIZE"] {
	case "4096":
		t.page = 12
	case "16384":
		t.page = 14
	case "65536":
		t.page = 16
	default:
		return nil
	}
	t.width = t.page - 3
	// With pages of 64 KiB, a kernel for 52 bits on a machine with 48 uses the end of the same
	// table. With smaller pages, it leaves out the top table.
	t.bits = uint(bits)
	if t.page < 16 {
		t.bits = uint(actual)
	}
	t.levels = int((t.bits - t.page + t.width - 1) / t.width)
	low := uint64(1)<<48 - uint64(1)<<t.page
	switch {
	case t.page == 16: // bits 48 to 51 are stored in bits 12 to 15
		t.physical = func(e uint64) uint64 { return e&low | e>>12&0xf<<48 }
	case t.bits == 52: // LPA2: bits 50 and 51 are stored in bits 8 and 9
		t.physical = func(e uint64) uint64 { return e&(low|3<<48) | e>>8&3<<50 }
	default:
		t.physical = func(e uint64) uint64 { return e & low }
	}
	return t
}

// translate returns the physical address of a virtual one, and the number of bytes from there
// that are contiguous in both. The error is ErrAbsent if the address is not mapped.
func (k *Kernel) translate(addr uint64) (phys, n uint64, err error) {
	t := k.tables
	if t == nil {
		return 0, 0, absent(addr)
	}
	if addr >= t.linear[0] && addr < t.linear[1] {
		return addr - t.linearOffset, t.linear[1] - addr, nil
	}
	if t.levels == 0 || addr < -(uint64(1)<<(t.bits-1))<<1 { // not an address of the kernel
		return 0, 0, absent(addr)
	}
	table := t.root
	for level := t.levels - 1; level >= 0; level-- {
		shift := t.page + uint(level)*t.width
		index := addr >> shift & (1<<min(t.width, t.bits-shift) - 1)
		var b [8]byte
		if table > math.MaxUint64-8*index {
			return 0, 0, absent(addr)
		}
		if err := k.physical(b[:], table+8*index); err != nil {
			return 0, 0, err
		}
		entry := binary.LittleEndian.Uint64(b[:])
		if !t.present(entry) {
			return 0, 0, absent(addr)
		}
		table = t.physical(entry)
		if level == 0 || t.block(entry) {
			size := uint64(1) << shift
			inside := addr & (size - 1)
			return table&^(size-1) | inside, size - inside, nil
		}
	}
	return 0, 0, absent(addr)
}
