package dump

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

func TestFault(t *testing.T) {
	for name, want := range map[string]Fault{
		"lldb-linux-x86_64.core":   {Signal: 11, HasAddress: true},
		"lldb-threads-x86_64.core": {Signal: 4}, // sent by a process
		"lldb-linux-ppc64le.core":  {Signal: 11, HasAddress: true},
	} {
		f, err := os.Open(filepath.Join("testdata/cores", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		info, err := Inspect(f, fi.Size())
		if err != nil {
			t.Fatal(err)
		}
		got := info.Fault()
		if want.SP = info.Threads[0].SP; got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if _, ok, err := info.Handled(f); ok || err != nil {
			t.Errorf("%s: a handler was running, %v", name, err)
		}
	}
}

// handlerStack returns a stack with the frame of a signal handler.
func handlerStack(signo, code int32, field uint64, trapno, cr2 uint64) []byte {
	b := make([]byte, 1024)
	u64 := func(off int, v uint64) { binary.LittleEndian.PutUint64(b[off:], v) }
	const saved = 256 // offset of the saved stack pointer
	u64(saved, 0x7000)
	u64(saved+8, 0x401000)
	u64(saved+24, 0x2b000000000033)
	u64(saved+40, trapno)
	u64(saved+56, cr2)
	binary.LittleEndian.PutUint32(b[saved+144:], uint32(signo))
	binary.LittleEndian.PutUint32(b[saved+152:], uint32(code))
	u64(saved+160, field)
	return b
}

func TestHandled(t *testing.T) {
	const pid = 77
	for _, c := range []struct {
		name               string
		signo, code        int32
		field, trapno, cr2 uint64
		want               Fault
	}{
		{"SA_SIGINFO, page fault", 11, 1, 0x10, 14, 0x10, Fault{11, 0x10, true, 0x7000}},
		{"SA_SIGINFO, division", 8, 1, 0x401000, 0, 0, Fault{8, 0x401000, true, 0x7000}},
		{"SA_SIGINFO, by itself", 6, -6, pid, 14, 0x10, Fault{6, 0, false, 0x7000}},
		{"SA_SIGINFO, timer", 14, 0x80, 0, 0, 0, Fault{14, 0, false, 0x7000}},
		{"page fault", 4, -1, 0, 14, 0x20, Fault{11, 0x20, true, 0x7000}},
		{"invalid opcode", 0, 0, 0, 6, 0, Fault{4, 0, false, 0x7000}},
		{"sent", 1234567, 0, 0, 0, 0, Fault{0, 0, false, 0x7000}},
		{"sent, garbage", 4, -1, 0, 0, 0, Fault{0, 0, false, 0x7000}},
	} {
		stack := handlerStack(c.signo, c.code, c.field, c.trapno, c.cr2)
		const sp = 0x6000
		e := &ELF{Class: 64, Order: le, Machine: elf.EM_X86_64}
		e.loads = []Segment{{Type: SegmentLoad, Offset: 0, Vaddr: sp, Filesz: uint64(len(stack)), Memsz: uint64(len(stack))}}
		info := &Info{OS: "linux", ELF: e, PID: pid, Size: int64(len(stack)), Threads: []Thread{{SP: sp + 5}}}
		if got, ok, err := info.Handled(bytes.NewReader(stack)); !ok || err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, %v, want %+v", c.name, got, ok, err, c.want)
		}
		info.Threads[0].SP = sp + 300 // above the frame
		if got, ok, _ := info.Handled(bytes.NewReader(stack)); ok {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestStackOverflow(t *testing.T) {
	info := &Info{ELF: &ELF{Segments: []Segment{
		{Type: SegmentLoad, Flags: 6, Vaddr: 0x10000000, Memsz: 0x800000},
		{Type: SegmentLoad, Vaddr: 0x20000000, Memsz: 0x1000}, // a guard page
		{Type: SegmentLoad, Flags: 6, Vaddr: 0x20001000, Memsz: 0x800000},
	}}}
	for _, c := range []struct {
		f    Fault
		want bool
	}{
		{Fault{11, 0xffffff8, true, 0x10000010}, true},
		{Fault{11, 0xffffff8, true, 0xffff000}, true},
		{Fault{11, 0x20000ff8, true, 0x20001010}, true},
		{Fault{11, 0x20001ff8, true, 0x20001010}, false}, // not writable, for example
		{Fault{11, 0, true, 0x10000010}, false},
		{Fault{11, 0xffffff8, true, 0x107ffff0}, false}, // far from the stack pointer
		{Fault{11, 0xffffff8, false, 0x10000010}, false},
		{Fault{7, 0xffffff8, true, 0x10000010}, false},
		{Fault{11, 0x8, true, 0x10}, false},
		{Fault{11, 1<<64 - 8, true, 1<<64 - 16}, false},
	} {
		if got := info.StackOverflow(c.f); got != c.want {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
}
