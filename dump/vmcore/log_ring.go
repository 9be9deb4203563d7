package vmcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	maxRingBits = 24 // descriptors; there is one for each 32 bytes of text
	maxTextBits = 31
)

// logRing is the lockless ring buffer of Linux 5.10 and later: struct printk_ringbuffer and what
// it points to (kernel/printk/printk_ringbuffer.h).
type logRing struct {
	descs, infos, data uint64 // addresses
	count              uint64 // number of descriptors, a power of two
	size               uint64 // length of data in bytes, a power of two
	head, tail         uint64 // newest and oldest ID of a descriptor

	descSize, infoSize    int
	state, begin, next    int // offsets in a descriptor
	timeOffset, lenOffset int // offsets in an info
}

// stateBits is the number of bits of an ID. The two above them are the state of the descriptor.
const stateBits = 62

// readRing reads where everything is.
func (k *Kernel) readRing() (r logRing, err error) {
	l := layout{info: k.Info}
	desc, text := l.offset("printk_ringbuffer.desc_ring"), l.offset("printk_ringbuffer.text_data_ring")
	counter, block := l.offset("atomic_long_t.counter"), l.offset("prb_desc.text_blk_lpos")
	r = logRing{
		descSize: l.size("prb_desc"), infoSize: l.size("printk_info"),
		state: l.offset("prb_desc.state_var") + counter,
		begin: block + l.offset("prb_data_blk_lpos.begin"), next: block + l.offset("prb_data_blk_lpos.next"),
		timeOffset: l.offset("printk_info.ts_nsec"), lenOffset: l.offset("printk_info.text_len"),
	}
	if l.err != nil {
		return r, l.err
	}
	if max(r.state, r.begin, r.next)+8 > r.descSize || max(r.timeOffset+8, r.lenOffset+2) > r.infoSize {
		return r, fmt.Errorf("%w: members lie outside of their structures", errLog)
	}
	prb, err := k.u64(l.symbol("prb"))
	if err != nil {
		return r, err
	}
	var failed error
	long := func(ring int, member string) uint64 {
		v, err := k.u64(prb + uint64(ring+l.offset(member)))
		if failed == nil {
			failed = err
		}
		return v
	}
	countBits, textBits := uint32(long(desc, "prb_desc_ring.count_bits")), uint32(long(text, "prb_data_ring.size_bits"))
	r.descs, r.infos, r.data = long(desc, "prb_desc_ring.descs"), long(desc, "prb_desc_ring.infos"), long(text, "prb_data_ring.data")
	r.head, r.tail = long(desc+counter, "prb_desc_ring.head_id"), long(desc+counter, "prb_desc_ring.tail_id")
	switch {
	case l.err != nil:
		return r, l.err
	case failed != nil:
		return r, failed
	case countBits > maxRingBits || textBits > maxTextBits:
		return r, fmt.Errorf("%w: rings of 2^%d records and 2^%d bytes", errLog, countBits, textBits)
	}
	r.count, r.size = 1<<countBits, 1<<textBits
	return r, nil
}

// ringChunk is the number of descriptors that are read at a time.
const ringChunk = 4096

// ringRecords reads the ring buffer.
func (k *Kernel) ringRecords() (records []record, err error) {
	r, err := k.readRing()
	if err != nil {
		return nil, err
	}
	n := (r.head-r.tail)&(1<<stateBits-1) + 1
	first := r.tail
	if n > r.count { // damaged: the newest are the likeliest to be valid
		n, first = r.count, r.head-r.count+1
	}
	text := &textReader{k: k, base: r.data, size: r.size}
	for n > 0 {
		at := first & (r.count - 1)
		some := min(n, r.count-at, ringChunk)
		if err := k.ringPiece(r, text, first, int(some), &records); err != nil {
			return records, err
		}
		first, n = first+some, n-some
	}
	return records, nil
}

// ringPiece appends the records of n descriptors that lie one after another.
func (k *Kernel) ringPiece(r logRing, text *textReader, first uint64, n int, records *[]record) error {
	at := first & (r.count - 1)
	descs, err := k.bytes(r.descs+at*uint64(r.descSize), n*r.descSize)
	if err != nil {
		return err
	}
	infos, err := k.bytes(r.infos+at*uint64(r.infoSize), n*r.infoSize)
	if err != nil {
		return err
	}
	order := binary.LittleEndian
	for i := range n {
		desc, info := descs[i*r.descSize:], infos[i*r.infoSize:]
		id, state := (first+uint64(i))&(1<<stateBits-1), order.Uint64(desc[r.state:])
		const committed, finalized = 1, 2
		if s := state >> stateBits; state&(1<<stateBits-1) != id || s != committed && s != finalized {
			continue
		}
		begin, next := order.Uint64(desc[r.begin:])&(r.size-1), order.Uint64(desc[r.next:])&(r.size-1)
		if begin == next { // no text
			continue
		}
		if begin > next { // text does not wrap: it is at the start instead
			begin = 0
		}
		begin += 8 // the ID of the descriptor
		if begin > next {
			continue
		}
		length := min(uint64(order.Uint16(info[r.lenOffset:])), next-begin)
		b, err := text.read(begin, int(length))
		if err != nil {
			return err
		}
		*records = append(*records, record{nanos: order.Uint64(info[r.timeOffset:]), text: b})
	}
	return nil
}

// textReader reads the text of records, which mostly lies in ascending order.
type textReader struct {
	k          *Kernel
	base, size uint64
	start      uint64 // of held
	held       []byte
	total      int // length of all texts so far
}

// read returns a copy of n bytes at offset at.
func (t *textReader) read(at uint64, n int) ([]byte, error) {
	if t.total += n; t.total > maxLog {
		return nil, errTooMuch
	}
	if at < t.start || at+uint64(n) > t.start+uint64(len(t.held)) {
		const ahead = 64 << 10
		b, err := t.k.bytes(t.base+at, int(min(max(ahead, uint64(n)), t.size-at)))
		if errors.Is(err, ErrAbsent) { // what comes after the record
			b, err = t.k.bytes(t.base+at, n)
		}
		if err != nil {
			return nil, err
		}
		t.start, t.held = at, b
	}
	return bytes.Clone(t.held[at-t.start:][:n]), nil
}
