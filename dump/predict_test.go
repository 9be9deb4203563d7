package dump

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// told records the ranges that Predict reports for a file, and checks the rules for them.
type told struct {
	r      io.ReaderAt
	size   int64
	ranges []extent
	breach string // the first violated rule
	reads  int
	fail   int // number of the read that fails, counted from 1; 0 means none
}

var errBroken = errors.New("broken store")

func (c *told) want(off, n int64) {
	switch {
	case off < 0 || n <= 0 || off+n > c.size:
		c.broken("%d bytes at %d: the file has %d", n, off, c.size)
	case off%predictPage != 0 || (off+n)%predictPage != 0 && off+n != c.size:
		c.broken("%d bytes at %d are not whole pages", n, off)
	case slices.ContainsFunc(c.ranges, func(e extent) bool { return off < e.end && e.off < off+n }):
		c.broken("%d bytes at %d were told before", n, off)
	}
	c.ranges = append(c.ranges, extent{off, off + n})
}

func (c *told) broken(format string, args ...any) {
	if c.breach == "" {
		c.breach = fmt.Sprintf(format, args...)
	}
}

func (c *told) has(off, n int64) bool {
	for at := off; at < min(off+n, c.size); {
		i := slices.IndexFunc(c.ranges, func(e extent) bool { return e.off <= at && at < e.end })
		if i < 0 {
			return false
		}
		at = c.ranges[i].end
	}
	return true
}

func (c *told) ReadAt(p []byte, off int64) (int, error) {
	if c.reads++; c.reads == c.fail {
		return 0, errBroken
	}
	if !c.has(off, int64(len(p))) {
		c.broken("%d bytes at %d are read and were not told", len(p), off)
	}
	return c.r.ReadAt(p, off)
}

func tellReads(t testing.TB, r io.ReaderAt, size int64) (*told, error) {
	t.Helper()
	c := &told{r: r, size: size}
	err := Predict(c, size, c.want)
	c.check(t)
	return c, err
}

func (c *told) check(t testing.TB) {
	t.Helper()
	if c.breach != "" {
		t.Error(c.breach)
	}
	n := int64(0)
	for _, e := range c.ranges {
		n += e.end - e.off
	}
	if len(c.ranges) > maxRanges || n > maxPredicted {
		t.Errorf("%d ranges, %d bytes", len(c.ranges), n)
	}
}

func TestReadsOfRealCores(t *testing.T) {
	paths, err := filepath.Glob("testdata/cores/*.core")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		t.Run(filepath.Base(p), func(t *testing.T) {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			c, err := tellReads(t, bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			info := inspect(t, b)
			for _, th := range info.Threads {
				if r, ok := info.ELF.FileRange(th.SP); ok && !c.has(int64(r.Off), 1) {
					t.Errorf("stack of %d at %#x is not told", th.TID, r.Off)
				}
			}
			for n := range int64(len(b)) / 4096 {
				if _, err := tellReads(t, bytes.NewReader(b[:n*4096]), n*4096); err != nil && n > 0 && !errors.Is(err, ErrDamaged) {
					t.Errorf("%d bytes: %v", n*4096, err)
				}
			}
		})
	}
}

// TestReadsOfBrokenStores checks that a failed read ends the prediction with the error of the
// store.
func TestReadsOfBrokenStores(t *testing.T) {
	f := synthProcess{class: 64, order: le, machine: elf.EM_X86_64, objects: 5}.build().build()
	for n := 1; ; n++ {
		c := &told{r: f, size: f.size, fail: n}
		err := Predict(c, f.size, c.want)
		c.check(t)
		if c.reads < n {
			if err != nil || n < 5 {
				t.Errorf("%d reads: %v", n, err)
			}
			break
		}
		if !errors.Is(err, errBroken) || len(c.ranges) < 2 {
			t.Errorf("read %d: %v, %d ranges", n, err, len(c.ranges))
		}
	}
}

func TestReadsOfOtherFiles(t *testing.T) {
	for _, s := range []string{"", "hello", elfMagic, "\x7fELF\x02\x01\x01" + string(make([]byte, 60))} {
		var u *UnsupportedError
		if _, err := tellReads(t, bytes.NewReader([]byte(s)), int64(len(s))); !errors.As(err, &u) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestReadsChase(t *testing.T) {
	for _, c := range []struct {
		name  string
		p     synthProcess
		trips int // maximum number
	}{
		{"64-bit LE", synthProcess{class: 64, order: le, machine: elf.EM_X86_64, objects: 12}, 16},
		{"32-bit LE", synthProcess{class: 32, order: le, machine: elf.EM_386, objects: 12}, 16},
		{"64-bit BE", synthProcess{class: 64, order: be, machine: elf.EM_S390, objects: 12}, 16},
		{"32-bit BE", synthProcess{class: 32, order: be, machine: elf.EM_PPC, objects: 12}, 16},
		{"MIPS", synthProcess{class: 32, order: be, machine: elf.EM_MIPS, objects: 3, mips: true}, 8},
		{"a table", synthProcess{class: 64, order: le, machine: elf.EM_X86_64, objects: 40, table: true}, 8},
		{"a cycle", synthProcess{class: 64, order: le, machine: elf.EM_X86_64, objects: 9, cycle: true}, 13},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.p.build().build()
			told, err := tellReads(t, f, f.size)
			if err != nil {
				t.Fatal(err)
			}
			info, err := Inspect(f, f.size)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.p.objects {
				for _, addr := range []uint64{c.p.mapAt(i), c.p.mapAt(i) + 0x10000, synthMods + uint64(i)*0x10000} {
					r, ok := info.ELF.FileRange(addr)
					if !ok || !told.has(int64(r.Off), 16) {
						t.Errorf("object %d: %#x is not told", i, addr)
					}
				}
			}
			p := &prediction{}
			clock := &blockClock{f, p, map[int64]int{}}
			if err := Predict(clock, f.size, clock.told); err != nil || p.trips > c.trips {
				t.Errorf("%d round trips, %v", p.trips, err)
			}
		})
	}
}

// TestReadsSignalFrames predicts frames that a signal handler interrupted, which are on another
// stack.
func TestReadsSignalFrames(t *testing.T) {
	e := elfFile{class: 64, order: le, machine: elf.EM_X86_64}
	stack := newStructure(4096, le, 8).u64(0x500, 0x900000).u64(0x508, 0xa00010).u64(0x518, 0x2b000000000033)
	other, code := make([]byte, 32<<10), make([]byte, 8<<10)
	e.segments = []elfSegment{noteSegment(linuxNotes(e, "x86_64")), loadSegment(0x2000, stack.b), loadSegment(0x900000-16384, append(make([]byte, 16384), other...)), loadSegment(0xa00000-4096, append(make([]byte, 4096), code...))}
	var pad []elfSegment
	for i, s := range e.segments { // away from the start and the end, which are always predicted
		s.Offset = uint64(1+i) << 20
		pad = append(pad, s)
	}
	e.segments = append(pad, elfSegment{Segment: Segment{Type: SegmentLoad, Vaddr: 0xb00000, Offset: 8 << 20}, content: make([]byte, 128<<10)})
	f := e.build()
	c, err := tellReads(t, f, f.size)
	if err != nil || !c.has(3<<20+16384, 16384) || !c.has(4<<20+4096, 32) || c.has(3<<20+8192, 1) {
		t.Errorf("%v: %v", err, c.ranges)
	}
}

// TestReadsIllumosSymbols checks the prediction for mdb, which reads symbols and types after the
// segments, but not gcore's sections that describe memory.
func TestReadsIllumosSymbols(t *testing.T) {
	e := synthIllumos(64, elf.EM_X86_64, le)
	e.segments = append(e.segments, elfSegment{Segment: Segment{Type: SegmentLoad, Vaddr: 0x10000000, Offset: 1 << 20}, content: make([]byte, 1<<20)})
	f := e.build()
	const table, symbols = 4 << 20, 3 << 20
	sections := newStructure(64*3, le, 8)
	for i, s := range []struct{ kind, flags, off, size uint64 }{{0, 0, 0, 0}, {2, 0, symbols, 300 << 10}, {1, 2, 1 << 20, 1 << 20}} {
		sections.u32(64*i+4, uint32(s.kind)).u64(64*i+8, s.flags).u64(64*i+24, s.off).u64(64*i+32, s.size)
	}
	f.put(table, sections.b)
	f.put(symbols, make([]byte, 300<<10))
	f.put(6<<20, make([]byte, 1))
	head := f.dense()[:64]
	binary.LittleEndian.PutUint64(head[40:], table)
	binary.LittleEndian.PutUint16(head[58:], 64)
	binary.LittleEndian.PutUint16(head[60:], 3)
	f.put(0, head)
	c, err := tellReads(t, f, f.size)
	if err != nil || !c.has(symbols, 300<<10) || !c.has(table, 64*3) || c.has(1<<20+8192, 1) {
		t.Errorf("%v: %v", err, c.ranges)
	}
}

func TestReadsOfKernelDumps(t *testing.T) {
	for name, tc := range map[string]struct{ pages, most int64 }{
		"of 128 MiB":  {32 << 10, 1 << 20},
		"of 1 GiB":    {256 << 10, 1 << 20},
		"of 64 GiB":   {16 << 20, 5 << 20},
		"of 1024 GiB": {256 << 20, maxPredicted},
	} {
		t.Run("kdump "+name, func(t *testing.T) {
			bitmaps := 2 * ((tc.pages/8 + 4095) / 4096)
			b := synthKdump(le, 8)
			binary.LittleEndian.PutUint32(b[436:], uint32(bitmaps))
			f := &sparseFile{}
			f.put(0, b)
			table := (2 + bitmaps) * 4096
			first := table + tc.pages*pageDesc
			f.put(table, binary.LittleEndian.AppendUint64(nil, uint64(first)))
			f.put(first+100<<20, []byte{1})
			c, err := tellReads(t, f, f.size)
			told := int64(0)
			for _, e := range c.ranges {
				told += e.end - e.off
			}
			if err != nil || !c.has(0, 2*4096) || !c.has(table, pageDesc) || told > tc.most {
				t.Errorf("%v, %d bytes: %v", err, told, c.ranges)
			}
			whole := tc.pages*pageDesc <= maxPageTable
			if c.has(table, first-table) != whole || bitmaps*4096 < maxPredicted && !c.has(2*4096, bitmaps*4096) {
				t.Errorf("the table is predicted: %v, want %v; or the bitmaps are not: %v", !whole, whole, c.ranges)
			}
		})
	}
	t.Run("vmcore", func(t *testing.T) {
		b := readCore(t, "synthetic-vmdump.0")[:crashHeaderSize]
		binary.LittleEndian.PutUint32(b[8:], dfComplete)
		binary.LittleEndian.PutUint64(b[48:], 5<<20) // dump_data
		f := &sparseFile{}
		f.put(0, b)
		f.put(100<<20, []byte{1})
		c, err := tellReads(t, f, f.size)
		if err != nil || !c.has(0, 5<<20) || c.has(5<<20, 1) {
			t.Errorf("%v: %v", err, c.ranges)
		}
	})
	t.Run("vmdump", func(t *testing.T) {
		f := &sparseFile{}
		f.put(0, readCore(t, "synthetic-vmdump.0")[:crashHeaderSize])
		f.put(100<<20+777, []byte{1})
		c, err := tellReads(t, f, f.size)
		if err != nil || !c.has((100<<20+777-65536)&^65535, 1<<20) || c.has(50<<20, 1) {
			t.Errorf("%v: %v", err, c.ranges)
		}
	})
	t.Run("ELF vmcore", func(t *testing.T) {
		f := synthVMCore().build()
		if _, err := tellReads(t, f, f.size); err != nil {
			t.Error(err)
		}
	})
}

// TestReadsBounds checks that the prediction is limited even if the dump claims too much.
func TestReadsBounds(t *testing.T) {
	e := elfFile{class: 64, order: le, machine: elf.EM_X86_64}
	for i := range 20000 {
		s := elfSegment{Segment: Segment{Type: uint32(1 + i%4/3*3), Flags: 6, Vaddr: uint64(i) << 20, Offset: uint64(i) << 14, Filesz: 1 << 13}}
		e.segments = append(e.segments, s)
	}
	f := e.build()
	f.put(1<<30, []byte{1})
	if c, err := tellReads(t, f, f.size); err != nil || len(c.ranges) < maxRanges/4 {
		t.Errorf("%d ranges, %v", len(c.ranges), err)
	}
}

func FuzzReads(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, int64(0))
	}
	for _, p := range []synthProcess{
		{class: 64, order: le, machine: elf.EM_X86_64}, {class: 32, order: be, machine: elf.EM_MIPS, mips: true},
	} {
		f.Add(p.build().build().dense()[:64<<10], int64(3<<20))
	}
	f.Fuzz(func(t *testing.T, b []byte, more int64) {
		file := &sparseFile{size: int64(len(b)) + max(more, 0)%(1<<40)}
		file.put(0, b)
		_, err := tellReads(t, file, file.size)
		var u *UnsupportedError
		if err != nil && !errors.As(err, &u) && !errors.Is(err, ErrDamaged) {
			t.Errorf("error of no kind: %v", err)
		}
	})
}
