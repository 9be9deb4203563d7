package dump

import (
	"math"
	"strconv"
)

// inspectStyle is how a version of Node prints an object (util.inspect): the
// original names a crash dump by the MD5 of what Node prints of its header.
type inspectStyle struct {
	open, sep, end       string // of the header
	subOpen, subSep, sub string // of dump_utsname in it
	bytes                int    // how many of a Buffer are printed
	more                 string // after them when there are more
	count                string // follows the number of those left out, if not ""
	negativeZero         string
}

// Three texts are told apart; Node 10 and 11 print two more, which no release of
// the original ran on.
var (
	node010 = inspectStyle{ // 0.8 and 0.10
		"{ ", ",\n  ", " }", "\n   { ", ",\n     ", " }", 51, " ...", "", "0",
	}
	node8 = inspectStyle{ // 0.12 to 9
		"{ ", ",\n  ", " }", "\n   { ", ",\n     ", " }", 50, " ... ", "", "-0",
	}
	node12 = inspectStyle{ // 12 and later
		"{\n  ", ",\n  ", "\n}", "{\n    ", ",\n    ", "\n  }", 50, " ... ", " more bytes", "-0",
	}
)

// inspectText is what Node prints of the header, in the order of the structure.
func (h crashHeader) inspectText(style inspectStyle) []byte {
	w := inspectWriter{style: style, h: h, b: make([]byte, 0, 4096)}
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

// inspectWriter prints one field after the other.
type inspectWriter struct {
	style inspectStyle
	h     crashHeader
	b     []byte
	off   int // of the next field in the header
}

// key begins a field. Nothing separates the first.
func (w *inspectWriter) key(name string) {
	if w.off > 0 {
		w.b = append(w.b, w.style.sep...)
	}
	w.b = append(append(w.b, name...), ": "...)
}

func (w *inspectWriter) words(names ...string) {
	for _, name := range names {
		w.key(name)
		w.b = strconv.AppendUint(w.b, uint64(w.h.u32(w.off)), 10)
		w.off += 4
	}
}

// longs prints unsigned 64-bit fields, each as its two halves.
func (w *inspectWriter) longs(names ...string) {
	for _, name := range names {
		w.key(name)
		v := w.h.u64(w.off)
		w.pair(strconv.FormatUint(v>>32, 10), strconv.FormatUint(v&math.MaxUint32, 10))
		w.off += 8
	}
}

// signed prints signed 64-bit fields. Of a negative number the ctype library of
// Node makes two negative halves, of which the high one is complemented: -5 is
// [ -0, -5 ].
func (w *inspectWriter) signed(names ...string) {
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

func (w *inspectWriter) pair(hi, lo string) {
	w.b = append(append(append(append(append(w.b, "[ "...), hi...), ", "...), lo...), " ]"...)
}

func (w *inspectWriter) buffer(name string, n int) {
	w.key(name)
	w.hex(n)
}

// hex prints the next n bytes as a Buffer.
func (w *inspectWriter) hex(n int) {
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

func (w *inspectWriter) utsname() {
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
