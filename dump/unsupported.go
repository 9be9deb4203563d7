package dump

import (
	"encoding/binary"
	"strings"
)

// UnsupportedError says that a file is no dump that can be taken into a corpus.
type UnsupportedError struct {
	Format string // its name, "" when it is no dump at all
	Hint   string // what to do about it, "" when nothing helps
}

func (e *UnsupportedError) Error() string {
	s := "not a core or crash dump"
	if e.Format != "" {
		s = e.Format + " is not supported"
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// strangers are the files that are known but not taken, by their first bytes.
var strangers = []struct{ prefix, format, hint string }{
	{flattenedMagic, "flattened kdump", "rearrange it with makedumpfile -R DUMP < FILE"},
	{"minidump FreeBSD/", "FreeBSD minidump", "only full dumps are taken (sysctl debug.minidump=0)"},
	{"MDMP", "minidump", "minidump-2-core makes a core of one that Breakpad wrote on Linux"},
	{"PAGEDUMP", "Windows crash dump", ""},
	{"PAGEDU64", "Windows crash dump", ""},
	{"ProblemType:", "apport report", "extract CoreDump with apport-unpack FILE DIR"},
	{"\xde\xfe\xc8\xed", "big-endian illumos crash dump", ""},
	{elfMagic, "ELF file of unknown class or byte order", ""},
}

// unsupported says what a file that begins with head is.
func unsupported(head []byte) error {
	for _, s := range strangers {
		if strings.HasPrefix(string(head[:min(len(head), 32)]), s.prefix) {
			return &UnsupportedError{s.format, s.hint}
		}
	}
	if isMachO(head) {
		return &UnsupportedError{Format: "Mach-O core"}
	}
	if kind := Compression(head); kind != "" {
		return &UnsupportedError{kind + " file", "unpack it first"}
	}
	return &UnsupportedError{}
}

// isMachO tells whether head is that of a Mach-O file of type MH_CORE
// (mach-o/loader.h), of either width and order.
func isMachO(head []byte) bool {
	if len(head) < 16 {
		return false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if magic := order.Uint32(head); magic == 0xfeedface || magic == 0xfeedfacf {
			return order.Uint32(head[12:]) == 4
		}
	}
	return false
}
