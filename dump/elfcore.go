package dump

import (
	"fmt"
	"strings"
)

// elfCore reads an ELF dump into info.
type elfCore struct {
	r     *bufReader
	elf   *ELF
	notes notes
	info  *Info
	heads [][]uint64 // by module: addresses at which the beginning of its file is mapped

	kernel vmcoreInfo // nil if there is none
}

func isELF(head []byte) bool {
	_, ok := parseEhdr(head)
	return ok
}

func inspectELF(r *bufReader) (*Info, error) {
	e, _ := parseEhdr(r.head(headSize))
	if err := e.checkCore(); err != nil {
		return nil, err
	}
	id, err := e.hash(r, maxHashed)
	if err != nil {
		return nil, err
	}
	if err := e.readTables(r); err != nil {
		return nil, err
	}
	c := &elfCore{r: r, elf: e, info: &Info{
		Format: "ELF core", Type: Core, ID: id, Machine: e.machineName(),
		Size: r.size, ELF: e, Properties: map[string]string{},
	}}
	if c.info.Needed, c.info.Exact, err = e.needed(r); err != nil {
		return nil, err
	}
	if c.notes, err = e.readNotes(r); err != nil {
		return nil, err
	}
	c.readNotes()
	if c.kernel == nil {
		return c.info, c.identify()
	}
	c.info.Node, err = c.kernelNode(c.kernel)
	return c.info, err
}

// checkCore refuses ELF files that are no dumps.
func (e *ELF) checkCore() error {
	const executable, shared, core = 2, 3, 4
	switch t := e.ehdr.u16(16); t {
	case core:
		return nil
	case executable, shared:
		return &UnsupportedError{"ELF executable or shared object", "only cores of type ET_CORE are dumps"}
	default:
		return &UnsupportedError{fmt.Sprintf("ELF file of type %d", t), "only cores of type ET_CORE are dumps"}
	}
}

// noteReaders are the ways to read the notes of an ELF dump, by the system that wrote it.
var noteReaders = map[system]func(*elfCore){
	linux:       (*elfCore).linuxCore,
	linuxKernel: (*elfCore).linuxKernel,
	illumos:     (*elfCore).illumosCore,
	freebsd:     (*elfCore).freebsdCore,
	freebsdKernel: func(c *elfCore) {
		c.info.Format, c.info.OS, c.info.Type = "FreeBSD vmcore", "freebsd", Crash
	},
	netbsd:  (*elfCore).netbsdCore,
	openbsd: (*elfCore).openbsdCore,
	hubris:  func(c *elfCore) { c.info.Format, c.info.OS = "Hubris dump", "hubris" },
}

// readNotes takes the facts from the notes. It reads nothing else.
func (c *elfCore) readNotes() {
	if read := noteReaders[c.system()]; read != nil {
		read(c)
	}
}

// process sets the process's number, command and arguments, unless an earlier note did.
func (c *elfCore) process(v structView, pid, fname, psargs int) {
	if !c.info.HasPID {
		c.info.PID, c.info.HasPID = v.i32(pid), true
		c.info.Cmd = v.text(fname, 16)
		c.info.Psargs = strings.TrimRight(v.text(psargs, 80), " ")
	}
}

// system is what an ELF dump is a dump of.
type system int

const (
	unknownSystem system = iota
	linux
	linuxKernel
	illumos
	freebsd
	freebsdKernel
	netbsd
	openbsd
	hubris
)

// system finds the system by the notes. Few file headers state it.
func (c *elfCore) system() system {
	registers, process, any := false, false, false
	for n := range c.notes.all() {
		any = true
		if s := systemOf(n); s != unknownSystem {
			return s
		}
		if n.owner != "CORE" {
			continue
		}
		switch n.typ {
		case ntPrstatus:
			registers = true
		case ntPrpsinfo, ntAuxv, ntFile, ntSiginfo:
			process = true
		}
	}
	switch {
	case process:
		return linux
	case registers: // of processors: the dump of a kernel has no process
		return linuxKernel
	case !any && c.elf.OSABI == osabiFreeBSD:
		return freebsdKernel
	}
	return unknownSystem
}

// systemOf returns the system that a note alone proves.
func systemOf(n note) system {
	switch n.owner {
	case "FreeBSD":
		return freebsd
	case "Oxide Computer Company":
		return hubris
	case "VMCOREINFO", "QEMU":
		return linuxKernel
	case "CORE":
		if isIllumos(n) {
			return illumos
		}
		return unknownSystem
	}
	if name, _, _ := strings.Cut(n.owner, "@"); name == "NetBSD-CORE" {
		return netbsd
	} else if name == "OpenBSD" {
		return openbsd
	}
	return unknownSystem
}
