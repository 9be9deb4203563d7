package dump

import (
	"cmp"
	"io"
	"math"
	"slices"
)

const (
	// readsPage is the unit in which reads are foretold: debuggers read a dump by
	// buffers or by mapped pages of this size.
	readsPage = 4096

	// maxReads and maxReadBytes bound what is foretold of a dump. A process of 64
	// threads and 100 libraries needs some 300 ranges and 1 MiB.
	maxReads     = 4096
	maxReadBytes = 16 << 20

	// readsHead is the first thing that is foretold, since all else follows from it.
	readsHead = firstRead

	// readsTail is foretold beside it, before anything is known of the file: notes
	// are at the end when a debugger wrote the dump, the stack of the first thread
	// when the kernel did.
	readsTail = 64 << 10
)

// Reads tells which ranges of a dump a debugger will read until it has shown the
// backtraces of all threads: headers and notes, the first page of every segment,
// what the auxiliary vector and the registers point to, and the list of the
// dynamic linker. Of a kernel dump they are the headers, the bitmaps, and the tables
// that lead to its pages as long as those are small.
//
// It calls want with ranges that lie in the file and do not overlap, in whole
// pages of 4 KiB but for the file's end, in waves: all that is known by then,
// the most urgent first, before it reads any of it through r to learn more. A
// want that starts a fetch and returns makes each wave one round trip. Nothing is
// read that was not wanted before.
//
// What it tells is bounded, whatever the dump claims. An error is what r returned,
// or that of Inspect for a file that is no dump: it ends the prediction, and what
// was told so far holds.
func Reads(r io.ReaderAt, size int64, want func(off, n int64)) error {
	f := &forecast{want: want, size: max(size, 0), bytes: maxReadBytes, pages: map[int64][]byte{}}
	f.tell(0, readsHead)
	f.tell(f.size-readsTail, readsTail)
	var err error
	if f.s, err = newSource(r, size); err != nil {
		return err
	}
	head := f.s.head(crashHeaderSize)
	if e, ok := parseEhdr(head); ok {
		return f.elf(e)
	}
	switch {
	case isCrash(head):
		f.crash(newCrashHeader(head))
		return nil
	case isKdump(head):
		return f.kdump(head)
	}
	return unsupported(head)
}

// forecast is a prediction in the making.
type forecast struct {
	s    *source
	size int64
	want func(off, n int64)

	told   []extent // sorted, disjoint, not adjacent
	ranges int      // calls of want
	bytes  int64    // how many more may be told

	pages map[int64][]byte // that were read for the chase, by offset
	err   error            // of the first read that failed; nothing is read after it

	sections view // the table of sections
}

// extent is a range of the file that was told.
type extent struct{ off, end int64 }

// tell wants n bytes at off, in whole pages, without what was told before and
// what is beyond the bounds.
func (f *forecast) tell(off, n int64) {
	if off < 0 {
		off, n = 0, n+off
	}
	if n <= 0 || off >= f.size || f.bytes <= 0 || f.ranges == maxReads {
		return
	}
	end := f.size
	if n < f.size-off {
		end = min(end, (off+n+readsPage-1)&^(readsPage-1))
	}
	off &^= readsPage - 1
	i, _ := slices.BinarySearchFunc(f.told, off, func(s extent, off int64) int { return cmp.Compare(s.end, off) })
	first, from, upto := i, off, off
	for ; i < len(f.told) && f.told[i].off <= end; i++ {
		upto = f.gap(from, min(f.told[i].off, end))
		if upto < f.told[i].off { // out of bounds
			f.merge(first, i, extent{off, upto})
			return
		}
		from = f.told[i].end
		upto = from
	}
	if from < end {
		upto = f.gap(from, end)
	}
	f.merge(first, i, extent{off, max(upto, from)})
}

// gap wants a range that was not told yet and returns where it ends by the bounds.
func (f *forecast) gap(off, end int64) int64 {
	end = min(end, off+f.bytes&^(readsPage-1))
	if end <= off || f.ranges == maxReads {
		return off
	}
	f.ranges++
	f.bytes -= end - off
	f.want(off, end-off)
	return end
}

// merge puts s in the place of the spans from i to j that it touches.
func (f *forecast) merge(i, j int, s extent) {
	if s.end <= s.off {
		return
	}
	if i < j {
		s.off = min(s.off, f.told[i].off)
		s.end = max(s.end, f.told[j-1].end)
	}
	f.told = slices.Replace(f.told, i, j, s)
}

// tellRange wants a range as a header states it.
func (f *forecast) tellRange(r Range) {
	if r.Off < math.MaxInt64 {
		f.tell(int64(r.Off), int64(min(r.Len, math.MaxInt64)))
	}
}

// isTold tells whether all of a range was told, as much of it as the file has.
func (f *forecast) isTold(off, n int64) bool {
	n = f.s.clip(off, n)
	i, _ := slices.BinarySearchFunc(f.told, off, func(s extent, off int64) int { return cmp.Compare(s.end, off+1) })
	return n > 0 && i < len(f.told) && f.told[i].off <= off && off+n <= f.told[i].end
}

// hold reads a range that was told; nothing of one that was refused.
func (f *forecast) hold(r Range) []byte {
	if f.err != nil || r.Off >= math.MaxInt64 || r.Len >= math.MaxInt64 || !f.isTold(int64(r.Off), int64(r.Len)) {
		return nil
	}
	b, err := f.s.hold(int64(r.Off), int64(r.Len))
	f.err = err
	return b
}

// page reads one page that was told, and keeps it.
func (f *forecast) page(off int64) []byte {
	if b, ok := f.pages[off]; ok {
		return b
	}
	if f.err != nil || !f.isTold(off, readsPage) {
		return nil
	}
	b := make([]byte, f.s.clip(off, readsPage))
	if _, f.err = f.s.fill(b, off); f.err != nil {
		return nil
	}
	f.pages[off] = b
	return b
}
