// Command reducedump writes a small copy of a Linux kernel dump for tests: headers, notes, and the
// memory that package dump reads, compressed with zstd. Addresses and contents stay as they are.
//
//	go run ./scripts/reducedump DUMP SMALL.zst
//
// DUMP is an ELF or KDUMP file of a 64-bit little-endian machine.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"

	"thothfs/dump"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: reducedump DUMP SMALL.zst")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "reducedump:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	traced := &tracer{r: f}
	info, err := dump.Inspect(traced, fi.Size())
	if err != nil {
		return err
	}
	traced.reads = nil // what is read for the hash is kept anyway
	if _, err := dump.Inspect(traced, fi.Size()); err != nil {
		return err
	}
	if _, err := dump.KernelLog(traced, fi.Size()); err != nil {
		return err
	}
	var small []byte
	switch {
	case info.ELF != nil:
		small, err = reduceELF(f, info.ELF, traced.reads)
	case info.Format == "kdump":
		small, err = reduceKdump(f, traced.reads)
	default:
		err = errors.New("neither ELF nor KDUMP")
	}
	if err != nil {
		return err
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	return os.WriteFile(to, w.EncodeAll(small, nil), 0o644)
}

// tracer records the ranges that are read.
type tracer struct {
	r     io.ReaderAt
	reads []dump.Range
}

func (t *tracer) ReadAt(p []byte, off int64) (int, error) {
	t.reads = append(t.reads, dump.Range{Off: uint64(off), Len: uint64(len(p))})
	return t.r.ReadAt(p, off)
}

const page = 4096

// pages returns the numbers of the pages of a segment that were read.
func pages(s dump.Segment, reads []dump.Range) []uint64 {
	const firstRead = 128 << 10 // of every dump, whatever is there
	var all []uint64
	for _, r := range reads {
		first, end := max(r.Off, s.Offset), min(r.Off+r.Len, s.Offset+s.Filesz)
		if first >= end || r.Off == 0 && r.Len == firstRead {
			continue
		}
		for n := (first - s.Offset) / page; n <= (end-1-s.Offset)/page; n++ {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func reduceELF(f io.ReaderAt, e *dump.ELF, reads []dump.Range) ([]byte, error) {
	var notes []byte
	var loads []dump.Segment
	for _, s := range e.Segments {
		switch s.Type {
		case dump.SegmentNote:
			b := make([]byte, s.Filesz)
			if _, err := f.ReadAt(b, int64(s.Offset)); err != nil {
				return nil, err
			}
			notes = append(notes, b...)
		case dump.SegmentLoad:
			for _, n := range pages(s, reads) {
				d := n * page
				if last := len(loads) - 1; last >= 0 && loads[last].Offset+loads[last].Filesz == s.Offset+d && loads[last].Paddr+loads[last].Filesz == s.Paddr+d {
					loads[last].Filesz += min(page, s.Filesz-d)
					continue
				}
				loads = append(loads, dump.Segment{Vaddr: s.Vaddr + d, Paddr: s.Paddr + d, Offset: s.Offset + d, Filesz: min(page, s.Filesz-d)})
			}
		}
	}
	order := binary.LittleEndian
	out := make([]byte, 64+56*(1+len(loads)))
	copy(out, "\x7fELF\x02\x01\x01")
	order.PutUint16(out[16:], 4) // ET_CORE
	order.PutUint16(out[18:], uint16(e.Machine))
	order.PutUint32(out[20:], 1)
	order.PutUint64(out[32:], 64)
	order.PutUint16(out[52:], 64)
	order.PutUint16(out[54:], 56)
	order.PutUint16(out[56:], uint16(1+len(loads)))
	put := func(i int, kind uint32, s dump.Segment) {
		h := out[64+56*i:]
		order.PutUint32(h, kind)
		for j, v := range []uint64{s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Filesz} {
			order.PutUint64(h[8+8*j:], v)
		}
	}
	put(0, dump.SegmentNote, dump.Segment{Offset: uint64(len(out)), Filesz: uint64(len(notes))})
	at := uint64(len(out) + len(notes))
	data := notes
	for i, s := range loads {
		b := make([]byte, s.Filesz)
		if _, err := f.ReadAt(b, int64(s.Offset)); err != nil {
			return nil, err
		}
		s.Offset = at
		put(1+i, dump.SegmentLoad, s)
		data, at = append(data, b...), at+s.Filesz
	}
	return append(out, data...), nil
}

// reduceKdump keeps the pages whose descriptors were read one by one.
func reduceKdump(f io.ReaderAt, reads []dump.Range) ([]byte, error) {
	const desc = 24
	order := binary.LittleEndian
	head := make([]byte, 464)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	block, sub, bitmap := uint64(order.Uint32(head[428:])), uint64(order.Uint32(head[432:])), uint64(order.Uint32(head[436:]))
	table := (1 + sub + bitmap) * block
	out := make([]byte, table)
	if _, err := f.ReadAt(out, 0); err != nil {
		return nil, err
	}
	want := map[uint64]bool{} // index of a descriptor
	for _, r := range reads {
		if r.Len == desc && r.Off >= table && (r.Off-table)%desc == 0 {
			want[(r.Off-table)/desc] = true
		}
	}
	second := out[(1+sub)*block+bitmap/2*block : table]
	var descs [][]byte
	index := uint64(0)
	for i := range second {
		for bit := range 8 {
			if second[i]>>bit&1 == 0 {
				continue
			}
			if !want[index] {
				second[i] &^= 1 << bit
			} else {
				d := make([]byte, desc)
				if _, err := f.ReadAt(d, int64(table+index*desc)); err != nil {
					return nil, err
				}
				descs = append(descs, d)
			}
			index++
		}
	}
	at := table + uint64(len(descs))*desc
	var data []byte
	for _, d := range descs {
		b := make([]byte, order.Uint32(d[8:]))
		if _, err := f.ReadAt(b, int64(order.Uint64(d))); err != nil {
			return nil, err
		}
		order.PutUint64(d, at+uint64(len(data)))
		out, data = append(out, d...), append(data, b...)
	}
	return append(out, data...), nil
}
