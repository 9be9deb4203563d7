package dump

import (
	"bytes"
	"crypto/md5"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"thothfs/dump/dumptest"
)

// seeds returns the first part of each real core, and the synthetic files.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	paths, err := filepath.Glob("testdata/cores/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, b[:min(len(b), 32<<10)])
	}
	for _, e := range []elfFile{
		synthIllumos(64, elf.EM_X86_64, le), synthIllumos(32, elf.EM_SPARC, be),
		synthNetBSD(elf.EM_SPARCV9), synthOpenBSD(), synthVMCore(),
	} {
		all = append(all, e.build().dense())
	}
	return append(all, synthKdump(le, 8), synthKdump(be, 8), dumptest.Flatten(synthKdump(le, 8)), dumptest.Kdump{Pages: 5}.Build())
}

// checkInfo checks conditions that hold for every result of Inspect.
func checkInfo(t *testing.T, info *Info, err error) {
	t.Helper()
	var u *UnsupportedError
	switch {
	case err == nil && (info.Type != Core && info.Type != Crash || info.Format == ""):
		t.Errorf("%+v", info)
	case err == nil && (info.Needed < 0 || len(info.Modules) > maxModules || len(info.Threads) > maxThreads):
		t.Errorf("%+v", info)
	case err != nil && !errors.As(err, &u) && !errors.Is(err, ErrDamaged):
		t.Errorf("error of no kind: %v", err)
	}
}

func FuzzInspect(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if tooMuchToHash(b) {
			return
		}
		info, err := Inspect(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, _, _ = info.Handled(bytes.NewReader(b))
			info.StackOverflow(info.Fault())
		}
		checkInfo(t, info, err)
	})
}

// tooMuchToHash reports whether a file claims so many notes beyond its end that hashing their
// zeros takes seconds.
func tooMuchToHash(b []byte) bool {
	e, ok := parseEhdr(b)
	if !ok {
		return false
	}
	s, err := newBufReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return true
	}
	_, err = e.hash(s, 1<<20)
	return err != nil
}

// FuzzHash compares Hash with a straightforward implementation.
func FuzzHash(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ok := parseEhdr(b)
		if !ok || tooMuchToHash(b) || e.fileType != 4 {
			return
		}
		id, err := Hash(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if want := plainHash(b, e); id != want {
			t.Errorf("got %v, want %v", id, want)
		}
	})
}

// plainHash is the algorithm for a file in memory, without buffers and limits.
func plainHash(b []byte, e *ELF) ID {
	pos := int64(0)
	pread := func(n, off int64) []byte {
		p := make([]byte, n)
		current := off < 0
		if current {
			off = pos
		}
		if off < int64(len(b)) {
			n = int64(copy(p, b[off:]))
		} else {
			n = 0
		}
		if current {
			pos += n
		}
		return p
	}
	sum := md5.New()
	stride, n := e.phentsize, e.phnum
	table := pread(int64(stride*n), jsNumber(e.phoff, e.Class))
	for i := range n {
		seg := e.segment(table[i*stride:][:layoutOf(e.Class).phdr])
		sum.Write(appendPhdrJSON(nil, seg, e.Class))
		if seg.Type == SegmentNote {
			sum.Write(pread(jsNumber(seg.Filesz, e.Class), jsNumber(seg.Offset, e.Class)))
		}
	}
	return ID(sum.Sum(nil))
}

// FuzzNotes reads arbitrary bytes as the notes of a dump of any machine.
func FuzzNotes(f *testing.F) {
	for _, c := range realCores {
		b := readCore(f, c.file)
		info := inspect(f, b)
		for _, s := range info.ELF.Segments {
			if s.Type == SegmentNote {
				notes := b[s.Offset:]
				f.Add(notes[:min(uint64(len(notes)), s.Filesz, 16<<10)], uint16(info.ELF.Machine), info.ELF.Class == 64, false)
			}
		}
	}
	for _, seg := range synthIllumos(64, elf.EM_X86_64, le).segments[:2] {
		f.Add(seg.content, uint16(elf.EM_X86_64), true, false)
	}
	f.Add(synthOpenBSD().segments[0].content, uint16(elf.EM_X86_64), true, false)
	f.Add(synthVMCore().segments[0].content, uint16(elf.EM_X86_64), true, false)
	f.Fuzz(func(t *testing.T, notes []byte, machine uint16, wide, big bool) {
		e := elfFile{class: 32, order: le, machine: elf.Machine(machine)}
		if wide {
			e.class = 64
		}
		if big {
			e.order = be
		}
		page := readCore(t, "lldb-linux-x86_64.exe")
		e.segments = []elfSegment{noteSegment(notes), loadSegment(0x400000, page), noteSegment(notes[len(notes)/2:])}
		b := e.build().dense()
		info, err := Inspect(bytes.NewReader(b), int64(len(b)))
		checkInfo(t, info, err)
	})
}

func FuzzKdump(f *testing.F) {
	f.Add(synthKdump(le, 8))
	f.Add(synthKdump(be, 8))
	f.Add(synthKdump(le, 4))
	for _, k := range kdumps() {
		k.Pages, k.Zeros = min(k.Pages, 5), min(k.Zeros, 3)
		f.Add(k.Build())
	}
	f.Add(dumptest.Kdump{Pages: 3, Split: [2]uint64{0, 64}}.Build())
	f.Add(dumptest.Kdump{Pages: 3, Split: [2]uint64{0, 64}, Word: 4, Order: be}.Build())
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte(kdumpMagic), b[min(len(b), 8):]...)
		info, err := Inspect(bytes.NewReader(b), int64(len(b)))
		checkInfo(t, info, err)
	})
}

// FuzzRearrange compares Rearrange with a simple copy of one record after another.
func FuzzRearrange(f *testing.F) {
	f.Add(dumptest.Flatten(synthVMCore().build().dense())[4096:])
	f.Add(dumptest.Flatten(dumptest.Kdump{Pages: 3, Zeros: 2}.Build())[4096:])
	f.Add(dumptest.Flattened(
		dumptest.Record{Off: 6000, Size: 3, Data: []byte("abc")}, dumptest.Record{Off: 5999, Size: 4, Data: make([]byte, 4)},
		dumptest.Record{Off: 0, Size: 2, Data: []byte("\x00x")}, dumptest.End)[4096:])
	f.Add(dumptest.Flattened(dumptest.Record{Off: 1 << 50, Size: -1})[4096:])
	f.Fuzz(func(t *testing.T, records []byte) {
		w := &memory64K{}
		size, err := Rearrange(w, io.MultiReader(bytes.NewReader(dumptest.Flattened()), bytes.NewReader(records)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errBeyond) {
				t.Errorf("error of no kind: %v", err)
			}
			return
		}
		want := make([]byte, min(size, int64(len(w.b))))
		for b := records; ; {
			off, n := int64(be.Uint64(b)), int64(be.Uint64(b[8:]))
			if off == -1 && n == -1 {
				break
			}
			if off+n > size {
				t.Fatalf("%d bytes at %d in a dump of %d", n, off, size)
			}
			if off < int64(len(want)) {
				copy(want[off:], b[16:16+n])
			}
			b = b[16+n:]
		}
		if !bytes.Equal(w.b[:len(want)], want) {
			t.Error("not what the records say")
		}
	})
}

// memory64K is a file of 64 KiB.
type memory64K struct{ b [64 << 10]byte }

var errBeyond = errors.New("beyond the end")

func (m *memory64K) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(m.b)-len(p)) {
		return 0, errBeyond
	}
	return copy(m.b[off:], p), nil
}

// FuzzVmdump truncates a compressed crash dump and changes its last part.
func FuzzVmdump(f *testing.F) {
	whole := dumptest.Vmdump("headnode", 70000)
	f.Add(uint32(len(whole)), whole[len(whole)-65536:][:2048])
	f.Add(uint32(70000), []byte{})
	f.Fuzz(func(t *testing.T, n uint32, last []byte) {
		b := bytes.Clone(whole)
		copy(b[len(b)-65536:], last)
		b = b[:min(max(int(n), 8192), len(b))]
		info, err := Inspect(bytes.NewReader(b), int64(len(b)))
		checkInfo(t, info, err)
		if err != nil || len(b) < len(whole) && (!info.Truncated() || info.Needed > int64(len(whole))) {
			t.Errorf("%+v %v", info, err)
		}
	})
}

func FuzzCrashHeader(f *testing.F) {
	for _, name := range []string{"synthetic-vmdump.0", "synthetic-vmdump.1"} {
		f.Add(readCore(f, name)[:2048])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte{0xed, 0xc8, 0xfe, 0xde}, b[min(len(b), 4):]...)
		info, err := Inspect(bytes.NewReader(b), int64(len(b)))
		checkInfo(t, info, err)
		if err == nil && len(info.AlsoIDs) != 2 {
			t.Errorf("%+v", info)
		}
	})
}

func FuzzOrigin(f *testing.F) {
	f.Add("core.node.1000.fc2e22bc6ee647b6b90729ab34a250b1.4242.1700000000123456.zst")
	f.Add(`core.a\x2fb.0.fc2e22bc6ee647b6b90729ab34a250b1.1.1`)
	f.Add("core.12345")
	f.Fuzz(func(t *testing.T, s string) {
		for _, o := range []Origin{
			OriginFromName(s),
			OriginFromXattrs(func(string) (string, bool) { return s, true }),
		} {
			if o.PID < 0 || o.Source == "" && o != (Origin{}) || !o.Time.IsZero() && (o.Time.Year() < 1970 || o.Time.Year() > 9999) {
				t.Errorf("%q: %+v", s, o)
			}
		}
	})
}

// FuzzDecompress looks for panics and endless streams.
func FuzzDecompress(f *testing.F) {
	content := readCore(f, "lldb-linux-s390x.core")[:4096]
	for _, kind := range []string{"zstd", "gzip", "xz", "lz4"} {
		f.Add(compress(f, kind, content))
	}
	f.Add([]byte("BZh91AY&SY\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind := Compression(b)
		if kind == "" {
			return
		}
		r, err := Decompress(bytes.NewReader(b), kind)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(r, 8<<20))
		if err := r.Close(); err != nil && kind != "gzip" {
			t.Errorf("%s: close: %v", kind, err)
		}
	})
}
