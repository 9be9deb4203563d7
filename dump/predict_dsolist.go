package dump

const (
	// linkerSpan is the maximum distance of the dynamic linker's data from its start.
	linkerSpan = 1 << 20

	// maxPointers is the maximum number of pointers in the dynamic linker's data that are
	// followed, maxTableRounds the maximum number of tables that lead to another one.
	maxPointers    = 128
	maxTableRounds = 4

	maxLinkerData = 8 // segments

	tableHead = 16 // number of words of a table that identify it
)

// dsoTable is the array of all objects, sorted by address, that glibc has since 2.35 for
// _dl_find_object(3). Its entries start with map_start, map_end and the object's link_map
// (elf/dl-find_object.h). No symbol leads to the array, so it is found by its content, and its
// exact layout does not matter.
type dsoTable struct {
	memoryPredictor
	starts map[uint64]bool // start addresses of objects
	places []uint64        // addresses where the array may be
}

// dsoTable predicts what the pointers in the dynamic linker's data point to.
func (m memoryPredictor) dsoTable(c *elfCore) dsoTable {
	t := dsoTable{m, map[uint64]bool{}, nil}
	base, ok := m.elf.Aux(AuxBase)
	if !ok || c.info.OS != "linux" {
		return t
	}
	for _, a := range m.headers(c) {
		t.starts[a] = true
	}
	w := uint64(m.elf.Class / 8)
	seen := map[uint64]bool{}
	for _, v := range m.linkerData(base) {
		for off := 0; off < len(v.b) && len(t.places) < maxPointers; off += int(w) {
			p := v.long(off)
			if p%w != 0 || p-base < linkerSpan || seen[p] || !m.hasAddr(p) {
				continue
			}
			seen[p] = true
			t.places = append(t.places, p)
			m.wantAddr(p, tableHead*w)
		}
	}
	return t
}

// linkerData reads the dynamic linker's writable segments.
func (m memoryPredictor) linkerData(base uint64) []structView {
	var all []structView
	for _, seg := range m.elf.loads {
		data := seg.Flags&segmentWritable != 0 && seg.Vaddr >= base && seg.Vaddr-base < linkerSpan
		if data && seg.Filesz <= smallData && len(all) < maxLinkerData {
			all = append(all, m.read(seg.Vaddr, int(seg.Filesz)))
		}
	}
	return all
}

// maps reads the array and returns the addresses of struct link_map in it.
func (t dsoTable) maps() []uint64 {
	w := t.elf.Class / 8
	var maps []uint64
	seen := map[uint64]bool{0: true}
	places := t.places
	for range maxTableRounds {
		var found, next []uint64
		for _, p := range places {
			if v := t.read(p, tableHead*w); !seen[p] && len(t.entries(v)) > 0 {
				t.wantAddr(p, uint64(4*w*(len(t.starts)+8)))
				found = append(found, p)
			}
			seen[p] = true
		}
		for _, p := range found {
			v := t.read(p, 4*w*(len(t.starts)+8))
			if len(maps) < maxObjects {
				maps = append(maps, t.entries(v)...)
			}
			next = append(next, v.long(0)) // the previous array, if this one was allocated to extend it
			t.wantAddr(v.long(0), uint64(tableHead*w))
		}
		places = next
	}
	return maps
}

// entries returns the third word of everything that looks like an entry.
func (t dsoTable) entries(v structView) []uint64 {
	var maps []uint64
	for off := 0; off+3*v.word <= len(v.b); off += v.word {
		start, end, lm := v.long(off), v.long(off+v.word), v.long(off+2*v.word)
		if t.starts[start] && end > start && t.hasAddr(lm) && len(maps) < maxObjects {
			maps = append(maps, lm)
		}
	}
	return maps
}
