package dump

import (
	"math"
	"strconv"
)

// nodeStyle is how a version of Node prints an object (util.inspect). The original names
// a crash dump by the MD5 of its header as Node prints it.
type nodeStyle struct {
	open, sep, end       string // of the header
	subOpen, subSep, sub string // of dump_utsname in it
	bytes                int    // how many bytes of a Buffer are printed
	more                 string // printed behind them if there are more
	count                string // printed behind the number of the others; "": no number
	negativeZero         string
}

// The styles that releases of the original met. Node 10 and 11 have two more.
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

// nodeInspect returns the header as Node prints it, in the order of the structure.
func (h crashHeader) nodeInspect(style nodeStyle) []byte {
	w := nodeWriter{style: style, h: h, b: make([]byte, 0, 4096)}
	w.b = append(w.b, style.open...)
	w.words("dump_magic", "dump_version", "dump_flags", "dump_wordsize")
	w.longs("dump_start", "dump_ksyms", "dump_pfn", "dump_map", "dump_data")
	w.utsname()
	w.buffer("dump_platform", utsnameField)
	w.buffer("dump_panicstring", 202)
	w.signed("dump_crashtime", "dump_pageshift", "dump_pagesize", "dump_hashmask", "dump_nvtop")
	w.longs("dump_npages", "dump_ksyms_size", "dump_ksyms_csize")
	w.words("dump_fm_panic")
	w.buffer("dump_uuid", 37)
	return append(w.b, style.end...)
}

// nodeWriter prints one field after the other.
type nodeWriter struct {
	style nodeStyle
	h     crashHeader
	b     []byte
	off   int // of the next field in the header
}

// key begins a field, with a separator unless it is the first.
func (w *nodeWriter) key(name string) {
	if w.off > 0 {
		w.b = append(w.b, w.style.sep...)
	}
	w.b = append(append(w.b, name...), ": "...)
}

func (w *nodeWriter) words(names ...string) {
	for _, name := range names {
		w.key(name)
		w.b = strconv.AppendUint(w.b, uint64(w.h.u32(w.off)), 10)
		w.off += 4
	}
}

// longs prints unsigned 64-bit fields, each as its two halves.
func (w *nodeWriter) longs(names ...string) {
	for _, name := range names {
		w.key(name)
		v := w.h.u64(w.off)
		w.pair(strconv.FormatUint(v>>32, 10), strconv.FormatUint(v&math.MaxUint32, 10))
		w.off += 8
	}
}

// signed prints signed 64-bit fields. Node's ctype library splits a negative number into
// two negative halves and complements the high one: -5 is [ -0, -5 ].
func (w *nodeWriter) signed(names ...string) {
	for _, name := range names {
		w.key(name)
		v := w.h.u64(w.off)
		w.off += 8
		if int64(v) >= 0 {
			w.pair(strconv.FormatUint(v>>32, 10), strconv.FormatUint(v&math.MaxUint32, 10))
			continue
		}
		hi, lo := int64(v>>32)-math.MaxUint32, int64(v&math.MaxUint32)-(1<<32)
		if lo == -(1 << 32) {
			hi, lo = hi-1, 0
		}
		high := strconv.FormatInt(hi, 10)
		if hi == 0 {
			high = w.style.negativeZero
		}
		w.pair(high, strconv.FormatInt(lo, 10))
	}
}

func (w *nodeWriter) pair(hi, lo string) {
	w.b = append(append(append(append(append(w.b, "[ "...), hi...), ", "...), lo...), " ]"...)
}

func (w *nodeWriter) buffer(name string, n int) {
	w.key(name)
	w.hex(n)
}

// hex prints the next n bytes as a Buffer.
func (w *nodeWriter) hex(n int) {
	const digits = "0123456789abcdef"
	w.b = append(w.b, "<Buffer"...)
	for _, c := range w.h.at(w.off, min(n, w.style.bytes)) {
		w.b = append(w.b, ' ', digits[c>>4], digits[c&15])
	}
	if n > w.style.bytes {
		w.b = append(w.b, w.style.more...)
		if w.style.count != "" {
			w.b = strconv.AppendInt(w.b, int64(n-w.style.bytes), 10)
			w.b = append(w.b, w.style.count...)
		}
	}
	w.b = append(w.b, '>')
	w.off += n
}

func (w *nodeWriter) utsname() {
	w.key("dump_utsname")
	w.b = append(w.b, w.style.subOpen...)
	for i, name := range []string{"sysname", "nodename", "release", "version", "machine"} {
		if i > 0 {
			w.b = append(w.b, w.style.subSep...)
		}
		w.b = append(append(w.b, name...), ": "...)
		w.hex(utsnameField)
	}
	w.b = append(w.b, w.style.sub...)
}
