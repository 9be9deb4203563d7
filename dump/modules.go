package dump

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

const (
	// maxModules and maxMappings limit the mapped files. The kernel writes at most 4 MiB of
	// their names.
	maxModules  = 4096
	maxMappings = 1 << 17

	// modulePage is the number of bytes read from a module to find its build ID. Every linker
	// puts the headers and the note there.
	modulePage = 4096

	// maxModuleNotes is the maximum number of note segments searched in a module.
	maxModuleNotes = 4
)

// mapping is a file mapped at an address.
type mapping struct {
	start, end uint64
	first      bool // the start of the file is mapped at start
	path       string
}

// linuxFiles parses NT_FILE: count, page size, count × {start, end, offset in pages}, then count
// names, each followed by a NUL.
func (c *elfCore) linuxFiles(v structView) {
	if v.word == 0 {
		return
	}
	count := v.long(0)
	header := uint64(2 * v.word)
	entry := uint64(3 * v.word)
	if uint64(len(v.b)) < header || count > (uint64(len(v.b))-header)/entry {
		return
	}
	names := v.b[header+count*entry:]
	var maps []mapping
	for i := range min(count, maxMappings) {
		name, rest, ok := bytes.Cut(names, []byte{0})
		if !ok {
			break
		}
		names = rest
		at := int(header + i*entry)
		maps = append(maps, mapping{v.long(at), v.long(at + v.word), v.long(at+2*v.word) == 0, string(name)})
	}
	c.addMappings(maps)
}

// addMappings adds a module for each mapped file, and another one if the start of a file is
// mapped again after other files.
func (c *elfCore) addMappings(maps []mapping) {
	slices.SortStableFunc(maps, func(a, b mapping) int { return cmp.Compare(a.start, b.start) })
	open := make(map[string]int) // index in Modules, keyed by path
	for _, m := range maps {
		if m.path == "" || m.end <= m.start {
			continue
		}
		i, ok := open[m.path]
		if !ok || m.first && i != len(c.info.Modules)-1 {
			if len(c.info.Modules) == maxModules {
				continue
			}
			i = len(c.info.Modules)
			open[m.path] = i
			c.info.Modules = append(c.info.Modules, Module{Path: m.path, Start: m.start})
			c.heads = append(c.heads, nil)
		}
		c.info.Modules[i].End = max(c.info.Modules[i].End, m.end)
		if m.first && len(c.heads[i]) < 2 {
			c.heads[i] = append(c.heads[i], m.start)
		}
	}
}

// identify reads the build IDs of the modules and finds the executable.
func (c *elfCore) identify() error {
	if err := c.kernelVersion(); err != nil {
		return err
	}
	for i := range c.info.Modules {
		m := &c.info.Modules[i]
		for _, addr := range c.heads[i] {
			id, err := c.buildID(addr)
			if err != nil {
				return err
			}
			m.BuildID = cmp.Or(m.BuildID, id)
		}
	}
	for _, typ := range []uint64{AuxPhdr, AuxEntry} {
		addr, ok := c.elf.Aux(typ)
		if m := c.moduleAt(addr); ok && m != nil {
			c.info.Executable, c.info.BuildID = m.Path, m.BuildID
			return nil
		}
	}
	return c.executableName()
}

// ExecutablePath returns the absolute path of the executable, or "" if it is unknown. The kernel
// marks a file that was deleted.
func (i *Info) ExecutablePath() string {
	if !strings.HasPrefix(i.Executable, "/") {
		return ""
	}
	return path.Clean(strings.TrimSuffix(i.Executable, " (deleted)"))
}

func (c *elfCore) moduleAt(addr uint64) *Module {
	for i, m := range c.info.Modules {
		if addr >= m.Start && addr < m.End {
			return &c.info.Modules[i]
		}
	}
	return nil
}

// execNames lists the entries of the auxiliary vector that point to the path with which the
// program was started.
var execNames = map[string]uint64{"linux": AuxExecFn, "freebsd": 15, "illumos": 2014, "netbsd": 2014}

// executableName reads the path with which the program was started from its stack. It finds the
// build ID through the address of the program headers.
func (c *elfCore) executableName() error {
	if addr, ok := c.elf.Aux(execNames[c.info.OS]); ok {
		b, err := c.elf.memory(c.r, addr, 4096)
		if err != nil {
			return err
		}
		if i := bytes.IndexByte(b, 0); i > 0 {
			c.info.Executable = string(b[:i])
		}
	}
	addr, ok := c.elf.Aux(AuxPhdr)
	if !ok {
		return nil
	}
	// The program headers follow the file header, in the first page.
	id, err := c.buildID(addr &^ (modulePage - 1))
	c.info.BuildID = id
	return err
}

// buildID reads the build ID of the ELF file mapped at addr. It returns "" if the dump does not
// contain it.
func (c *elfCore) buildID(addr uint64) (string, error) { return c.moduleNote(addr, GNUBuildID) }

// kernelVersion reads the version of the kernel from the note of the vDSO (LINUX_VERSION_CODE).
func (c *elfCore) kernelVersion() (err error) {
	const sysinfoEhdr = 33
	addr, ok := c.elf.Aux(sysinfoEhdr)
	if !ok || c.info.OS != "linux" {
		return nil
	}
	c.info.Kernel, err = c.moduleNote(addr, linuxVersion)
	return err
}

// linuxVersion returns the version of the kernel in the notes of its vDSO, or "".
func linuxVersion(b []byte, order binary.ByteOrder) string {
	ns := notes{segments: [][]byte{b}, order: order}
	for n := range ns.all() {
		if n.owner == "Linux" && n.typ == 0 && len(n.b) == 4 {
			v := n.u32(0)
			return fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xff, v&0xff)
		}
	}
	return ""
}

// moduleNote returns the first text that find finds in the notes of the ELF file mapped at addr,
// or "".
func (c *elfCore) moduleNote(addr uint64, find func([]byte, binary.ByteOrder) string) (string, error) {
	page, err := c.elf.memory(c.r, addr, modulePage)
	if err != nil {
		return "", err
	}
	m, ok := parseEhdr(page)
	if !ok {
		return "", nil
	}
	segs := m.pageSegments(page)
	bias := addr
	for _, s := range segs {
		if s.Type == SegmentLoad {
			bias = addr - (s.Vaddr - s.Offset)
			break
		}
	}
	tries := 0
	for _, s := range segs {
		if s.Type != SegmentNote || tries == maxModuleNotes {
			continue
		}
		tries++
		b, err := c.moduleNotes(page, addr, bias+s.Vaddr, s.Filesz)
		if err != nil {
			return "", err
		}
		if text := find(b, m.Order); text != "" {
			return text, nil
		}
	}
	return "", nil
}

// pageSegments parses the program headers in the first page of a module.
func (e *ELF) pageSegments(page []byte) []Segment {
	size, stride, off := layoutOf(e.Class).phdr, e.phentsize, e.phoff
	if off >= uint64(len(page)) || stride < size {
		return nil
	}
	return e.parseSegments(page[off:], stride, e.phnum)
}

// moduleNotes returns the n bytes of notes at addr, at most a page. If the notes are in the
// module's first page, the result extends to the end of the page: Go's linker creates a segment
// only for its own note and puts GNU's note after it.
func (c *elfCore) moduleNotes(page []byte, start, addr, n uint64) ([]byte, error) {
	n = min(n, modulePage)
	if d := addr - start; addr >= start && d < uint64(len(page)) && n <= uint64(len(page))-d {
		return page[d:], nil
	}
	return c.elf.memory(c.r, addr, int(n))
}

// GNUBuildID returns the build ID in the notes of an ELF file, in hexadecimal, or "".
func GNUBuildID(b []byte, order binary.ByteOrder) string {
	const ntGNUBuildID = 3
	ns := notes{segments: [][]byte{b}, order: order}
	for n := range ns.all() {
		if n.owner == "GNU" && n.typ == ntGNUBuildID && len(n.b) > 0 && len(n.b) <= 64 {
			return hex.EncodeToString(n.b)
		}
	}
	return ""
}
