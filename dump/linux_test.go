package dump

import (
	"debug/elf"
	"encoding/hex"
	"fmt"
	"testing"
)

// TestLinuxArchitectures reads synthetic cores of every architecture in the table, in the layout
// of its kernel.
func TestLinuxArchitectures(t *testing.T) {
	for _, c := range []struct {
		machine string
		class   int
		order   byteOrder
		em      elf.Machine
	}{
		{"x86_64", 64, le, elf.EM_X86_64}, {"x32", 32, le, elf.EM_X86_64}, {"i386", 32, le, elf.EM_386},
		{"aarch64", 64, le, elf.EM_AARCH64}, {"arm", 32, le, elf.EM_ARM},
		{"ppc64le", 64, le, elf.EM_PPC64}, {"ppc64", 64, be, elf.EM_PPC64}, {"ppc", 32, be, elf.EM_PPC},
		{"s390x", 64, be, elf.EM_S390}, {"s390", 32, be, elf.EM_S390},
		{"riscv64", 64, le, elf.EM_RISCV}, {"loongarch64", 64, le, elf.EM_LOONGARCH},
		{"mips", 32, be, elf.EM_MIPS}, {"mipsel", 32, le, elf.EM_MIPS}, {"mips64", 64, be, elf.EM_MIPS}, {"mips64el", 64, le, elf.EM_MIPS},
		{"m68k", 32, be, elf.EM_68K}, {"sparc64", 64, be, elf.EM_SPARCV9}, {"alpha", 64, le, elf.EM_ALPHA}, {"hppa", 32, be, elf.EM_PARISC},
		{"", 64, be, 4711}, {"", 32, le, 4711},
	} {
		t.Run(fmt.Sprintf("%s_%d_%v", c.machine, c.class, c.order), func(t *testing.T) {
			e := elfFile{class: c.class, order: c.order, machine: c.em}
			e.segments = []elfSegment{noteSegment(linuxNotes(e, c.machine)), loadSegment(0x1000, make([]byte, 0x2000))}
			info := inspect(t, e.build().dense())
			if info.OS != "linux" || info.Type != Core || info.Machine != c.machine || info.Truncated() {
				t.Errorf("%+v", info)
			}
			if info.PID != 4242 || info.Cmd != "svc.startd" || info.Psargs != "/lib/svc/bin/svc.startd -d" || info.Signal != 11 {
				t.Errorf("%+v", info)
			}
			if len(info.Threads) != 2 {
				t.Fatalf("%d threads", len(info.Threads))
			}
			arch := archOf(c.machine, c.class/8)
			for i, th := range info.Threads {
				want := Thread{TID: 4242 + i, Signal: []int{11, 0}[i]}
				for _, r := range []struct {
					off int
					to  *uint64
					v   uint64
				}{{arch.pc, &want.PC, 0x1000}, {arch.sp, &want.SP, 0x2000}, {arch.tls, &want.TLS, 0x3000}} {
					if r.off != 0 {
						*r.to = r.v + uint64(i)
					}
				}
				if c.machine == "s390x" {
					want.TLS = 0x3000 + uint64(i) // both halves are stored as one number
				}
				if th != want {
					t.Errorf("got %+v, want %+v", th, want)
				}
			}
		})
	}
}

// TestLinuxRegisterOffsets compares the table with offsets from real files, to detect errors in
// its sums.
func TestLinuxRegisterOffsets(t *testing.T) {
	for machine, want := range map[string][3]int{ // pid, SP, PC
		"x86_64": {32, 264, 240}, "i386": {24, 132, 120}, "aarch64": {32, 360, 368},
		"arm": {24, 124, 132}, "ppc64": {32, 120, 368}, "s390x": {32, 248, 120}, "riscv64": {32, 128, 112},
	} {
		a := linuxArchs[machine]
		if got := [3]int{a.pid, a.sp, a.pc}; got != want {
			t.Errorf("%s: got %v, want %v", machine, got, want)
		}
	}
}

func TestThreadPointersBesideRegisters(t *testing.T) {
	for _, c := range []struct {
		name  string
		class int
		em    elf.Machine
		typ   uint32
		desc  *structure
		want  uint64
	}{
		{"i386", 32, elf.EM_386, nt386TLS, newStructure(48, le, 4).u32(0, 6).u32(4, 0xf7f330c0), 0xf7f330c0},
		{"aarch64", 64, elf.EM_AARCH64, ntArmTLS, newStructure(16, le, 8).u64(0, 0xffff87654320), 0xffff87654320},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := elfFile{class: c.class, order: le, machine: c.em}
			e.segments = []elfSegment{noteSegment(appendNote(linuxNotes(e, c.name), le, "LINUX", c.typ, c.desc.b))}
			info := inspect(t, e.build().dense())
			if got := info.Threads[1].TLS; got != c.want || info.Threads[0].TLS != 0 {
				t.Errorf("got %#x, want %#x", got, c.want)
			}
		})
	}
}

// TestManySegments checks that if there are more program headers than the file header can count,
// all are parsed but only 65,535 are hashed (TestHashAgainstNode).
func TestManySegments(t *testing.T) {
	e := elfFile{class: 64, order: le, machine: elf.EM_X86_64, xnum: true}
	e.segments = []elfSegment{noteSegment(linuxNotes(e, "x86_64"))}
	const n = 70000
	for i := range n - 1 {
		e.segments = append(e.segments, elfSegment{Segment: Segment{
			Type: SegmentLoad, Vaddr: uint64(i) << 12, Offset: 1 << 30, Filesz: 4096,
		}})
	}
	f := e.build()
	info, err := Inspect(f, f.size)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.ELF.Segments) != n || info.PID != 4242 || info.Needed != 1<<30+4096 {
		t.Errorf("%d segments, pid %d, %d bytes needed", len(info.ELF.Segments), info.PID, info.Needed)
	}
	if r, ok := info.ELF.FileRange((n-2)<<12 + 5); !ok || r != (Range{1<<30 + 5, 4091}) {
		t.Errorf("last page: %v, %v", r, ok)
	}
	if f.reads > 8 {
		t.Errorf("%d reads", f.reads)
	}
}

// TestNotesBeyond4GiB uses a core of more than 4 GiB, in which gcore puts the notes where the
// original hashes the wrong bytes. The notes are still read from the right place.
func TestNotesBeyond4GiB(t *testing.T) {
	e := elfFile{class: 64, order: le, machine: elf.EM_X86_64}
	notes := linuxNotes(e, "x86_64")
	seg := noteSegment(notes)
	seg.Offset = 6 << 30
	e.segments = []elfSegment{seg, loadSegment(0x400000, make([]byte, 1<<16))}
	f := e.build()
	info, err := Inspect(f, f.size)
	if err != nil {
		t.Fatal(err)
	}
	if info.PID != 4242 || len(info.Threads) != 2 || info.Needed != f.size || info.Truncated() {
		t.Errorf("%+v", info)
	}
	if f.bytes > 1<<20 {
		t.Errorf("%d bytes read of a file whose headers and notes take a few KB", f.bytes)
	}
}

// TestBuildIDs checks that the build ID of a module is found both in its first page and after it.
func TestBuildIDs(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef01234567"
	raw, _ := hex.DecodeString(id)
	for _, at := range []int{0x200, 0x1800} {
		t.Run(fmt.Sprintf("note at %#x", at), func(t *testing.T) {
			note := appendNote(nil, le, "GNU", 3, raw)
			module := elfFile{class: 64, order: le, machine: elf.EM_X86_64, segments: []elfSegment{
				{Segment: Segment{Type: SegmentLoad, Vaddr: 0, Memsz: 0x3000, Filesz: 0x3000}},
				{Segment: Segment{Type: SegmentNote, Vaddr: uint64(at), Offset: uint64(at), Filesz: uint64(len(note))}, content: note},
			}}.build().dense()
			module = append(module, make([]byte, 0x3000-len(module))...)
			const base = 0x555500000000
			files := newStructure(16+3*24, le, 8).u64(0, 3).u64(8, 4096)
			for i, m := range [][3]uint64{{base, base + 0x1000, 0}, {base + 0x1000, base + 0x3000, 1}, {0x7f0000000000, 0x7f0000001000, 0}} {
				files.u64(16+24*i, m[0]).u64(24+24*i, m[1]).u64(32+24*i, m[2])
			}
			desc := append(files.b, "/bin/real\x00/bin/real\x00/lib/libc.so.6\x00"...)
			aux := newStructure(32, le, 8).u64(0, AuxEntry).u64(8, base+0x1234)
			e := elfFile{class: 64, order: le, machine: elf.EM_X86_64}
			notes := appendNote(linuxNotes(e, "x86_64"), le, "CORE", ntAuxv, aux.b)
			notes = appendNote(notes, le, "CORE", ntFile, desc)
			e.segments = []elfSegment{noteSegment(notes), loadSegment(base, module)}
			info := inspect(t, e.build().dense())
			if info.Executable != "/bin/real" || info.BuildID != id {
				t.Errorf("executable %q, build-id %q", info.Executable, info.BuildID)
			}
			want := []Module{{"/bin/real", base, base + 0x3000, id}, {"/lib/libc.so.6", 0x7f0000000000, 0x7f0000001000, ""}}
			if len(info.Modules) != 2 || info.Modules[0] != want[0] || info.Modules[1] != want[1] {
				t.Errorf("%+v", info.Modules)
			}
		})
	}
}

// TestHostileNotes checks that sizes and counts that exceed the file do not take up memory.
func TestHostileNotes(t *testing.T) {
	huge := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 5), 0xfffffff0), ntPrpsinfo)
	huge = append(huge, "CORE\x00\x00\x00\x00short"...)
	files := newStructure(16, le, 8).u64(0, 1<<61).u64(8, 4096)
	for name, notes := range map[string][]byte{
		"long description": huge,
		"long name":        le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 0xffffffff), 0xffffffff), 3),
		"many files":       appendNote(nil, le, "CORE", ntFile, files.b),
		"no files":         appendNote(nil, le, "CORE", ntFile, nil),
		"eleven bytes":     make([]byte, 11),
		"zeros":            make([]byte, 4096),
	} {
		t.Run(name, func(t *testing.T) {
			e := elfFile{class: 64, order: le, machine: elf.EM_X86_64, segments: []elfSegment{noteSegment(notes)}}
			info := inspect(t, e.build().dense())
			if info.HasPID || len(info.Modules) != 0 {
				t.Errorf("%+v", info)
			}
		})
	}
}
