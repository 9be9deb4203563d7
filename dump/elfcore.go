package dump

import (
	"debug/elf"
	"fmt"
	"strings"

	"thothfs/dump/vmcore"
)

// elfCore reads an ELF dump into info.
type elfCore struct {
	r     *bufReader
	elf   *ELF
	notes notes
	info  *Info
	heads [][]uint64 // for each module, the addresses at which the start of its file is mapped

	kernel vmcore.Info // nil if there is none
}

func isELF(head []byte) bool {
	_, ok := parseEhdr(head)
	return ok
}

func inspectELF(r *bufReader) (*Info, error) {
	c, err := openELF(r)
	if err != nil {
		return nil, err
	}
	if c.info.ID, err = c.elf.hash(r, maxHashed); err != nil {
		return nil, err
	}
	if c.info.Needed, c.info.Exact, err = c.elf.needed(r); err != nil {
		return nil, err
	}
	c.noteReader()(c)
	if c.kernel == nil {
		return c.info, c.identify()
	}
	return c.info, c.info.kernelFacts(c.kernelMemory())
}

// openELF reads the headers and notes of an ELF dump.
func openELF(r *bufReader) (*elfCore, error) {
	e, err := parseCore(r)
	if err != nil {
		return nil, err
	}
	c := &elfCore{r: r, elf: e, info: &Info{
		Format: "ELF core", Type: Core, Machine: e.machineName(),
		Size: r.size, ELF: e, Properties: map[string]string{},
	}}
	if err := e.locateTables(r); err != nil {
		return nil, err
	}
	if err := e.readSegments(r); err != nil {
		return nil, err
	}
	c.notes, err = e.readNotes(r)
	return c, err
}

// parseCore parses the file header. It rejects ELF files that are not dumps.
func parseCore(r *bufReader) (*ELF, error) {
	e, _ := parseEhdr(r.head(HeadSize))
	kind := fmt.Sprintf("ELF file of type %d", e.fileType)
	switch e.fileType {
	case elf.ET_CORE:
		return e, nil
	case elf.ET_EXEC, elf.ET_DYN:
		kind = "ELF executable or shared object"
	}
	return nil, &UnsupportedError{kind, "only cores of type ET_CORE are dumps"}
}

// noteReader returns the method that fills info from the notes of the system that wrote the dump,
// and reads nothing else. Few file headers identify the system, so it is determined from the
// notes.
func (c *elfCore) noteReader() func(*elfCore) {
	registers, process, any := false, false, false
	for n := range c.notes.all() {
		any = true
		if read := n.reader(); read != nil {
			return read
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
		return (*elfCore).linuxCore
	case registers: // registers of processors, since a kernel dump has no process
		return (*elfCore).linuxKernel
	case !any && c.elf.OSABI == byte(elf.ELFOSABI_FREEBSD):
		return (*elfCore).freebsdKernel
	}
	return func(*elfCore) {}
}

// reader returns the method for the system that this note alone identifies, or nil.
func (n note) reader() func(*elfCore) {
	switch owner, _, _ := strings.Cut(n.owner, "@"); {
	case n.owner == "FreeBSD":
		return (*elfCore).freebsdCore
	case n.owner == "Oxide Computer Company":
		return (*elfCore).hubris
	case n.owner == "VMCOREINFO", n.owner == "QEMU":
		return (*elfCore).linuxKernel
	case n.owner == "CORE" && isIllumos(n):
		return (*elfCore).illumosCore
	case owner == "NetBSD-CORE":
		return (*elfCore).netbsdCore
	case owner == "OpenBSD":
		return (*elfCore).openbsdCore
	}
	return nil
}

func (c *elfCore) freebsdKernel() {
	c.info.Format, c.info.OS, c.info.Type = "FreeBSD vmcore", "freebsd", Crash
}

func (c *elfCore) hubris() { c.info.Format, c.info.OS = "Hubris dump", "hubris" }

// owner sets the parent, user and group of the process, unless an earlier note did so.
func (c *elfCore) owner(v structView, ppid, uid, gid int) {
	if c.info.PPID == nil && len(v.b) >= max(ppid, uid, gid)+4 {
		c.info.PPID, c.info.UID, c.info.GID = new(v.i32(ppid)), new(int(v.u32(uid))), new(int(v.u32(gid)))
	}
}

// process sets the process ID, command and arguments, unless an earlier note did so.
func (c *elfCore) process(v structView, pid, fname, psargs int) {
	if !c.info.HasPID {
		c.info.PID, c.info.HasPID = v.i32(pid), true
		c.info.Cmd = v.text(fname, 16)
		c.info.Psargs = strings.TrimRight(v.text(psargs, 80), " ")
	}
}
