package dump

import (
	"bytes"
	"crypto/md5"
	"debug/elf"
	"errors"
	"testing"
	"time"
)

const vmcoreText = "OSRELEASE=6.1.0-13-amd64\nBUILD-ID=2fc7ff3b\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff82a19a00\n" +
	"OFFSET(uts_namespace.name)=4\nNUMBER(x)=\nbroken line\nCRASHTIME=1700000000\n"

func synthVMCore() elfFile {
	e := elfFile{class: 64, order: le, machine: elf.EM_X86_64}
	var b []byte
	for i := range 4 {
		st := newStructure(336, le, 8).u64(112+19*8, 0xffffffff00000000+uint64(i))
		b = appendNote(b, le, "CORE", ntPrstatus, st.b)
	}
	b = appendNote(b, le, "VMCOREINFO", 0, []byte(vmcoreText))
	uts := newStructure(4+6*65, le, 8).text(4, "Linux").text(4+65, "db7.example.org").text(4+130, "6.1.0-13-amd64")
	e.segments = []elfSegment{noteSegment(b), loadSegment(0xffffffff82a19a00, uts.b)}
	return e
}

func TestSyntheticVMCore(t *testing.T) {
	info := inspect(t, synthVMCore().build().dense())
	if info.Type != Crash || info.Format != "Linux vmcore" || info.OS != "linux" || len(info.Threads) != 4 || info.HasPID {
		t.Errorf("%+v", info)
	}
	if info.Platform != "Linux_6.1.0-13-amd64" || info.BuildID != "2fc7ff3b" || !info.Time.Equal(time.Unix(1700000000, 0)) || info.Node != "db7.example.org" {
		t.Errorf("%+v", info)
	}
	// Without VMCOREINFO, as written by QEMU, and cut before the host name.
	e := synthVMCore()
	var b []byte
	for range 2 {
		b = appendNote(b, le, "CORE", ntPrstatus, make([]byte, 336))
		b = appendNote(b, le, "QEMU", 0, make([]byte, 440))
	}
	e.segments[0] = noteSegment(b)
	if info = inspect(t, e.build().dense()); info.Type != Crash || len(info.Threads) != 2 || info.Platform != "" {
		t.Errorf("%+v", info)
	}
	whole := synthVMCore().build().dense()
	if info = inspect(t, whole[:len(whole)-380]); info.Node != "" || !info.Truncated() || info.Platform == "" {
		t.Errorf("%+v", info)
	}
}

// synthKdump returns a header like makedumpfile's, in the byte order and width of the crashed
// machine.
func synthKdump(order byteOrder, word int) []byte {
	s := newStructure(4*4096, order, word).text(0, kdumpMagic).u32(8, 6)
	for i, v := range []string{"Linux", "db7", "6.1.0", "#1 SMP", "x86_64", "(none)"} {
		s.text(12+65*i, v)
	}
	tv, at := 408, 424
	if word == 4 {
		tv, at = 404, 412
	}
	s.long(tv, 1600000000).long(tv+word, 250000).u32(at, 1|8).u32(at+4, 4096).u32(at+8, 1).u32(at+12, 2)
	if word == 8 {
		var notes []byte
		for range 3 {
			notes = appendNote(notes, order, "CORE", ntPrstatus, newStructure(336, order, 8).u64(264, 0xffff888000000000).b)
		}
		s.u64(4096+32, 8192+2000).u64(4096+40, uint64(len(vmcoreText))).text(8192+2000, vmcoreText)
		s.u64(4096+48, 8192).u64(4096+56, uint64(len(notes)))
		copy(s.b[8192:], notes)
	}
	return s.b
}

func TestSyntheticKdump(t *testing.T) {
	for _, c := range []struct {
		name    string
		order   byteOrder
		word    int
		threads int
		build   string
	}{
		{"64-bit LE", le, 8, 3, "2fc7ff3b"}, {"64-bit BE", be, 8, 3, "2fc7ff3b"}, {"32-bit LE", le, 4, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := synthKdump(c.order, c.word)
			info := inspect(t, b)
			if info.Format != "kdump" || info.Type != Crash || info.OS != "linux" || info.Machine != "x86_64" {
				t.Errorf("%+v", info)
			}
			if info.Node != "db7" || info.Platform != "Linux_6.1.0" || !info.Time.Equal(time.Unix(1600000000, 250e6)) {
				t.Errorf("%+v", info)
			}
			if len(info.Threads) != c.threads || info.BuildID != c.build || info.Properties["incomplete"] != "true" {
				t.Errorf("%+v", info)
			}
			if info.Needed != 4*4096 || info.Truncated() {
				t.Errorf("%d bytes needed", info.Needed)
			}
			b[20]++
			if other := inspect(t, b); other.ID == info.ID {
				t.Error("another header has the same name")
			}
		})
	}
}

// TestSyntheticKdumpOfQEMU uses a dump in which QEMU left names and time empty, although
// VMCOREINFO has some of them.
func TestSyntheticKdumpOfQEMU(t *testing.T) {
	b := synthKdump(le, 8)
	clear(b[12:424])
	copy(b[12+4*65:], "x86_64")
	info := inspect(t, b)
	if info.Platform != "Linux_6.1.0-13-amd64" || info.Time.Unix() != 1700000000 || info.Node != "" {
		t.Errorf("%+v", info)
	}
}

func TestKdumpWithoutBlockSize(t *testing.T) {
	b := append([]byte(diskdumpMagic), make([]byte, 5000)...)
	if _, err := Inspect(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestSyntheticCrashDumps(t *testing.T) {
	for _, c := range []struct {
		file, node, platform, id, node010, node12 string
		time                                      int64
		uuid                                      string
	}{
		{"synthetic-vmdump.0", "headnode", "joyent_20130418T192128Z", "80c3678337757703522e9cabc1b043c6",
			"fbe310611cc2ae2fdfaf2763e241e738", "e4cfb42ce9747bba541225b6847178a7", 1366869350, "7d4e9a1c-2f0b-4c6e-9d1a-0a1b2c3d4e5f"},
		{"synthetic-vmdump.1", "95SY9R1", "joyent_20180830T001556Z", "3a92e9761dfc48c73852bb5ecc21013b",
			"8ee7958dee94c114cb0ddc3a97963b2f", "aba728786b845ca0955bbad472895dac", 1535587000, "7d4e9a1c-2f0b-4c6e-9d1a-0a1b2c3d4e5f"},
	} {
		t.Run(c.file, func(t *testing.T) {
			info := inspect(t, readCore(t, c.file))
			if info.Type != Crash || info.OS != "illumos" || info.Format != "illumos vmdump" || info.Machine != "x86_64" {
				t.Errorf("%+v", info)
			}
			if info.Node != c.node || info.Platform != c.platform || info.Time.Unix() != c.time || info.Properties["uuid"] != c.uuid {
				t.Errorf("%+v", info)
			}
			if info.ID.String() != c.id || info.AlsoIDs[0].String() != c.node010 || info.AlsoIDs[1].String() != c.node12 {
				t.Errorf("got %v, %v", info.ID, info.AlsoIDs)
			}
		})
	}
	p := inspect(t, readCore(t, "synthetic-vmdump.0")).Properties["panicstring"]
	if want := `BAD TRAP: type=e (#pf Page fault) rp=ffffff000f4c4a10 addr=30 occurred in module "zfs" due to a NULL pointer dereference`; p != want {
		t.Errorf("panicstring %q", p)
	}
}

func TestCrashText(t *testing.T) {
	want := readCore(t, "synthetic-vmdump.1.inspect.txt")
	got := newCrashHeader(readCore(t, "synthetic-vmdump.1")).nodeInspect(node8)
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestCrashTextNegative checks negative numbers as Node 0.10, 8 and 20 print the halves from
// ctype.
func TestCrashTextNegative(t *testing.T) {
	b := readCore(t, "synthetic-vmdump.0")
	for _, c := range []struct {
		v             uint64
		text, text010 string
	}{
		{^uint64(4), "[ -0, -5 ]", "[ 0, -5 ]"},
		{0xffffffff00000000, "[ -1, 0 ]", "[ -1, 0 ]"},
		{0x8000000000000000, "[ -2147483648, 0 ]", "[ -2147483648, 0 ]"},
		{0x80000000ffffffff, "[ -2147483647, -1 ]", "[ -2147483647, -1 ]"},
	} {
		le.PutUint64(b[1800:], c.v)
		h := newCrashHeader(b)
		for style, want := range map[*nodeStyle]string{&node8: c.text, &node12: c.text, &node010: c.text010} {
			if got := h.nodeInspect(*style); !bytes.Contains(got, []byte("dump_crashtime: "+want+",")) {
				t.Errorf("%#x: want %s in\n%s", c.v, want, got)
			}
		}
	}
}

// TestExpandedCrashDump checks that the hash of an expanded dump, which the original rejects, is
// computed from the same text. An incomplete dump is rejected.
func TestExpandedCrashDump(t *testing.T) {
	b := readCore(t, "synthetic-vmdump.0")
	le.PutUint32(b[8:], le.Uint32(b[8:])&^dfCompressed)
	le.PutUint64(b[48:], 8192) // dump_data
	le.PutUint64(b[1840:], 2)  // dump_npages
	info := inspect(t, b)
	if info.Format != "illumos vmcore" || info.ID != ID(md5.Sum(newCrashHeader(b).nodeInspect(node8))) {
		t.Errorf("%+v", info)
	}
	le.PutUint32(b[8:], le.Uint32(b[8:])&^dfComplete)
	var u *UnsupportedError
	if _, err := Inspect(bytes.NewReader(b), int64(len(b))); !errors.As(err, &u) {
		t.Errorf("got %v", err)
	}
}

func TestCrashDumpNeeded(t *testing.T) {
	b := readCore(t, "synthetic-vmdump.0")
	le.PutUint32(b[8:], dfComplete)
	for off := 24; off <= 48; off += 8 {
		le.PutUint64(b[off:], 8192)
	}
	le.PutUint64(b[1808:], 12)
	for pages, want := range map[uint64]int64{2: 16384, 5: 8192 + 5*4096, 1 << 60: 8192} {
		le.PutUint64(b[1840:], pages)
		if info := inspect(t, b); info.Needed != want || info.Truncated() != (want > 16384) {
			t.Errorf("%d pages: %d needed, truncated %v", pages, info.Needed, info.Truncated())
		}
	}
}
