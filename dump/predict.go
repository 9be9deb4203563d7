package dump

import (
	"cmp"
	"io"
	"math"
	"slices"
)

const (
	// predictPage is the unit of predictions: debuggers read a dump by buffers or
	// mapped pages of this size.
	predictPage = 4096

	// maxRanges and maxPredicted bound what is predicted for a dump. A process with 64
	// threads and 100 libraries needs some 300 ranges and 1 MiB.
	maxRanges    = 4096
	maxPredicted = 16 << 20

	// predictTail is predicted at the end of the file before its format is known: notes
	// are there in a dump that a debugger wrote, the stack of the first thread in one
	// that the kernel wrote.
	predictTail = 64 << 10
)

// Predict calls want with the ranges of a dump that a debugger reads until it has shown
// the backtraces of all threads: headers and notes, the first page of every segment,
// what the auxiliary vector and the registers point to, and the dynamic linker's list.
// For a kernel dump they are the headers, the bitmaps, and the tables that lead to its
// pages if those are small.
//
// The ranges lie in the file, do not overlap, and are whole pages of 4 KiB except at the
// end of the file. They come in waves: Predict reports all that it knows, the most urgent
// first, before it reads any of it through r to learn more. A want that starts a fetch
// and returns makes each wave one round trip. Predict reads nothing that it has not
// reported before.
//
// The number of ranges and bytes is bounded, whatever the dump claims. The error is what
// r returned, or that of Inspect for a file that is no dump. It ends the prediction; the
// ranges reported until then hold.
func Predict(r io.ReaderAt, size int64, want func(off, n int64)) error {
	p := &predictor{report: want, size: max(size, 0), bytes: maxPredicted, pages: map[int64][]byte{}}
	p.want(0, firstRead)
	p.want(p.size-predictTail, predictTail)
	var err error
	if p.r, err = newBufReader(r, size); err != nil {
		return err
	}
	f, err := formatOf(p.r)
	if err != nil {
		return err
	}
	return f.predict(p)
}

// predictor is the state of one Predict.
type predictor struct {
	r      *bufReader
	size   int64
	report func(off, n int64)

	wanted []extent // what was reported: sorted, disjoint, not adjacent
	ranges int      // calls of report
	bytes  int64    // bytes that may still be reported

	pages map[int64][]byte // single pages that were read, by offset
	err   error            // of the first read that failed; nothing is read after it

	sections []section
}

// extent is a range of the file.
type extent struct{ off, end int64 }

// want reports the pages of n bytes at off, except for those that were reported before
// or are beyond the bounds.
func (p *predictor) want(off, n int64) {
	if off < 0 {
		off, n = 0, n+off
	}
	if n <= 0 || off >= p.size || p.bytes <= 0 || p.ranges == maxRanges {
		return
	}
	end := p.size
	if n < p.size-off {
		end = min(end, (off+n+predictPage-1)&^(predictPage-1))
	}
	off &^= predictPage - 1
	i, _ := slices.BinarySearchFunc(p.wanted, off, func(s extent, off int64) int { return cmp.Compare(s.end, off) })
	first, from, upto := i, off, off
	for ; i < len(p.wanted) && p.wanted[i].off <= end; i++ {
		upto = p.reportGap(from, min(p.wanted[i].off, end))
		if upto < p.wanted[i].off { // out of bounds
			p.merge(first, i, extent{off, upto})
			return
		}
		from = p.wanted[i].end
		upto = from
	}
	if from < end {
		upto = p.reportGap(from, end)
	}
	p.merge(first, i, extent{off, max(upto, from)})
}

// reportGap reports a range that was not reported yet, and returns where the bounds end it.
func (p *predictor) reportGap(off, end int64) int64 {
	end = min(end, off+p.bytes&^(predictPage-1))
	if end <= off || p.ranges == maxRanges {
		return off
	}
	p.ranges++
	p.bytes -= end - off
	p.report(off, end-off)
	return end
}

// merge replaces the extents from i to j, which s touches, by their union with s.
func (p *predictor) merge(i, j int, s extent) {
	if s.end <= s.off {
		return
	}
	if i < j {
		s.off = min(s.off, p.wanted[i].off)
		s.end = max(s.end, p.wanted[j-1].end)
	}
	p.wanted = slices.Replace(p.wanted, i, j, s)
}

// wantRange is want for a range as a header states it.
func (p *predictor) wantRange(r Range) {
	if r.Off < math.MaxInt64 {
		p.want(int64(r.Off), int64(min(r.Len, math.MaxInt64)))
	}
}

// isWanted reports whether all of a range that the file has was reported.
func (p *predictor) isWanted(off, n int64) bool {
	n = p.r.clip(off, n)
	i, _ := slices.BinarySearchFunc(p.wanted, off, func(s extent, off int64) int { return cmp.Compare(s.end, off+1) })
	return n > 0 && i < len(p.wanted) && p.wanted[i].off <= off && off+n <= p.wanted[i].end
}

// hold reads a range that was reported, and returns nothing for any other.
func (p *predictor) hold(r Range) []byte {
	if p.err != nil || r.Off >= math.MaxInt64 || r.Len >= math.MaxInt64 || !p.isWanted(int64(r.Off), int64(r.Len)) {
		return nil
	}
	b, err := p.r.hold(int64(r.Off), int64(r.Len))
	p.err = err
	return b
}

// page is hold for one page.
func (p *predictor) page(off int64) []byte {
	if b, ok := p.pages[off]; ok {
		return b
	}
	if p.err != nil || !p.isWanted(off, predictPage) {
		return nil
	}
	b := make([]byte, p.r.clip(off, predictPage))
	if _, p.err = p.r.fill(b, off); p.err != nil {
		return nil
	}
	p.pages[off] = b
	return b
}
