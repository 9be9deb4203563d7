package dump

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"thothfs/dump/vmcore"
)

// ID identifies a dump in a corpus. It is a hash computed in the same way as by the original
// Thoth.
type ID [16]byte

// ParseID parses the result of String: exactly 32 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("%q is not a dump's hash: expected 32 hexadecimal digits", s)
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ID{}, fmt.Errorf("%q is not a dump's hash: expected digits and a to f only", s)
		}
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

// String returns all 32 digits.
func (id ID) String() string {
	var digits [2 * len(id)]byte // a single allocation, since a listing calls String a million times
	hex.Encode(digits[:], id[:])
	return string(digits[:])
}

// Short returns the first 16 digits, as printed in listings.
func (id ID) Short() string { return hex.EncodeToString(id[:8]) }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// Type is the kind of dump, as spelled in info.json and specifications.
type Type string

// The two kinds of dump.
const (
	Core  Type = "core"  // dump of a process
	Crash Type = "crash" // dump of a kernel
)

// Info holds what a dump file contains about itself. Fields that it does not contain are zero.
type Info struct {
	Format  string // for display: "ELF core", "illumos vmdump", "kdump", …
	OS      string // "linux", "illumos", "freebsd", "netbsd", "openbsd", "hubris"; "" if unknown
	Machine string // as printed by uname -m: "x86_64", "aarch64", "i386", …
	Type    Type
	ID      ID   // Thoth's hash
	AlsoIDs []ID // hashes that other versions of the original give a crash dump

	PID    int
	HasPID bool // PID is known; it may be 0
	Cmd    string
	Psargs string // without trailing blanks
	Signal int    // 0 means none
	// PPID, UID and GID are the process's parent, user and group, as seen from its namespaces; nil
	// if unknown.
	PPID, UID, GID *int

	Threads  []Thread // in the order of the dump; most formats start with the one that died
	Node     string
	Platform string
	// Kernel is the release of the kernel. In the core of a Linux process it is only its version,
	// such as "6.1.119", from the vDSO.
	Kernel string
	Time   time.Time // UTC

	Executable string // path recorded in the dump
	BuildID    string // of the executable, in hexadecimal
	Modules    []Module

	Size   int64 // size of the file in bytes
	Needed int64 // minimum size of a complete file in bytes, according to its headers
	Exact  bool  // a complete file has exactly Needed bytes

	// Properties holds further information that becomes properties of the document:
	// panicstring, uuid, fm_panic, zonename, …
	Properties map[string]string

	// LinuxKernel is what the dump of a Linux kernel says about it; nil without VMCOREINFO.
	LinuxKernel *vmcore.Facts

	// ELF is the header of an ELF dump; nil for other formats. It is shared and must not be
	// changed.
	ELF *ELF

	fault  Fault      // from NT_SIGINFO; its Signal is 0 if there is none
	raised SignalInfo // from siginfo_t; its Number is 0 if there is none
}

// Truncated reports whether the file is shorter than implied by its headers, tables or last
// block.
func (i *Info) Truncated() bool { return i.Size < i.Needed }

// Thread is a thread of a process, or a processor in a kernel dump.
type Thread struct {
	TID    int
	Signal int // 0 means none
	PC, SP uint64
	TLS    uint64 // thread pointer; 0 if unknown
	Name   string
}

// Module is a mapped file.
type Module struct {
	Path       string
	Start, End uint64 // the whole range covered by its mappings
	BuildID    string // hexadecimal; "" if its first page was not dumped or contains none
}

// ErrDamaged is the error for a file that starts like a dump but cannot be read as one. The
// original computes no hash for it either.
var ErrDamaged = errors.New("damaged dump")
