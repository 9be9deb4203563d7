package dump

import (
	"cmp"
	"io"
	"math"
	"slices"
)

const (
	// predictPage is the unit of predictions. Debuggers read a dump in buffers or mapped
	// pages of this size.
	predictPage = 4096

	// maxRanges and maxPredicted limit the predictions for one dump. A process with 64
	// threads and 100 libraries needs about 300 ranges and 1 MiB.
	maxRanges    = 4096
	maxPredicted = 16 << 20

	// predictTail is the number of bytes at the end of the file that are predicted before its
	// format is known. They contain notes if a debugger wrote the dump, or the stack of the
	// first thread if the kernel did.
	predictTail = 64 << 10
)

// Predict calls want with the ranges of a dump that a debugger reads until it has shown the
// backtraces of all threads: headers and notes, the first page of every segment, what the
// auxiliary vector and the registers point to, and the dynamic linker's list. For a kernel dump
// they are the headers, the bitmaps, and the tables that lead to its pages if those are small.
//
// The ranges are within the file, do not overlap, and consist of whole 4 KiB pages except at the
// end of the file. They come in waves: Predict reports all ranges that it can determine, the most
// urgent first, before it reads any of them through r to determine more. If want only starts a
// fetch and returns, each wave takes one round trip. Predict reads only what it has already
// reported.
//
// The number of ranges and bytes is limited, whatever the dump claims. The error is one returned
// by r, or that of Inspect for a file that is not a dump. An error ends the prediction; the
// ranges reported so far remain valid.
func Predict(r io.ReaderAt, size int64, want func(off, n int64)) error {
	p := &predictor{report: want, size: max(size, 0), bytes: maxPredicted, pages: map[int64][]byte{}}
	p.want(0, firstRead)
	p.want(p.size-predictTail, predictTail)
	b, f, err := open(r, size)
	if err != nil {
		return err
	}
	p.r = b
	return f.predict(p)
}

// predictor is the state of one Predict call.
type predictor struct {
	r      *bufReader
	size   int64
	report func(off, n int64)

	wanted []extent // reported ranges: sorted, disjoint, not adjacent
	ranges int      // number of calls of report
	bytes  int64    // number of bytes that may still be reported

	pages map[int64][]byte // single pages that were read, keyed by offset
	err   error            // error of the first failed read; nothing is read afterwards

	sections []section
}

// extent is a range of the file.
type extent struct{ off, end int64 }

// want reports the pages that contain n bytes at off, except for those that were already reported
// or exceed the limits.
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
	for off &^= predictPage - 1; off < end; {
		i, known := p.extentAt(off)
		if known {
			off = p.wanted[i].end
			continue
		}
		gap := extent{off, min(end, off+p.bytes&^(predictPage-1))}
		if i < len(p.wanted) {
			gap.end = min(gap.end, p.wanted[i].off)
		}
		if gap.end <= off || p.ranges == maxRanges {
			return
		}
		p.ranges++
		p.bytes -= gap.end - off
		p.report(off, gap.end-off)
		p.insert(i, gap)
		off = gap.end
	}
}

// extentAt returns the index of the first reported extent that ends after off. contains reports
// whether off is in it.
func (p *predictor) extentAt(off int64) (i int, contains bool) {
	i, _ = slices.BinarySearchFunc(p.wanted, off+1, func(s extent, end int64) int { return cmp.Compare(s.end, end) })
	return i, i < len(p.wanted) && p.wanted[i].off <= off
}

// insert adds s before the extent i, joined with its neighbors if they are adjacent.
func (p *predictor) insert(i int, s extent) {
	j := i
	if i > 0 && p.wanted[i-1].end == s.off {
		i--
		s.off = p.wanted[i].off
	}
	if j < len(p.wanted) && p.wanted[j].off == s.end {
		s.end = p.wanted[j].end
		j++
	}
	p.wanted = slices.Replace(p.wanted, i, j, s)
}

// wantRange is like want for a range stated by a header.
func (p *predictor) wantRange(r Range) {
	if r.Off < math.MaxInt64 {
		p.want(int64(r.Off), int64(min(r.Len, math.MaxInt64)))
	}
}

// isWanted reports whether the part of a range that is within the file was reported.
func (p *predictor) isWanted(off, n int64) bool {
	n = p.r.clip(off, n)
	i, known := p.extentAt(off)
	return n > 0 && known && off+n <= p.wanted[i].end
}

// hold reads a range that was reported. It returns nil for any other range.
func (p *predictor) hold(r Range) []byte {
	if p.err != nil || r.Off >= math.MaxInt64 || r.Len >= math.MaxInt64 || !p.isWanted(int64(r.Off), int64(r.Len)) {
		return nil
	}
	b, err := p.r.hold(int64(r.Off), int64(r.Len))
	p.err = err
	return b
}

// page is like hold for one page.
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
