package vmcore

import "errors"

var errLZO = errors.New("damaged LZO data")

// unpackLZO decompresses LZO1X data into dst and returns its length. The format is described in
// Documentation/staging/lzo.rst of Linux; the extensions of LZO-RLE are not used in dumps.
func unpackLZO(dst, src []byte) (int, error) {
	d := lzo{src: src, dst: dst}
	if len(src) > 0 && src[0] > 17 { // the first instruction copies literals
		n := int(d.byte()) - 17
		d.literals(n)
		d.state = min(n, 4)
	}
	for !d.failed {
		switch done := d.instruction(); {
		case d.failed:
		case done && d.at == len(src):
			return d.out, nil
		case done:
			return d.out, errLZO
		}
	}
	return d.out, errLZO
}

// lzo is the state of a decompression.
type lzo struct {
	src, dst []byte
	at, out  int  // read from src, written to dst
	state    int  // number of literals copied by the last instruction; 4 means 4 or more
	failed   bool // the data are damaged, or dst is full
}

// instruction executes an instruction and the literals that follow it. It returns true at the end
// of the data.
func (d *lzo) instruction() (done bool) {
	op := int(d.byte())
	length, distance, literals := 0, 0, op&3
	switch {
	case op >= 64:
		length, distance = op>>5+1, int(d.byte())<<3+op>>2&7+1
	case op >= 32:
		length = d.length(op&31, 31) + 2
		distance, literals = d.distance(1)
	case op >= 16:
		length = d.length(op&7, 7) + 2
		if distance, literals = d.distance(op & 8 << 11); distance == 0 {
			return true
		}
		distance += 16384
	case d.state == 0:
		d.literals(d.length(op, 15) + 3)
		d.state = 4
		return false
	case d.state == 4:
		length, distance = 3, int(d.byte())<<2+op>>2+2049
	default:
		length, distance = 2, int(d.byte())<<2+op>>2+1
	}
	d.match(length, distance)
	d.literals(literals)
	d.state = literals
	return false
}

func (d *lzo) byte() byte {
	if d.at >= len(d.src) {
		d.failed = true
		return 0
	}
	d.at++
	return d.src[d.at-1]
}

// length returns a length whose low bits are in the instruction. If they are 0, most and the
// following bytes are added, each 0 standing for 255.
func (d *lzo) length(low, most int) int {
	if low > 0 {
		return low
	}
	low = most
	for !d.failed {
		b := int(d.byte())
		if b > 0 {
			return low + b
		}
		if low += 255; low > len(d.dst) {
			d.failed = true
		}
	}
	return 0
}

// distance reads a distance of 14 bits and a number of literals, and adds base to the distance.
func (d *lzo) distance(base int) (distance, literals int) {
	low, high := int(d.byte()), int(d.byte())
	return base + high<<6 + low>>2, low & 3
}

func (d *lzo) literals(n int) {
	if n > len(d.src)-d.at || n > len(d.dst)-d.out {
		d.failed = true
		return
	}
	copy(d.dst[d.out:], d.src[d.at:d.at+n])
	d.at, d.out = d.at+n, d.out+n
}

// match repeats what was written before. The source and the destination may overlap.
func (d *lzo) match(length, distance int) {
	if distance > d.out || length > len(d.dst)-d.out {
		d.failed = true
		return
	}
	for range length {
		d.dst[d.out] = d.dst[d.out-distance]
		d.out++
	}
}
