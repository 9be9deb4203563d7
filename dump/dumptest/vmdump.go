package dumptest

import "encoding/binary"

// Vmdump returns a compressed illumos crash dump, as savecore copies it from the dump device:
// header, symbols, tables, the given number of bytes of data, padding to 64 KiB, and a block of
// that size that starts with the header again.
func Vmdump(node string, data int) []byte {
	const align, tables, header = 64 << 10, 12 << 10, 1912
	order := binary.LittleEndian
	b := make([]byte, tables, tables+data+2*align)
	for off, v := range map[int]uint32{0: 0xdefec8ed, 4: 10, 8: 0xb | 1<<16, 12: 64} { // valid, complete, compressed
		order.PutUint32(b[off:], v)
	}
	for off, v := range map[int]uint64{
		24: 4096, 32: 8192, 40: 8192 + 2048, 48: tables, // symbols, page frames, map, data
		1800: 1400000000, 1808: 12, 1816: 4096, 1840: 256, 1848: 8192, 1856: 4096,
	} {
		order.PutUint64(b[off:], v)
	}
	for i, s := range []string{"SunOS", node, "5.11", "joyent_20130418T192128Z", "i86pc"} {
		copy(b[56+257*i:], s)
	}
	copy(b[1598:], "BAD TRAP: type=e (#pf Page fault)")
	for i := range data {
		b = append(b, byte(i*i>>8)|1)
	}
	b = append(b, make([]byte, align-len(b)%align)...)
	last := make([]byte, align)
	copy(last, b[:header])
	copy(last[header:], "rhdd")
	return append(b, last...)
}
