package dump

import "encoding/binary"

// ELF machine numbers (e_machine) and other constants of a machine.
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
	efMIPSABI2   = 0x20 // n32: 64-bit registers in 32-bit files
	osabiFreeBSD = 9
)

// machineName returns what uname -m prints on the machine, as far as the header says.
func (e *ELF) machineName() string {
	little := e.Order == binary.ByteOrder(binary.LittleEndian)
	pick := func(cond bool, a, b string) string {
		if cond {
			return a
		}
		return b
	}
	wide := e.Class == 64
	switch e.Machine {
	case emX86_64:
		return pick(wide, "x86_64", "x32")
	case em386:
		return "i386"
	case emAARCH64:
		return "aarch64"
	case emARM:
		return "arm"
	case emPPC64:
		return pick(little, "ppc64le", "ppc64")
	case emPPC:
		return "ppc"
	case emS390:
		return pick(wide, "s390x", "s390")
	case emRISCV:
		return pick(wide, "riscv64", "riscv32")
	case emLOONGARCH:
		return pick(wide, "loongarch64", "loongarch32")
	case emMIPS:
		return pick(wide, "mips64", "mips") + pick(little, "el", "")
	case em68K:
		return "m68k"
	case emSPARC, emSPARC32P:
		return "sparc"
	case emSPARCV9:
		return "sparc64"
	case emAlpha:
		return "alpha"
	case emPARISC:
		return "hppa"
	case emIA64:
		return "ia64"
	}
	return ""
}
