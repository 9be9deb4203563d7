package dump

import (
	"fmt"
	"math"
	"strings"
)

// nodeStyle describes how a version of Node prints an object (util.inspect). The original
// identifies a crash dump by the MD5 of its header as printed by Node.
type nodeStyle struct {
	open, sep, end       string // before, between and after the fields of the header
	subOpen, subSep, sub string // the same for dump_utsname
	bytes                int    // maximum number of bytes printed of a Buffer
	more                 string // printed after them if there are more
	count                string // printed after the number of remaining bytes; "" means that the number is not printed
	negativeZero         string
}

// The styles of the Node versions used by releases of the original. Node 10 and 11 have two more.
var (
	node010 = nodeStyle{ // 0.8 and 0.10
		"{ ", ",\n  ", " }", "\n   { ", ",\n     ", " }", 51, " ...", "", "0",
	}
	node8 = nodeStyle{ // 0.12 to 9
		"{ ", ",\n  ", " }", "\n   { ", ",\n     ", " }", 50, " ... ", "", "-0",
	}
	node12 = nodeStyle{ // 12 and later
		"{\n  ", ",\n  ", "\n}", "{\n    ", ",\n    ", "\n  }", 50, " ... ", " more bytes", "-0",
	}
)

// nodeInspect returns the header as printed by Node, with fields in the order of the structure.
func (h crashHeader) nodeInspect(style nodeStyle) []byte {
	w := nodeWriter{nodeStyle: style, h: h, b: []byte(style.open)}
	w.words("dump_magic", "dump_version", "dump_flags", "dump_wordsize")
	w.longs(false, "dump_start", "dump_ksyms", "dump_pfn", "dump_map", "dump_data")
	w.utsname()
	w.field("dump_platform", w.buffer(w.off, utsnameField), utsnameField)
	w.field("dump_panicstring", w.buffer(w.off, 202), 202)
	w.longs(true, "dump_crashtime", "dump_pageshift", "dump_pagesize", "dump_hashmask", "dump_nvtop")
	w.longs(false, "dump_npages", "dump_ksyms_size", "dump_ksyms_csize")
	w.words("dump_fm_panic")
	w.field("dump_uuid", w.buffer(w.off, 37), 37)
	return append(w.b, style.end...)
}

// nodeWriter prints fields one after another.
type nodeWriter struct {
	nodeStyle
	h   crashHeader
	b   []byte
	off int // offset of the next field in the header
}

// field prints a field that is size bytes long.
func (w *nodeWriter) field(name, text string, size int) {
	if w.off > 0 {
		w.b = append(w.b, w.sep...)
	}
	w.b = fmt.Appendf(w.b, "%s: %s", name, text)
	w.off += size
}

// words prints unsigned 32-bit fields.
func (w *nodeWriter) words(names ...string) {
	for _, name := range names {
		w.field(name, fmt.Sprint(w.h.u32(w.off)), 4)
	}
}

// longs prints 64-bit fields, each as two halves. Node's ctype library splits a negative number
// into two negative halves and complements the high one: -5 becomes [ -0, -5 ].
func (w *nodeWriter) longs(signed bool, names ...string) {
	for _, name := range names {
		v := w.h.u64(w.off)
		hi, lo := int64(v>>32), int64(v&math.MaxUint32)
		high := fmt.Sprint(hi)
		if signed && int64(v) < 0 {
			if hi, lo = hi-math.MaxUint32, lo-(1<<32); lo == -(1 << 32) {
				hi, lo = hi-1, 0
			}
			if high = fmt.Sprint(hi); hi == 0 {
				high = w.negativeZero
			}
		}
		w.field(name, fmt.Sprintf("[ %s, %d ]", high, lo), 8)
	}
}

// buffer formats n bytes at off as a Buffer.
func (w *nodeWriter) buffer(off, n int) string {
	text := fmt.Sprintf("<Buffer % x", w.h.at(off, min(n, w.bytes)))
	if n > w.bytes {
		text += w.more
		if w.count != "" {
			text += fmt.Sprint(n-w.bytes) + w.count
		}
	}
	return text + ">"
}

func (w *nodeWriter) utsname() {
	var fields []string
	for i, name := range []string{"sysname", "nodename", "release", "version", "machine"} {
		fields = append(fields, name+": "+w.buffer(w.off+i*utsnameField, utsnameField))
	}
	w.field("dump_utsname", w.subOpen+strings.Join(fields, w.subSep)+w.sub, 5*utsnameField)
}
