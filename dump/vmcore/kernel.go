package vmcore

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// maxRead is the maximum number of bytes that a Kernel reads. The log of a default kernel
	// takes 0.6 MB.
	maxRead = 256 << 20
	// readCost is added for each read, since short ones take time, too.
	readCost = 256
)

var errTooMuch = fmt.Errorf("%w: structures too large, or in a circle", ErrAbsent)

// Source is the dump of a kernel.
type Source struct {
	Info     Info
	Machine  string // as printed by uname -m
	Physical Memory
	// Virtual, if not nil, is the memory of the kernel by virtual address, for what page tables
	// do not lead to.
	Virtual Memory
	// PhysBase is the phys_base of x86_64, for kernels before 4.10, whose VMCOREINFO lacks it.
	PhysBase    uint64
	HasPhysBase bool
}

// Kernel is a crashed kernel. It may be used by one goroutine at a time.
type Kernel struct {
	Source
	tables *pageTables // nil if VMCOREINFO does not lead to any
	budget int64
}

// New returns the kernel in a dump. It reads nothing yet.
func New(s Source) *Kernel {
	k := &Kernel{Source: s, budget: maxRead}
	// QEMU does not name the machine in every dump, but only aarch64 has a kimage_voffset.
	if _, arm := s.Info.number("kimage_voffset"); arm {
		k.tables = newTablesArm(s.Info)
	} else if _, ok := s.Info.number("phys_base"); ok || s.Machine == "x86_64" {
		k.tables = newTablesX86(s)
	}
	return k
}

// physical reads physical memory.
func (k *Kernel) physical(p []byte, addr uint64) error {
	if k.budget -= int64(len(p)) + readCost; k.budget < 0 {
		return errTooMuch
	}
	return k.Physical.ReadMemory(p, addr)
}

// read reads the kernel's virtual memory.
func (k *Kernel) read(p []byte, addr uint64) error {
	for at := 0; at < len(p); {
		start := addr + uint64(at)
		if start < addr {
			return absent(start)
		}
		phys, n, err := k.translate(start)
		if err != nil {
			return k.readVirtual(p, addr, err)
		}
		n = min(n, uint64(len(p)-at))
		if err := k.physical(p[at:at+int(n)], phys); err != nil {
			return k.readVirtual(p, addr, err)
		}
		at += int(n)
	}
	return nil
}

// readVirtual is like read for memory that page tables do not lead to. err says why.
func (k *Kernel) readVirtual(p []byte, addr uint64, err error) error {
	if k.Virtual == nil || !errors.Is(err, ErrAbsent) {
		return err
	}
	if k.budget -= int64(len(p)) + readCost; k.budget < 0 {
		return errTooMuch
	}
	return k.Virtual.ReadMemory(p, addr)
}

// bytes reads n bytes at a virtual address. It allocates memory as it reads, since n may be wrong.
func (k *Kernel) bytes(addr uint64, n int) ([]byte, error) {
	const step = 256 << 10
	var b []byte
	for len(b) < n {
		at := len(b)
		b = append(b, make([]byte, min(n-at, step))...)
		if err := k.read(b[at:], addr+uint64(at)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (k *Kernel) u64(addr uint64) (uint64, error) {
	b, err := k.bytes(addr, 8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

func (k *Kernel) u32(addr uint64) (uint32, error) {
	b, err := k.bytes(addr, 4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// layout looks up offsets and sizes in VMCOREINFO. The first one that is missing is kept in err.
type layout struct {
	info Info
	err  error
}

func (l *layout) check(n int, ok bool, kind, name string) int {
	if !ok && l.err == nil {
		l.err = fmt.Errorf("%w: VMCOREINFO lacks the %s of %s", ErrAbsent, kind, name)
	}
	return n
}

func (l *layout) offset(member string) int {
	n, ok := l.info.offset(member)
	return l.check(n, ok, "offset", member)
}

func (l *layout) size(name string) int {
	n, ok := l.info.size(name)
	return l.check(n, ok, "size", name)
}

func (l *layout) symbol(name string) uint64 {
	addr, ok := l.info.symbol(name)
	l.check(0, ok, "address", name)
	return addr
}
