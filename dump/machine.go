package dump

import "encoding/binary"

// ELF machine numbers (e_machine) and other constants that depend on the machine.
const (
	emSPARC      = 2
	em386        = 3
	em68K        = 4
	emMIPS       = 8
	emPARISC     = 15
	emSPARC32P   = 18
	emPPC        = 20
	emPPC64      = 21
	emS390       = 22
	emARM        = 40
	emSPARCV9    = 43
	emIA64       = 50
	emX86_64     = 62
	emAARCH64    = 183
	emRISCV      = 243
	emLOONGARCH  = 258
	emAlpha      = 0x9026
	osabiFreeBSD = 9
)

// machineNames holds the names of machines in 32-bit and 64-bit files, as printed by uname -m.
var machineNames = map[uint16][2]string{
	emX86_64:    {"x32", "x86_64"},
	em386:       {"i386", "i386"},
	emAARCH64:   {"aarch64", "aarch64"},
	emARM:       {"arm", "arm"},
	emPPC64:     {"ppc64", "ppc64"},
	emPPC:       {"ppc", "ppc"},
	emS390:      {"s390", "s390x"},
	emRISCV:     {"riscv32", "riscv64"},
	emLOONGARCH: {"loongarch32", "loongarch64"},
	emMIPS:      {"mips", "mips64"},
	em68K:       {"m68k", "m68k"},
	emSPARC:     {"sparc", "sparc"},
	emSPARC32P:  {"sparc", "sparc"},
	emSPARCV9:   {"sparc64", "sparc64"},
	emAlpha:     {"alpha", "alpha"},
	emPARISC:    {"hppa", "hppa"},
	emIA64:      {"ia64", "ia64"},
}

// machineName returns what uname -m prints on the machine, as far as the header shows it.
func (e *ELF) machineName() string {
	name := machineNames[e.Machine][e.Class/64]
	if e.Order == binary.ByteOrder(binary.LittleEndian) {
		switch e.Machine {
		case emPPC64:
			name += "le"
		case emMIPS:
			name += "el"
		}
	}
	return name
}
