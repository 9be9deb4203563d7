package dump

const (
	// maxObjects bounds the objects of a process that are followed, maxHops how
	// often memory is read to find more.
	maxObjects = 4096
	maxHops    = 1024

	maxDynamic = 512 // entries
	maxPhdrs   = 64
	nameBytes  = 128
	maxDynsym  = 512 << 10
)

// Entries of a program's dynamic section (elf.h; the last two are of MIPS, whose
// dynamic section is read-only).
const (
	dtPltGOT        = 3
	dtStrtab        = 5
	dtSymtab        = 6
	dtStrsz         = 10
	dtDebug         = 21
	dtMipsRLDMap    = 0x70000016
	dtMipsRLDMapRel = 0x70000035
)

// object is a file that is mapped into the process.
type object struct {
	bias    uint64
	dynamic Range // addresses
	entries []Aux // of the dynamic section
}

// chase follows the dynamic linker's list of objects: program headers, dynamic
// section, struct r_debug, struct link_map. The structures of libraries that were
// loaded late are spread over the heap, each known by the one before only: a round
// trip for each. Tables that list them all are looked for first.
func (m memory) chase(c *elfCore) {
	objects := m.objects(c)
	for _, o := range objects {
		m.want(o.dynamic.Off, o.dynamic.Len)
	}
	tables := m.tables(c)
	for i := range objects {
		objects[i].entries = m.dynamic(objects[i])
	}
	if c.info.OS == "illumos" {
		m.dynsyms(objects)
	}
	debug, word := m.debug(objects[0]), uint64(m.elf.Class/8)
	m.want(debug, 6*word)
	for _, o := range objects {
		m.want(m.entry(o, dtPltGOT), 3*word)
	}
	roots := tables.maps()
	roots = append(roots, m.namespaces(debug)...)
	m.walk(append(roots, m.gots(objects)...))
}

// objects reads the program headers of the executable, which is the first, and of
// all files whose first page is in the dump.
func (m memory) objects(c *elfCore) []object {
	var all []object
	if addr, ok := m.elf.Aux(AuxPhdr); ok {
		const phnum = 5
		n, _ := m.elf.Aux(phnum)
		size := layoutOf(m.elf.Class).phdr
		if n == 0 || n > maxPhdrs {
			n = maxPhdrs
		}
		m.want(addr, n*uint64(size))
		all = append(all, m.object(addr, m.read(addr, int(n)*size).b))
	} else {
		all = append(all, object{})
	}
	for _, addr := range m.headers(c) {
		page := m.read(addr, readsPage).b
		e, ok := parseEhdr(page)
		if !ok || e.Class != m.elf.Class || e.Order != m.elf.Order || e.phoff() >= uint64(len(page)) {
			continue
		}
		n := min(e.phnum(), maxPhdrs) * layoutOf(e.Class).phdr
		o := m.object(addr+e.phoff(), page[e.phoff():min(len(page), int(e.phoff())+n)])
		if o.dynamic.Len > 0 && o.dynamic != all[0].dynamic {
			all = append(all, o)
		}
	}
	return all
}

// headers are the addresses at which files may be mapped from their beginning:
// those that the notes name, else all segments that are not writable.
func (m memory) headers(c *elfCore) []uint64 {
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

// object finds the dynamic section by program headers that are mapped at addr.
func (m memory) object(addr uint64, phdrs []byte) (o object) {
	const dynamic, phdr = 2, 6
	size := layoutOf(m.elf.Class).phdr
	known := false
	for b := phdrs; len(b) >= size; b = b[size:] {
		s := m.elf.segment(b)
		switch {
		case s.Type == phdr, s.Type == SegmentLoad && !known:
			// The headers of the first segment are in its first page.
			o.bias = addr - s.Vaddr
			if s.Type == SegmentLoad {
				o.bias = addr&^(readsPage-1) - (s.Vaddr - s.Offset)
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

// addr cuts an address to the process's width.
func (m memory) addr(a uint64) uint64 {
	if m.elf.Class == 32 {
		return a & (1<<32 - 1)
	}
	return a
}

func (m memory) dynamic(o object) []Aux {
	v := m.read(o.dynamic.Off, int(o.dynamic.Len))
	var out []Aux
	for off := 0; off+2*v.word <= len(v.b); off += 2 * v.word {
		a := Aux{v.long(off), v.long(off + v.word)}
		if a.Type == 0 {
			break
		}
		out = append(out, a)
	}
	return out
}

// entry returns the address in an entry of the dynamic section: most dynamic
// linkers make it one when they load the object, others leave it relative.
func (m memory) entry(o object, typ uint64) uint64 {
	for _, a := range o.entries {
		if a.Type == typ && a.Value != 0 {
			if m.hasAddr(a.Value) {
				return a.Value
			}
			return m.addr(a.Value + o.bias)
		}
	}
	return 0
}

// gots reads what the tables of functions begin with: the second word is the
// object's own link_map where functions are bound when they are first called.
func (m memory) gots(objects []object) []uint64 {
	w := m.elf.Class / 8
	var maps []uint64
	for _, o := range objects {
		if got := m.entry(o, dtPltGOT); got != 0 {
			maps = append(maps, m.read(got, 3*w).long(w))
		}
	}
	return maps
}

// debug returns the address of struct r_debug.
func (m memory) debug(o object) uint64 {
	w := m.elf.Class / 8
	for i, a := range o.entries {
		switch a.Type {
		case dtDebug:
			return a.Value
		case dtMipsRLDMapRel: // relative to the entry
			a.Value = m.addr(a.Value + o.dynamic.Off + uint64(2*w*i))
			fallthrough
		case dtMipsRLDMap:
			m.want(a.Value, uint64(w))
			return m.read(a.Value, w).long(0)
		}
	}
	return 0
}

// namespaces reads struct r_debug (link.h) and those it leads to, which glibc has
// for dlmopen(3): r_version, r_map, r_brk, r_state, r_ldbase, r_next.
func (m memory) namespaces(debug uint64) []uint64 {
	w := m.elf.Class / 8
	var heads []uint64
	for range 16 {
		m.want(debug, uint64(6*w))
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

// walk follows the list from all places at once, both ways, and foretells names
// and dynamic sections. struct link_map begins alike everywhere: l_addr, l_name,
// l_ld, l_next, l_prev.
func (m memory) walk(frontier []uint64) {
	w := m.elf.Class / 8
	seen := map[uint64]bool{0: true}
	for hop := 0; hop < maxHops && len(frontier) > 0 && len(seen) < maxObjects && m.err == nil; hop++ {
		for _, a := range frontier {
			m.want(a, uint64(5*w))
		}
		var next []uint64
		for _, a := range frontier {
			if seen[a] {
				continue
			}
			seen[a] = true
			v := m.read(a, 5*w)
			if ld := v.long(2 * w); !m.hasAddr(ld) {
				continue // of a file without a dynamic section, or no link_map at all
			}
			m.want(v.long(w), nameBytes)
			m.want(v.long(2*w), uint64(4*w))
			next = append(next, v.long(3*w), v.long(4*w))
		}
		frontier = next
	}
}

// dynsyms foretells the dynamic symbols of objects and their names, which mdb
// takes from the dump where it holds the text of a process.
func (m memory) dynsyms(objects []object) {
	for _, o := range objects {
		var size uint64
		for _, a := range o.entries {
			if a.Type == dtStrsz {
				size = a.Value
			}
		}
		sym, str := m.entry(o, dtSymtab), m.entry(o, dtStrtab)
		if sym < str && str-sym < maxDynsym { // the names follow the symbols
			m.want(sym, str-sym)
		}
		m.want(str, min(size, maxDynsym))
	}
}
