package dump

import (
	"debug/elf"
	"testing"
)

func TestFreeBSDThreads(t *testing.T) {
	info := inspect(t, readCore(t, "lldb-freebsd-x86_64.core"))
	want := Thread{TID: 100744, Signal: 11, PC: 0x2030c2, SP: 0x7fffdfffcee0, Name: "a.out"}
	if info.Threads[0] != want {
		t.Errorf("got %+v", info.Threads[0])
	}
	if len(info.Modules) != 8 || info.Modules[7].Path != "/lib/libc.so.7" || info.Modules[0].Start != 0x200000 {
		t.Errorf("%+v", info.Modules)
	}
}

// TestSyntheticFreeBSD32 reads a synthetic core in the layout of 32-bit FreeBSD.
func TestSyntheticFreeBSD32(t *testing.T) {
	ps := newStructure(112, le, 4).text(8, "cron").text(25, "/usr/sbin/cron -s ").u32(108, 99)
	st := newStructure(28+19*4, le, 4).u32(20, 6).u32(24, 100099).u32(28+13*4, 0x8048000).u32(28+16*4, 0xbfbfe000)
	b := appendNote(nil, le, "FreeBSD", freebsdPrpsinfo, ps.b)
	b = appendNote(b, le, "FreeBSD", freebsdPrstatus, st.b)
	info := inspect(t, elfFile{class: 32, order: le, machine: elf.EM_386, osabi: byte(elf.ELFOSABI_FREEBSD), segments: []elfSegment{noteSegment(b)}}.build().dense())
	if info.OS != "freebsd" || info.PID != 99 || info.Cmd != "cron" || info.Psargs != "/usr/sbin/cron -s" || info.Signal != 6 {
		t.Errorf("%+v", info)
	}
	if want := (Thread{TID: 100099, Signal: 6, PC: 0x8048000, SP: 0xbfbfe000}); info.Threads[0] != want {
		t.Errorf("%+v", info.Threads)
	}
}

func TestFreeBSDKernel(t *testing.T) {
	e := elfFile{class: 64, order: le, machine: elf.EM_X86_64, osabi: byte(elf.ELFOSABI_FREEBSD), segments: []elfSegment{loadSegment(0, make([]byte, 100))}}
	if info := inspect(t, e.build().dense()); info.Type != Crash || info.Format != "FreeBSD vmcore" {
		t.Errorf("%+v", info)
	}
}

func TestNetBSDThreads(t *testing.T) {
	info := inspect(t, readCore(t, "lldb-netbsd-amd64.core"))
	if want := (Thread{TID: 1, Signal: 11, PC: 0x2056a0, SP: 0x7f7fffffe480}); info.Threads[0] != want {
		t.Errorf("got %+v", info.Threads[0])
	}
}

// TestSyntheticNetBSD reads a synthetic core with several threads, one of which received the
// signal, on a machine with known registers and on one without.
func TestSyntheticNetBSD(t *testing.T) {
	for _, em := range []elf.Machine{elf.EM_X86_64, elf.EM_SPARCV9} {
		info := inspect(t, synthNetBSD(em).build().dense())
		if info.OS != "netbsd" || info.PID != 578 || info.Cmd != "named" || info.Signal != 6 || len(info.Threads) != 3 {
			t.Errorf("machine %d: %+v", em, info)
		}
	}
	info := inspect(t, synthNetBSD(elf.EM_X86_64).build().dense())
	for i, want := range []int{0, 6, 0} {
		if th := info.Threads[i]; th.Signal != want || th.TID != i+1 || th.SP != 0x1000 {
			t.Errorf("%+v", th)
		}
	}
}

func synthNetBSD(em elf.Machine) elfFile {
	ps := newStructure(160, le, 8).u32(8, 6).u32(0x50, 578).u32(0x78, 3).text(0x7c, "named").u32(0x9c, 2)
	b := appendNote(nil, le, "NetBSD-CORE", 1, ps.b)
	for _, lwp := range []string{"1", "2", "3"} {
		b = appendNote(b, le, "NetBSD-CORE@"+lwp, 0x21, newStructure(26*8, le, 8).u64(24*8, 0x1000).b)
		b = appendNote(b, le, "NetBSD-CORE@"+lwp, 0x23, make([]byte, 512))
	}
	return elfFile{class: 64, order: le, machine: em, segments: []elfSegment{noteSegment(b)}}
}

func synthOpenBSD() elfFile {
	ps := newStructure(0x48+32, le, 8).u32(8, 11).u32(0x20, 31337).text(0x48, "ksh")
	b := appendNote(nil, le, "OpenBSD", 10, ps.b)
	for _, tid := range []string{"123456", "234567"} {
		b = appendNote(b, le, "OpenBSD@"+tid, 20, newStructure(26*8, le, 8).u64(15*8, 0x7f7f0000).u64(16*8, 0x401000).b)
		b = appendNote(b, le, "OpenBSD@"+tid, 21, make([]byte, 512))
	}
	return elfFile{class: 64, order: le, machine: elf.EM_X86_64, segments: []elfSegment{noteSegment(b)}}
}

func TestSyntheticOpenBSD(t *testing.T) {
	info := inspect(t, synthOpenBSD().build().dense())
	if info.OS != "openbsd" || info.PID != 31337 || info.Cmd != "ksh" || info.Signal != 11 || len(info.Threads) != 2 {
		t.Errorf("%+v", info)
	}
	if want := (Thread{TID: 234567, PC: 0x401000, SP: 0x7f7f0000}); info.Threads[1] != want {
		t.Errorf("got %+v", info.Threads[1])
	}
}

func TestSyntheticHubris(t *testing.T) {
	b := appendNote(nil, le, "Oxide Computer Company", 0x1de00001, make([]byte, 100))
	info := inspect(t, elfFile{class: 32, order: le, machine: elf.EM_ARM, segments: []elfSegment{noteSegment(b)}}.build().dense())
	if info.OS != "hubris" || info.Machine != "arm" || info.Format != "Hubris dump" {
		t.Errorf("%+v", info)
	}
}
