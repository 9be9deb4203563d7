package vmcore

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Facts is what a dump says about its kernel. What it does not say is zero.
type Facts struct {
	Release, Version, Machine string // as printed by uname -r, -v and -m
	Node                      string // as printed by uname -n
	CPUs                      int
	Panic                     string        // why it panicked: the kernel's message
	Stack                     []string      // where, innermost frame first, in the form of info.json
	Uptime                    time.Duration // between boot and panic
	CrashTime                 time.Time
	BuildID                   string
	KASLR                     uint64 // offset of the kernel from the address that it was linked for
	HasKASLR                  bool
	DumpLevel                 int // which pages makedumpfile left out (-d)
	HasDumpLevel              bool
}

// Facts reads what VMCOREINFO, the kernel's memory and its log say. It leaves out what is not in the
// dump, or is damaged. An error is one of the io.ReaderAt.
func (k *Kernel) Facts() (Facts, error) {
	f := Facts{Release: k.Info["OSRELEASE"], Machine: k.Machine, BuildID: k.Info["BUILD-ID"]}
	f.KASLR, f.HasKASLR = k.Info.hex("KERNELOFFSET")
	if sec, err := strconv.ParseInt(k.Info["CRASHTIME"], 10, 64); err == nil && sec > 0 && sec < 1<<38 {
		f.CrashTime = time.Unix(sec, 0).UTC()
	}
	uts, err := k.uts()
	if err != nil && !errors.Is(err, ErrAbsent) {
		return f, err
	}
	if err == nil {
		f.Node, f.Version = uts[1], uts[3]
		if f.Release == "" {
			f.Release = uts[2]
		}
		if uts[4] != "" {
			f.Machine = uts[4]
		}
	}
	records, err := k.records()
	if err != nil && !errors.Is(err, ErrAbsent) {
		return f, err
	}
	if d, ok := findDeath(linesOf(records)); ok {
		f.Panic, f.Stack = d.panic, d.stack
		f.Uptime = time.Duration(min(d.nanos, 1<<62))
	}
	return f, nil
}

// uts reads the strings of init_uts_ns: sysname, nodename, release, version and machine.
func (k *Kernel) uts() (uts [5]string, err error) {
	const field = 65          // struct new_utsname
	offsets := []int{4, 0, 8} // newer kernels state it
	addr, ok := k.Info.symbol("init_uts_ns")
	if !ok {
		return uts, ErrAbsent
	}
	if offset, ok := k.Info.offset("uts_namespace.name"); ok {
		offsets = []int{offset}
	}
	for _, offset := range offsets {
		b, err := k.bytes(addr+uint64(offset), len(uts)*field)
		if err != nil {
			return uts, err
		}
		for i := range uts {
			text, _, _ := bytes.Cut(b[i*field:(i+1)*field], []byte{0})
			uts[i] = strings.ToValidUTF8(string(text), "\uFFFD")
		}
		if uts[0] == "Linux" {
			return uts, nil
		}
	}
	return uts, ErrAbsent
}
