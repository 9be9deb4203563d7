package dump

// linuxArch is where NT_PRSTATUS of a Linux architecture keeps things: offsets in
// bytes from the start of the description (struct elf_prstatus of
// linux/elfcore.h, with the elf_gregset_t of each architecture).
type linuxArch struct {
	word        int // bytes of a register
	pid         int
	pc, sp, tls int // 0: not there, or not known
}

// linuxArchs by the name that machineName gives.
var linuxArchs = map[string]linuxArch{
	"x86_64":      {8, 32, 112 + 16*8, 112 + 19*8, 112 + 21*8},
	"x32":         {8, 24, 72 + 16*8, 72 + 19*8, 72 + 21*8},
	"i386":        {4, 24, 72 + 12*4, 72 + 15*4, 0},   // TLS: NT_386_TLS
	"aarch64":     {8, 32, 112 + 32*8, 112 + 31*8, 0}, // TLS: NT_ARM_TLS
	"arm":         {4, 24, 72 + 15*4, 72 + 13*4, 0},
	"ppc64le":     {8, 32, 112 + 32*8, 112 + 1*8, 112 + 13*8},
	"ppc64":       {8, 32, 112 + 32*8, 112 + 1*8, 112 + 13*8},
	"ppc":         {4, 24, 72 + 32*4, 72 + 1*4, 72 + 2*4},
	"s390x":       {8, 32, 112 + 1*8, 112 + 17*8, 112 + 144},
	"s390":        {4, 24, 72 + 1*4, 72 + 17*4, 72 + 72},
	"riscv64":     {8, 32, 112, 112 + 2*8, 112 + 4*8},
	"riscv32":     {4, 24, 72, 72 + 2*4, 72 + 4*4},
	"loongarch64": {8, 32, 112 + 33*8, 112 + 3*8, 112 + 2*8},
	"mips":        {4, 24, 72 + 40*4, 72 + 35*4, 0},
	"mipsel":      {4, 24, 72 + 40*4, 72 + 35*4, 0},
	"mips64":      {8, 32, 112 + 34*8, 112 + 29*8, 0},
	"mips64el":    {8, 32, 112 + 34*8, 112 + 29*8, 0},
	"m68k":        {4, 22, 0, 70 + 15*4, 0},
	"sparc64":     {8, 32, 0, 0, 0},
	"alpha":       {8, 32, 0, 0, 0},
	"hppa":        {4, 24, 0, 0, 0},
}

// archOf returns the layout for a machine; of one that is not known only where
// the thread's number is, which all but m68k have in the same place.
func archOf(machine string, class int) linuxArch {
	if a, ok := linuxArchs[machine]; ok {
		return a
	}
	if class == 64 {
		return linuxArch{word: 8, pid: 32}
	}
	return linuxArch{word: 4, pid: 24}
}

// thread reads a description of NT_PRSTATUS.
func (a linuxArch) thread(v view, machine string) Thread {
	v.word = a.word
	t := Thread{TID: v.i32(a.pid), Signal: int(int16(v.u16(12)))}
	reg := func(off int) uint64 {
		if off == 0 {
			return 0
		}
		return v.long(off)
	}
	t.PC, t.SP, t.TLS = reg(a.pc), reg(a.sp), reg(a.tls)
	if machine == "s390x" { // in two access registers, the high half first
		t.TLS = uint64(v.u32(a.tls))<<32 | uint64(v.u32(a.tls+4))
	}
	if machine == "s390" {
		t.PC &= 1<<31 - 1 // the top bit is the addressing mode
	}
	return t
}
