package dump

import "fmt"

// elfCore is an ELF dump that is being read. What it finds goes to info.
type elfCore struct {
	s     *source
	elf   *ELF
	notes notes
	info  *Info
	heads [][]uint64 // by module: where the beginning of its file is mapped

	kernel vmcoreInfo // nil when there is none
}

// Systems that an ELF dump may be of, as its notes tell.
const (
	ofUnknown = iota
	ofLinux
	ofLinuxKernel
	ofIllumos
	ofFreeBSD
	ofFreeBSDKernel
	ofNetBSD
	ofOpenBSD
	ofHubris
)

func inspectELF(s *source, e *ELF) (*Info, error) {
	if err := e.checkCore(); err != nil {
		return nil, err
	}
	id, err := hashELF(s, e)
	if err != nil {
		return nil, err
	}
	if err := e.readTables(s); err != nil {
		return nil, err
	}
	c := &elfCore{s: s, elf: e, info: &Info{
		Format: "ELF core", Type: Core, ID: id, Machine: e.machineName(),
		Size: s.size, ELF: e, Properties: map[string]string{},
	}}
	if c.info.Needed, c.info.Exact, err = e.needed(s); err != nil {
		return nil, err
	}
	if c.notes, err = e.readNotes(s); err != nil {
		return nil, err
	}
	return c.info, c.read()
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

func (c *elfCore) read() error {
	c.facts()
	if c.kernel == nil {
		return c.identify()
	}
	node, err := c.kernelNode(c.kernel)
	c.info.Node = node
	return err
}

// facts takes what the notes say, without a further read.
func (c *elfCore) facts() {
	switch c.system() {
	case ofLinux:
		c.linuxCore()
	case ofLinuxKernel:
		c.linuxKernel()
	case ofIllumos:
		c.illumosCore()
	case ofFreeBSD:
		c.freebsdCore()
	case ofFreeBSDKernel:
		c.info.Format, c.info.OS, c.info.Type = "FreeBSD vmcore", "freebsd", Crash
	case ofNetBSD:
		c.netbsdCore()
	case ofOpenBSD:
		c.openbsdCore()
	case ofHubris:
		c.info.Format, c.info.OS = "Hubris dump", "hubris"
	}
}

// system tells by the notes whose dump it is; the file header of most does not say.
func (c *elfCore) system() int {
	registers, process, any := false, false, false
	for n := range c.notes.all() {
		any = true
		if of := systemOf(n); of != ofUnknown {
			return of
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
		return ofLinux
	case registers: // of processors: a kernel's dump has no process
		return ofLinuxKernel
	case !any && c.elf.OSABI == osabiFreeBSD:
		return ofFreeBSDKernel
	}
	return ofUnknown
}

// systemOf is what one note alone proves.
func systemOf(n note) int {
	switch n.owner {
	case "FreeBSD":
		return ofFreeBSD
	case "Oxide Computer Company":
		return ofHubris
	case "VMCOREINFO", "QEMU":
		return ofLinuxKernel
	case "CORE":
		if isIllumos(n) {
			return ofIllumos
		}
		return ofUnknown
	}
	if name, _, _ := cut(n.owner, '@'); name == "NetBSD-CORE" {
		return ofNetBSD
	} else if name == "OpenBSD" {
		return ofOpenBSD
	}
	return ofUnknown
}
