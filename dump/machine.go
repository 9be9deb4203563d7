package dump

import (
	"debug/elf"
	"encoding/binary"
)

// machineNames holds the names of machines in 32-bit and 64-bit files, as printed by uname -m.
var machineNames = map[elf.Machine][2]string{
	elf.EM_X86_64:      {"x32", "x86_64"},
	elf.EM_386:         {"i386", "i386"},
	elf.EM_AARCH64:     {"aarch64", "aarch64"},
	elf.EM_ARM:         {"arm", "arm"},
	elf.EM_PPC64:       {"ppc64", "ppc64"},
	elf.EM_PPC:         {"ppc", "ppc"},
	elf.EM_S390:        {"s390", "s390x"},
	elf.EM_RISCV:       {"riscv32", "riscv64"},
	elf.EM_LOONGARCH:   {"loongarch32", "loongarch64"},
	elf.EM_MIPS:        {"mips", "mips64"},
	elf.EM_68K:         {"m68k", "m68k"},
	elf.EM_SPARC:       {"sparc", "sparc"},
	elf.EM_SPARC32PLUS: {"sparc", "sparc"},
	elf.EM_SPARCV9:     {"sparc64", "sparc64"},
	elf.EM_ALPHA:       {"alpha", "alpha"},
	elf.EM_PARISC:      {"hppa", "hppa"},
	elf.EM_IA_64:       {"ia64", "ia64"},
}

// machineName returns what uname -m prints on the machine, as far as the header shows it.
func (e *ELF) machineName() string {
	name := machineNames[e.Machine][e.Class/64]
	if e.Order == binary.ByteOrder(binary.LittleEndian) {
		switch e.Machine {
		case elf.EM_PPC64:
			name += "le"
		case elf.EM_MIPS:
			name += "el"
		}
	}
	return name
}
