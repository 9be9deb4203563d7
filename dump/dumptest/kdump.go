// Package dumptest creates small kernel dumps for tests, in the formats of makedumpfile, QEMU and
// savecore. The same arguments always create the same dump.
package dumptest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"math/rand/v2"
)

// Kdump describes a compressed dump of a Linux kernel. The zero value is the smallest dump.
type Kdump struct {
	Order binary.ByteOrder // nil means little-endian
	Word  int              // size of a long in bytes; 0 means 8
	Node  string           // "" as in QEMU's dumps

	Pages    int  // pages with content
	Zeros    int  // pages of zeros after the others
	KeepZero bool // each page of zeros has its own data; by default all share one page placed before the others

	Erased      string    // eraseinfo of makedumpfile --config, at the end
	Split       [2]uint64 // range of page frames, if the dump is a part
	Incomplete  bool      // set if makedumpfile ran out of space
	Microsecond uint64    // microseconds of the time
}

const (
	blockSize = 4096
	descSize  = 24
)

// Build returns the file.
func (k Kdump) Build() []byte {
	if k.Order == nil {
		k.Order = binary.LittleEndian
	}
	if k.Word == 0 {
		k.Word = 8
	}
	count := k.Pages + k.Zeros
	bitmap := (count/8)/blockSize + 1 // blocks of each bitmap
	b := k.headers(2 * bitmap)
	for range 2 { // existing pages, then dumped pages
		m := make([]byte, bitmap*blockSize)
		for i := range count {
			m[i/8] |= 1 << (i % 8)
		}
		b = append(b, m...)
	}
	b = k.pages(b)
	if k.Erased != "" {
		if k.Word == 8 {
			k.long(b[blockSize+64:], uint64(len(b)))
			k.long(b[blockSize+72:], uint64(len(k.Erased)))
		}
		b = append(b, k.Erased...)
	}
	return b
}

// headers returns struct disk_dump_header and struct kdump_sub_header.
func (k Kdump) headers(bitmaps int) []byte {
	b := make([]byte, 2*blockSize)
	copy(b, "KDUMP   ")
	k.Order.PutUint32(b[8:], 6)
	for i, s := range []string{"Linux", k.Node, "6.1.0", "#1 SMP", "x86_64", "(none)"} {
		copy(b[12+65*i:], s)
	}
	at, status := 408, 424
	if k.Word == 4 {
		at, status = 404, 412
	}
	k.long(b[at:], 1600000000)
	k.long(b[at+k.Word:], k.Microsecond)
	flags := uint32(1) // zlib
	if k.Incomplete {
		flags |= 8
	}
	for i, v := range []uint32{flags, blockSize, 1, uint32(bitmaps)} {
		k.Order.PutUint32(b[status+4*i:], v)
	}
	sub := b[blockSize:]
	if k.Split != [2]uint64{} {
		k.Order.PutUint32(sub[k.Word+4:], 1)
		k.long(sub[k.Word+8:], k.Split[0])
		k.long(sub[2*k.Word+8:], k.Split[1])
		if k.Word == 8 {
			k.long(sub[80:], k.Split[0])
			k.long(sub[88:], k.Split[1])
		}
	}
	return b
}

// pages appends page descriptors and page data.
func (k Kdump) pages(b []byte) []byte {
	table := len(b)
	b = append(b, make([]byte, (k.Pages+k.Zeros)*descSize)...)
	desc := func(i, off, size int, flags uint32) {
		d := b[table+i*descSize:]
		k.Order.PutUint64(d, uint64(off))
		k.Order.PutUint32(d[8:], uint32(size))
		k.Order.PutUint32(d[12:], flags)
	}
	zero := len(b)
	if k.Zeros > 0 && !k.KeepZero {
		b = append(b, make([]byte, blockSize)...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range k.Pages {
		page := bytes.Repeat([]byte{byte(i), byte(random.Uint32())}, blockSize/2)
		for range 40 {
			page[random.IntN(blockSize)] = byte(random.Uint32())
		}
		var packed bytes.Buffer
		w := zlib.NewWriter(&packed)
		w.Write(page)
		w.Close()
		desc(i, len(b), packed.Len(), 1)
		b = append(b, packed.Bytes()...)
	}
	for i := range k.Zeros {
		if k.KeepZero {
			zero = len(b)
			b = append(b, make([]byte, blockSize)...)
		}
		desc(k.Pages+i, zero, blockSize, 0)
	}
	return b
}

func (k Kdump) long(b []byte, v uint64) {
	if k.Word == 8 {
		k.Order.PutUint64(b, v)
		return
	}
	k.Order.PutUint32(b, uint32(v))
}
