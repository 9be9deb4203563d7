package dump

import (
	"debug/elf"
	"reflect"
	"testing"
)

// synthIllumos returns a core in the layout of illumos. No public one is known.
func synthIllumos(class int, em elf.Machine, order byteOrder) elfFile {
	e := elfFile{class: class, order: order, machine: em}
	word := class / 8
	at := func(wide, narrow int) int {
		if class == 64 {
			return wide
		}
		return narrow
	}
	l := (&ELF{Class: class, Machine: em}).illumosLayout()
	prps := newStructure(at(328, 260), order, word).u32(8, 33).u32(12, 44).u32(16, 70377).u32(20, 1).text(at(120, 84), "svc.startd").text(at(136, 100), "/lib/svc/bin/svc.startd  ")
	old := appendNote(nil, order, "CORE", ntPrpsinfo, prps.b)
	old = appendNote(old, order, "CORE", 5, []byte("i86pc\x00"))

	lwp := func(id int, signal int) []byte {
		s := newStructure(at(1296, 800), order, word).u32(4, uint32(id)).u16(12, uint16(signal))
		if signal != 0 { // sent by a process with SI_LWP
			s.u32(16, uint32(signal)).u32(20, 1<<32-1).u32(16+8+word, 70377).u32(16+8+2*word, 33)
		}
		s.long(l.regs+l.word*l.pc, 0xfeedf00d).long(l.regs+l.word*l.sp, 0x8047000+uint64(id))
		if l.fs != 0 {
			s.long(l.regs+l.word*l.fs, 0xfff0000)
		}
		return s.b
	}
	ps := newStructure(at(416, 336), order, word).u32(4, 2).u32(8, 70377).u32(12, 1).u32(24, 33).u32(32, 44).text(at(136, 88), "svc.startd").u32(at(232, 184), 6|0x80)
	status := newStructure(at(1680, 1136), order, word).u32(4, 2).u32(8, 70377)
	copy(status.b[at(384, 336):], lwp(2, 6))
	uts := newStructure(1288, order, word).text(0, "SunOS").text(257, "headnode").text(514, "5.11").text(771, "joyent_20130418T192128Z").text(1028, "i86pc")
	b := appendNote(nil, order, "CORE", ntPsinfo, ps.b)
	b = appendNote(b, order, "CORE", ntPstatus, status.b)
	b = appendNote(b, order, "CORE", ntAuxv, newStructure(4*word, order, word).long(0, 2014).long(word, 0x8050010).b)
	b = appendNote(b, order, "CORE", ntUtsname, uts.b)
	b = appendNote(b, order, "CORE", ntZonename, []byte("c86e1e4e-57b8-4d0b-9d1c-0d2f3e4a5b6c\x00"))
	for id := 1; id <= 2; id++ {
		b = appendNote(b, order, "CORE", 17, make([]byte, at(128, 104)))
		b = appendNote(b, order, "CORE", ntLwpstatus, lwp(id, []int{0, 6}[id-1]))
	}
	stack := append(make([]byte, 16), "/lib/svc/bin/svc.startd\x00"...)
	e.segments = []elfSegment{noteSegment(old), noteSegment(b), loadSegment(0x8050000, stack)}
	return e
}

func TestSyntheticIllumosCores(t *testing.T) {
	for _, c := range []struct {
		name  string
		class int
		em    elf.Machine
		order byteOrder
	}{
		{"x86_64", 64, elf.EM_X86_64, le}, {"i386", 32, elf.EM_386, le}, {"sparc64", 64, elf.EM_SPARCV9, be}, {"sparc", 32, elf.EM_SPARC, be},
	} {
		t.Run(c.name, func(t *testing.T) {
			info := inspect(t, synthIllumos(c.class, c.em, c.order).build().dense())
			if info.OS != "illumos" || info.Machine != c.name || info.Type != Core || info.Truncated() {
				t.Errorf("%+v", info)
			}
			if info.PID != 70377 || info.Cmd != "svc.startd" || info.Psargs != "/lib/svc/bin/svc.startd" || info.Signal != 6 {
				t.Errorf("%+v", info)
			}
			if info.Node != "headnode" || info.Platform != "joyent_20130418T192128Z" || info.Executable != "/lib/svc/bin/svc.startd" {
				t.Errorf("%+v", info)
			}
			if *info.PPID != 1 || *info.UID != 33 || *info.GID != 44 || info.Kernel != "5.11" {
				t.Errorf("parent %d, user %d, group %d, kernel %q", *info.PPID, *info.UID, *info.GID, info.Kernel)
			}
			raised := SignalInfo{Number: 6, Name: "SIGABRT", HasCode: true, Code: -1, CodeName: "SI_LWP", PID: new(70377), UID: new(33)}
			if got, ok := info.Raised(); !ok || !reflect.DeepEqual(got, raised) {
				t.Errorf("%+v", got)
			}
			if info.Properties["zonename"] != "c86e1e4e-57b8-4d0b-9d1c-0d2f3e4a5b6c" {
				t.Errorf("properties %v", info.Properties)
			}
			if len(info.Threads) != 2 {
				t.Fatalf("%d threads", len(info.Threads))
			}
			want := Thread{TID: 2, Signal: 6, PC: 0xfeedf00d, SP: 0x8047002}
			if c.name == "x86_64" {
				want.TLS = 0xfff0000
			}
			if info.Threads[1] != want {
				t.Errorf("got %+v, want %+v", info.Threads[1], want)
			}
		})
	}
}

// TestSyntheticIllumosPieces checks that the signal is found if only psinfo contains it, and that
// a core cut after its first note segment is still recognized as illumos.
func TestSyntheticIllumosPieces(t *testing.T) {
	e := synthIllumos(64, elf.EM_X86_64, le)
	first := elfFile{class: 64, order: le, machine: elf.EM_X86_64, segments: e.segments[:1]}
	info := inspect(t, first.build().dense())
	if info.OS != "illumos" || info.PID != 70377 || info.Cmd != "svc.startd" || info.Node != "" {
		t.Errorf("%+v", info)
	}
	ps := newStructure(416, le, 8).u32(8, 1).text(136, "init").u32(232, 11|0x80)
	first.segments = []elfSegment{noteSegment(appendNote(nil, le, "CORE", ntPsinfo, ps.b))}
	if info = inspect(t, first.build().dense()); info.Signal != 11 || info.PID != 1 || info.Cmd != "init" {
		t.Errorf("%+v", info)
	}
}
