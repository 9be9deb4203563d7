package dump

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"strings"

	"thothfs/dump/vmcore"
)

// format is one kind of dump. A new kind needs a file with these functions and a line in formats.
type format struct {
	match   func(head []byte) bool // head has at most HeadSize bytes
	inspect func(*bufReader) (*Info, error)
	hash    func(*bufReader) (ID, error)
	predict func(*predictor) error
	kernel  func(*bufReader) (*vmcore.Kernel, error) // nil if it is never of a Linux kernel; returns nil without VMCOREINFO
}

var formats = []format{
	{isELF, inspectELF, hashELF, (*predictor).elf, elfKernel},
	{isIllumosCrash, inspectIllumosCrash, hashIllumosCrash, (*predictor).illumosCrash, nil},
	{isKdump, inspectKdump, hashKdump, (*predictor).kdump, kdumpKernel},
}

// HeadSize is the number of bytes at the start of a file used to determine its format.
const HeadSize = crashHeaderSize

// BeginsLikeDump reports whether head, HeadSize bytes or a whole smaller file, is the beginning of a
// dump in a supported format.
func BeginsLikeDump(head []byte) bool {
	for _, f := range formats {
		if f.match(head) {
			return !isELF(head) || isELFCore(head)
		}
	}
	return false
}

// isELFCore reports whether an ELF file of either byte order has the type ET_CORE.
func isELFCore(head []byte) bool {
	return len(head) >= 18 && (head[16] == byte(elf.ET_CORE) && head[17] == 0 || head[16] == 0 && head[17] == byte(elf.ET_CORE))
}

// open reads the start of a dump and determines its format.
func open(r io.ReaderAt, size int64) (*bufReader, format, error) {
	b, err := newBufReader(r, size)
	if err != nil {
		return nil, format{}, err
	}
	head := b.head(HeadSize)
	for _, f := range formats {
		if f.match(head) {
			return b, f, nil
		}
	}
	return nil, format{}, unsupported(head)
}

// Inspect returns the information that a dump contains about itself. It reads headers, notes and
// one page of each module for its build ID, in a few large reads, since r may be remote. In the dump
// of a Linux kernel, it reads the kernel's log, too.
//
// The error is an *UnsupportedError for a file that is not a dump or of an unsupported kind. It
// matches ErrDamaged for a dump that has no hash. Otherwise it is an error returned by r.
func Inspect(r io.ReaderAt, size int64) (*Info, error) {
	b, f, err := open(r, size)
	if err != nil {
		return nil, err
	}
	return f.inspect(b)
}

// Hash computes Thoth's hash from headers and notes alone. Its errors are those of Inspect.
func Hash(r io.ReaderAt, size int64) (ID, error) {
	b, f, err := open(r, size)
	if err != nil {
		return ID{}, err
	}
	return f.hash(b)
}

// UnsupportedError reports a file that is not a dump, or not one that a corpus accepts.
type UnsupportedError struct {
	Format string // name of the format; "" if it is not a dump at all
	Hint   string // what to do about it; "" if nothing can be done
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

// unsupportedFormats lists formats that are recognized but not supported, by their first bytes.
var unsupportedFormats = []struct{ prefix, format, hint string }{
	{flattenedMagic, "flattened kdump", "rearrange it with makedumpfile -R DUMP < FILE"},
	{"minidump FreeBSD/", "FreeBSD minidump", "only full dumps are taken (sysctl debug.minidump=0)"},
	{"MDMP", "minidump", "minidump-2-core makes a core of one that Breakpad wrote on Linux"},
	{"PAGEDUMP", "Windows crash dump", ""},
	{"PAGEDU64", "Windows crash dump", ""},
	{"ProblemType:", "apport report", "extract CoreDump with apport-unpack FILE DIR"},
	{"\xde\xfe\xc8\xed", "big-endian illumos crash dump", ""},
	{elfMagic, "ELF file of unknown class or byte order", ""},
}

// unsupported returns the error for a file that starts with head.
func unsupported(head []byte) error {
	for _, f := range unsupportedFormats {
		if strings.HasPrefix(string(head[:min(len(head), 32)]), f.prefix) {
			return &UnsupportedError{f.format, f.hint}
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

// isMachO reports whether head is the start of a Mach-O file of type MH_CORE (mach-o/loader.h),
// of either width and byte order.
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
