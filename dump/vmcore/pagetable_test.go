package vmcore

import (
	"errors"
	"maps"
	"testing"
)

// memory is physical memory by the addresses of its 64-bit words.
type memory map[uint64]uint64

func (m memory) ReadMemory(p []byte, addr uint64) error {
	for i := range p {
		at := addr + uint64(i)
		word, ok := m[at&^7]
		if !ok {
			return absent(at)
		}
		p[i] = byte(word >> (8 * (at & 7)))
	}
	return nil
}

// TestPageTables walks page tables that map one address, which has different indexes at all levels.
func TestPageTables(t *testing.T) {
	t.Parallel()
	x86 := func(more Info) Info {
		all := Info{"NUMBER(phys_base)": "-1048576", "SYMBOL(init_top_pgt)": "ffffffff82000000", "NUMBER(sme_mask)": "140737488355328"}
		maps.Copy(all, more)
		return all
	}
	arm := func(page, bits, t1sz string) Info {
		return Info{"PAGESIZE": page, "NUMBER(VA_BITS)": bits, "NUMBER(TCR_EL1_T1SZ)": t1sz, "NUMBER(kimage_voffset)": "0xffff800040000000", "SYMBOL(swapper_pg_dir)": "ffff800081000000"}
	}
	const rootX86, rootArm, secret = 0x2000000 - 0x100000, 0x41000000, 1 << 47
	for name, c := range map[string]struct {
		info    Info
		addr    uint64
		tables  memory
		want, n uint64
	}{
		"x86_64, the image": {x86(nil), 0xffffffff81000123, nil, 0xf00123, 0x20000000 - 0x1000123},
		"x86_64, 4 levels": {x86(nil), 0xffff888123456789, memory{
			rootX86 + 8*273: 0x10000 | secret | 0x63, 0x10000 + 8*4: 0x20063, 0x20000 + 8*282: 0x30063, 0x30000 + 8*86: 1<<63 | 0xabcde000 | secret | 0x63,
		}, 0xabcde789, 0x877},
		"x86_64, 2 MiB": {x86(nil), 0xffff888123456789, memory{
			rootX86 + 8*273: 0x10063, 0x10000 + 8*4: 0x20063, 0x20000 + 8*282: 0x80000000 | 0x10e3,
		}, 0x80056789, 0x200000 - 0x56789},
		"x86_64, 1 GiB": {x86(nil), 0xffff888123456789, memory{
			rootX86 + 8*273: 0x10063, 0x10000 + 8*4: 0x140000000 | 0xe3,
		}, 0x163456789, 0x40000000 - 0x23456789},
		"x86_64, 5 levels": {x86(Info{"NUMBER(pgtable_l5_enabled)": "1"}), 0xff11000123456789, memory{
			rootX86 + 8*273: 0x10063, 0x10000: 0x20063, 0x20000 + 8*4: 0x30063, 0x30000 + 8*282: 0x40063, 0x40000 + 8*86: 0x7000063,
		}, 0x7000789, 0x877},
		"aarch64, 4 KiB, 39 bits": {arm("4096", "39", "0x19"), 0xffffffc123456789, memory{
			rootArm + 8*260: 0x10003, 0x10000 + 8*282: 0x20003, 0x20000 + 8*86: 0x60000000abcde703,
		}, 0xabcde789, 0x877},
		"aarch64, 4 KiB, 48 bits, block": {arm("4096", "48", "0x10"), 0xffff000123456789, memory{
			rootArm: 0x10003, 0x10000 + 8*4: 0x20003, 0x20000 + 8*282: 0x80000701,
		}, 0x80056789, 0x200000 - 0x56789},
		"aarch64, 4 KiB, 52 bits": {arm("4096", "52", "12"), 0xfff0000123456789, memory{
			rootArm: 0x10003, 0x10000: 0x20003, 0x20000 + 8*4: 0x30003, 0x30000 + 8*282: 0x40003, 0x40000 + 8*86: 0x2000000000000203 | 0xabcde000,
		}, 0x80000abcde789, 0x877},
		"aarch64, 4 KiB, 52 bits on a machine with 48": {arm("4096", "52", "16"), 0xfff0000123456789 | 0xf<<48, memory{
			rootArm: 0x10003, 0x10000 + 8*4: 0x20003, 0x20000 + 8*282: 0x30003, 0x30000 + 8*86: 0xabcde303,
		}, 0xabcde789, 0x877},
		"aarch64, 16 KiB, 47 bits": {arm("16384", "47", "0x11"), 0xffff800123456789, memory{
			rootArm: 0x10003, 0x10000 + 8*145: 0x20003, 0x20000 + 8*1301: 0xabcdc703,
		}, 0xabcdc000 | 0x2789, 0x1877},
		"aarch64, 64 KiB, 42 bits": {arm("65536", "42", ""), 0xfffffc0123456789, memory{
			rootArm + 8*9: 0x10003, 0x10000 + 8*837: 0xabcdf703,
		}, 0xf0000abcd0000 | 0x6789, 0x9877},
		"aarch64, 64 KiB, 52 bits on a machine with 48": {arm("65536", "52", "0x10"), 0xffff000123456789, memory{
			rootArm + 8*0x3c0: 0x10003, 0x10000 + 8*9: 0x20003, 0x20000 + 8*837: 0xabcd0703,
		}, 0xabcd6789, 0x9877},
	} {
		k := New(Source{Info: c.info, Machine: "x86_64", Physical: c.tables})
		phys, n, err := k.translate(c.addr)
		if err != nil || phys != c.want || n != c.n {
			t.Errorf("%s: %#x, %#x, %v, want %#x, %#x", name, phys, n, err, c.want, c.n)
		}
		// Without any of the entries, nothing is mapped.
		for at := range c.tables {
			less := maps.Clone(c.tables)
			less[at] = 0
			if phys, _, err := New(Source{Info: c.info, Machine: "x86_64", Physical: less}).translate(c.addr); !errors.Is(err, ErrAbsent) {
				t.Errorf("%s without the entry at %#x: %#x, %v", name, at, phys, err)
			}
		}
		for _, low := range []uint64{0, 0x7fffffffffff, 1 << 62} {
			if _, _, err := k.translate(low); !errors.Is(err, ErrAbsent) {
				t.Errorf("%s: the user's address %#x: %v", name, low, err)
			}
		}
	}
}

// TestPageTablesUnknown checks machines of which too little is known.
func TestPageTablesUnknown(t *testing.T) {
	t.Parallel()
	for _, s := range []Source{
		{}, {Machine: "s390x"}, {Machine: "x86_64"}, {Info: Info{"NUMBER(kimage_voffset)": "1"}},
		{Info: Info{"NUMBER(kimage_voffset)": "1", "NUMBER(VA_BITS)": "48", "SYMBOL(swapper_pg_dir)": "1", "PAGESIZE": "8192"}},
		{Info: Info{"NUMBER(kimage_voffset)": "1", "NUMBER(VA_BITS)": "99", "SYMBOL(swapper_pg_dir)": "1", "PAGESIZE": "4096"}},
	} {
		s.Physical = memory{}
		if _, _, err := New(s).translate(0xffff888000000000); !errors.Is(err, ErrAbsent) {
			t.Errorf("%v: %v", s.Info, err)
		}
	}
}

// TestVirtualMemory checks that segments by virtual address serve what page tables do not.
func TestVirtualMemory(t *testing.T) {
	t.Parallel()
	k := New(Source{Physical: memory{}, Virtual: memory{0xffffffff81000000: 0x1122334455667788}})
	if v, err := k.u64(0xffffffff81000000); err != nil || v != 0x1122334455667788 {
		t.Errorf("%#x, %v", v, err)
	}
	if _, err := k.bytes(1<<64-4, 8); !errors.Is(err, ErrAbsent) {
		t.Error("memory beyond the last address:", err)
	}
}

// TestBudget checks that a dump whose structures go round in circles is given up.
func TestBudget(t *testing.T) {
	t.Parallel()
	k := New(Source{Physical: memory{}, Virtual: memory{0: 0}})
	var err error
	for range 2 * maxRead / (readCost + 1) {
		if _, err = k.bytes(0, 1); err != nil {
			break
		}
	}
	if !errors.Is(err, errTooMuch) {
		t.Error(err)
	}
}
