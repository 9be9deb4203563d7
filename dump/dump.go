package dump

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ID is the name of a dump in a corpus: its hash by the rules of the original Thoth.
type ID [16]byte

// ParseID parses the result of String: exactly 32 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("%q is not a dump's hash: want 32 hexadecimal digits", s)
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ID{}, fmt.Errorf("%q is not a dump's hash: want digits and a to f only", s)
		}
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

// String returns all 32 digits.
func (id ID) String() string {
	var digits [2 * len(id)]byte // one allocation: a listing makes a million of these
	hex.Encode(digits[:], id[:])
	return string(digits[:])
}

// Short returns the first 16 digits, as listings print them.
func (id ID) Short() string { return hex.EncodeToString(id[:8]) }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID for encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// Type is the kind of dump, as info.json and specifications spell it.
type Type string

// The two kinds of dump.
const (
	Core  Type = "core"  // of a process
	Crash Type = "crash" // of a kernel
)

// Info is what a dump file says about itself. Fields that it does not state are zero.
type Info struct {
	Format  string // shown to people: "ELF core", "illumos vmdump", "kdump", …
	OS      string // "linux", "illumos", "freebsd", "netbsd", "openbsd", "hubris"; "" unknown
	Machine string // as uname -m has it: "x86_64", "aarch64", "i386", …
	Type    Type
	ID      ID   // Thoth's hash
	AlsoIDs []ID // the names that other versions of the original give a crash dump

	PID    int
	HasPID bool // PID is known, and may be 0
	Cmd    string
	Psargs string // without trailing blanks
	Signal int    // 0: none

	Threads  []Thread // in the order of the dump; most formats begin with the one that died
	Node     string
	Platform string
	Time     time.Time // UTC

	Executable string // path recorded in the dump
	BuildID    string // of the executable, hexadecimal
	Modules    []Module

	Size   int64 // bytes the file has
	Needed int64 // bytes that a whole file has at least, by its headers
	Exact  bool  // a whole file has exactly Needed bytes

	// Properties are further facts that become properties of the document: panicstring,
	// uuid, fm_panic, zonename, …
	Properties map[string]string

	// ELF is the header of an ELF dump, nil for other formats. It is shared: do not
	// change it.
	ELF *ELF

	fault Fault // from NT_SIGINFO; Signal is 0 without one
}

// Truncated reports whether the file is shorter than its headers, tables or last block
// imply.
func (i *Info) Truncated() bool { return i.Size < i.Needed }

// Thread is a thread of a process, or a processor in the dump of a kernel.
type Thread struct {
	TID    int
	Signal int // 0: none
	PC, SP uint64
	TLS    uint64 // thread pointer; 0: unknown
	Name   string
}

// Module is a mapped file.
type Module struct {
	Path       string
	Start, End uint64 // of the whole range that its mappings cover
	BuildID    string // hexadecimal; "": its first page was not dumped, or has none
}

// ErrDamaged is the error for a file that begins as a dump and cannot be read as one. The
// original gives it no hash either.
var ErrDamaged = errors.New("damaged dump")
