package dump

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// ID is the name of a dump in a corpus: the hash that the original Thoth gives it.
type ID [16]byte

// ParseID reads an ID in the form that String prints: exactly 32 lower-case
// hexadecimal digits.
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

// MarshalText and UnmarshalText make an ID a string in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText takes what ParseID takes.
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

// Info is what a dump file says about itself. A zero value means that the dump
// does not say.
type Info struct {
	Format  string // shown to people: "ELF core", "illumos vmdump", "kdump", …
	OS      string // "linux", "illumos", "freebsd", "netbsd", "openbsd", "hubris"; "" unknown
	Machine string // as uname -m has it: "x86_64", "aarch64", "i386", …
	Type    Type
	ID      ID   // Thoth's hash
	AlsoIDs []ID // of a crash dump: the names that other versions of the original give it

	PID    int
	HasPID bool // PID is meant, even when it is 0
	Cmd    string
	Psargs string // trailing blanks trimmed
	Signal int    // 0: none

	Threads  []Thread // in the order of the dump; the one that died first where the format says so
	Node     string
	Platform string
	Time     time.Time // UTC

	Executable string // path recorded in the dump
	BuildID    string // of the executable, hexadecimal
	Modules    []Module

	Size   int64 // bytes the file has
	Needed int64 // bytes that a whole file has at least, as its headers tell
	Exact  bool  // a whole file has no more than Needed bytes

	// Properties are further facts worth a property of the document:
	// panicstring, uuid, fm_panic, zonename, …
	Properties map[string]string

	// ELF is the parsed header of an ELF dump, nil for other formats: where
	// everything in the file is. It is shared; do not change it.
	ELF *ELF

	fault Fault // as NT_SIGINFO has it; of Signal 0 without one
}

// Truncated reports whether the file ends before the end that its headers, tables or last
// block imply.
func (i *Info) Truncated() bool { return i.Size < i.Needed }

// Thread is one thread of a process, or one processor of a kernel dump.
type Thread struct {
	TID    int
	Signal int // 0: none
	PC, SP uint64
	TLS    uint64 // thread pointer; 0 where the dump does not have it
	Name   string
}

// Module is one file that was mapped.
type Module struct {
	Path       string
	Start, End uint64 // addresses: the whole range that its mappings cover
	BuildID    string // hexadecimal, "" when its first page was not dumped
}

// ErrDamaged is a file that is a dump by its first bytes but cannot be read as
// one: Thoth gives it no hash either.
var ErrDamaged = errors.New("damaged dump")

// Inspect reads what a dump says about itself. It reads headers, notes and, for
// build-ids, one page of each module: few and large reads, since r may be remote.
//
// The error is an *UnsupportedError for a file that is no dump, or one of a kind
// that is not taken; matches ErrDamaged for a dump that has no hash; or is what r
// returned.
func Inspect(r io.ReaderAt, size int64) (*Info, error) {
	s, err := newSource(r, size)
	if err != nil {
		return nil, err
	}
	head := s.head(crashHeaderSize)
	if e, ok := parseEhdr(head); ok {
		return inspectELF(s, e)
	}
	switch {
	case isCrash(head):
		return inspectCrash(s)
	case isKdump(head):
		return inspectKdump(s)
	}
	return nil, unsupported(head)
}

// Hash computes Thoth's hash from headers and notes alone. Errors are as for Inspect.
func Hash(r io.ReaderAt, size int64) (ID, error) {
	s, err := newSource(r, size)
	if err != nil {
		return ID{}, err
	}
	head := s.head(crashHeaderSize)
	if e, ok := parseEhdr(head); ok {
		if err := e.checkCore(); err != nil {
			return ID{}, err
		}
		return hashELF(s, e)
	}
	switch {
	case isCrash(head):
		h := newCrashHeader(head)
		if err := h.check(); err != nil {
			return ID{}, err
		}
		id, _ := h.ids()
		return id, nil
	case isKdump(head):
		k, err := readKdump(s)
		if err != nil {
			return ID{}, err
		}
		return k.id(), nil
	}
	return ID{}, unsupported(head)
}
