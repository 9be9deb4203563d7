package cache

import (
	"context"
	"crypto/md5"
	"errors"
	"io"
)

var errChanged = errors.New("the cache's file was written to by somebody else meanwhile")

// audit reads the data file of o from end to end, compares each block with its record,
// and returns the MD5 of the whole with the state of the file that has it. It reads the
// file alone: what is in memory, or what a record says of zeros, proves nothing about
// the bytes that the kernel would read.
//
// Blocks that differ lose their record; the error is errEvicted then, after all of the
// file was read. It is errChanged if somebody wrote to the file meanwhile.
func (o *object) audit(ctx context.Context, p *blockFile) (sum digest, state fileState, err error) {
	before, err := p.stampAndSync(o.size)
	if err != nil {
		return sum, state, err
	}
	h, buf, lost := md5.New(), make([]byte, o.block), false
	for b := range o.blocks() {
		if err := ctx.Err(); err != nil {
			return sum, state, err
		}
		data := buf[:o.length(b)]
		a, err := p.readWhole(&o.version, b, data)
		if err != nil {
			return sum, state, err
		}
		o.c.disk.countDamage(o, b, a)
		lost = lost || a != intact
		h.Write(data)
	}
	if lost {
		return sum, state, errMissing
	}
	after, err := stateOf(p.data)
	if err == nil && !after.equal(before) {
		err = errChanged
	}
	return digest(h.Sum(nil)), after, err
}

// readWhole fills dst with block b as it is in the data file, and compares it with a
// record for the whole block. A block that differs loses its record.
func (p *blockFile) readWhole(v *version, b int64, dst []byte) (blockStatus, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.record = grow(s.record, recordSize(v.block))
	state, err := p.blockState(v, s.record, b)
	if err != nil {
		return absent, err
	}
	n, err := p.data.ReadAt(dst, b*v.block)
	if err != nil && !errors.Is(err, io.EOF) {
		return absent, err
	}
	switch {
	case state != statePresent && state != stateZero:
		return absent, nil
	case n == len(dst) && state == stateZero && isZero(dst), n == len(dst) && state == statePresent && verify(s.record, dst, 0):
		return intact, nil
	}
	return p.mismatch(v, b, s)
}
