package dump

import "debug/elf"

const (
	// maxObjects is the maximum number of objects of a process that are followed, maxHops the
	// maximum number of memory reads to find more.
	maxObjects = 4096
	maxHops    = 1024

	maxDynamic = 512 // entries
	maxPhdrs   = 64
	nameBytes  = 128
	maxDynsym  = 512 << 10
)

// loadedObject is a file mapped into the process.
type loadedObject struct {
	bias    uint64
	dynamic Range // addresses
	entries []Aux // entries of the dynamic section
}

// linkMaps predicts what the dynamic linker's list of objects leads to: program headers, dynamic
// section, struct r_debug, struct link_map. The structures of libraries that were loaded late are
// spread over the heap, and each can be found only through the previous one, which takes a round
// trip. So linkMaps first looks for tables that list them all.
func (m memoryPredictor) linkMaps(c *elfCore) {
	objects := m.objects(c)
	for _, o := range objects {
		m.wantAddr(o.dynamic.Off, o.dynamic.Len)
	}
	table := m.dsoTable(c)
	for i := range objects {
		objects[i].entries = m.dynamic(objects[i])
	}
	if c.info.OS == "illumos" {
		m.dynsyms(objects)
	}
	debug, word := m.debug(objects[0]), uint64(m.elf.Class/8)
	m.wantAddr(debug, 6*word)
	for _, o := range objects {
		m.wantAddr(m.entry(o, elf.DT_PLTGOT), 3*word)
	}
	roots := table.maps()
	roots = append(roots, m.namespaces(debug)...)
	m.walk(append(roots, m.gots(objects)...))
}

// objects reads the program headers of the executable, which comes first, and of all files whose
// first page is in the dump.
func (m memoryPredictor) objects(c *elfCore) []loadedObject {
	all := []loadedObject{{}}
	if addr, ok := m.elf.Aux(AuxPhdr); ok {
		const phnum = 5
		n, _ := m.elf.Aux(phnum)
		size := layoutOf(m.elf.Class).phdr
		if n == 0 || n > maxPhdrs {
			n = maxPhdrs
		}
		m.wantAddr(addr, n*uint64(size))
		all[0] = m.object(addr, m.elf.parseSegments(m.read(addr, int(n)*size).b, size, int(n)))
	}
	for _, addr := range m.headers(c) {
		page := m.read(addr, predictPage).b
		e, ok := parseEhdr(page)
		if !ok || e.Class != m.elf.Class || e.Order != m.elf.Order {
			continue
		}
		o := m.object(addr+e.phoff, e.pageSegments(page))
		if o.dynamic.Len > 0 && o.dynamic != all[0].dynamic {
			all = append(all, o)
		}
	}
	return all
}

// headers returns the addresses at which the starts of files may be mapped: those listed in the
// notes, or else the starts of all segments that are not writable.
func (m memoryPredictor) headers(c *elfCore) []uint64 {
	var addrs []uint64
	for _, h := range c.heads {
		addrs = append(addrs, h...)
	}
	if len(addrs) > 0 {
		return addrs[:min(len(addrs), maxObjects)]
	}
	for _, seg := range m.elf.loads {
		if seg.Flags&segmentWritable == 0 && len(addrs) < maxObjects {
			addrs = append(addrs, seg.Vaddr)
		}
	}
	return addrs
}

// object finds the dynamic section from the program headers, which are mapped at addr.
func (m memoryPredictor) object(addr uint64, segs []Segment) (o loadedObject) {
	const dynamic, phdr = 2, 6
	known := false
	for _, s := range segs {
		switch {
		case s.Type == phdr, s.Type == SegmentLoad && !known:
			// The headers of the first segment are in its first page.
			o.bias = addr - s.Vaddr
			if s.Type == SegmentLoad {
				o.bias = addr&^(predictPage-1) - (s.Vaddr - s.Offset)
			}
			known = true
		case s.Type == dynamic:
			o.dynamic = Range{s.Vaddr, min(s.Memsz, maxDynamic*uint64(m.elf.Class/4))}
		}
	}
	if o.dynamic.Len > 0 {
		o.dynamic.Off = m.addr(o.dynamic.Off + o.bias)
	}
	return o
}

// addr truncates an address to the width of the process.
func (m memoryPredictor) addr(a uint64) uint64 {
	if m.elf.Class == 32 {
		return a & (1<<32 - 1)
	}
	return a
}

// dynamic reads the dynamic section of an object, which has the layout of an auxiliary vector.
func (m memoryPredictor) dynamic(o loadedObject) []Aux {
	return m.read(o.dynamic.Off, int(o.dynamic.Len)).auxv()
}

// entry returns the address in an entry of the dynamic section. Most dynamic linkers relocate it
// when they load the object; others leave it relative.
func (m memoryPredictor) entry(o loadedObject, tag elf.DynTag) uint64 {
	for _, a := range o.entries {
		if elf.DynTag(a.Type) == tag && a.Value != 0 {
			if m.hasAddr(a.Value) {
				return a.Value
			}
			return m.addr(a.Value + o.bias)
		}
	}
	return 0
}

// gots reads the first words of the global offset tables. The second word is the object's own
// link_map if functions are bound lazily.
func (m memoryPredictor) gots(objects []loadedObject) []uint64 {
	w := m.elf.Class / 8
	var maps []uint64
	for _, o := range objects {
		if got := m.entry(o, elf.DT_PLTGOT); got != 0 {
			maps = append(maps, m.read(got, 3*w).long(w))
		}
	}
	return maps
}

// debug returns the address of struct r_debug.
func (m memoryPredictor) debug(o loadedObject) uint64 {
	w := m.elf.Class / 8
	for i, a := range o.entries {
		switch elf.DynTag(a.Type) {
		case elf.DT_DEBUG:
			return a.Value
		case elf.DT_MIPS_RLD_MAP_REL: // relative to the entry
			a.Value = m.addr(a.Value + o.dynamic.Off + uint64(2*w*i))
			fallthrough
		case elf.DT_MIPS_RLD_MAP:
			m.wantAddr(a.Value, uint64(w))
			return m.read(a.Value, w).long(0)
		}
	}
	return 0
}

// namespaces reads struct r_debug (link.h: r_version, r_map, r_brk, r_state, r_ldbase, r_next)
// and the ones that follow it, which glibc uses for dlmopen(3). It returns their lists.
func (m memoryPredictor) namespaces(debug uint64) []uint64 {
	w := m.elf.Class / 8
	var heads []uint64
	for range 16 {
		m.wantAddr(debug, uint64(6*w))
		v := m.read(debug, 6*w)
		if v.long(w) == 0 {
			break
		}
		heads = append(heads, v.long(w))
		if v.u32(0) < 2 || v.long(5*w) == 0 {
			break
		}
		debug = v.long(5 * w)
	}
	return heads
}

// walk follows the list from all given addresses at once, in both directions, and predicts names
// and dynamic sections. On every system struct link_map starts with l_addr, l_name, l_ld, l_next,
// l_prev.
func (m memoryPredictor) walk(frontier []uint64) {
	w := m.elf.Class / 8
	seen := map[uint64]bool{0: true}
	for hop := 0; hop < maxHops && len(frontier) > 0 && len(seen) < maxObjects && m.err == nil; hop++ {
		for _, a := range frontier {
			m.wantAddr(a, uint64(5*w))
		}
		var next []uint64
		for _, a := range frontier {
			if seen[a] {
				continue
			}
			seen[a] = true
			v := m.read(a, 5*w)
			if ld := v.long(2 * w); !m.hasAddr(ld) {
				continue // a file without a dynamic section, or not a link_map
			}
			m.wantAddr(v.long(w), nameBytes)
			m.wantAddr(v.long(2*w), uint64(4*w))
			next = append(next, v.long(3*w), v.long(4*w))
		}
		frontier = next
	}
}

// dynsyms predicts the dynamic symbols of objects and their names. mdb reads them from the dump
// if it contains the text of the process.
func (m memoryPredictor) dynsyms(objects []loadedObject) {
	for _, o := range objects {
		var size uint64
		for _, a := range o.entries {
			if elf.DynTag(a.Type) == elf.DT_STRSZ {
				size = a.Value
			}
		}
		sym, str := m.entry(o, elf.DT_SYMTAB), m.entry(o, elf.DT_STRTAB)
		if sym < str && str-sym < maxDynsym { // the names follow the symbols
			m.wantAddr(sym, str-sym)
		}
		m.wantAddr(str, min(size, maxDynsym))
	}
}
