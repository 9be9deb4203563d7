package dump

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"thothfs/dump/vmcore"
)

// linuxKernel reads an ELF dump of a Linux kernel, as written by /proc/vmcore, makedumpfile -E,
// virsh dump or QEMU's dump-guest-memory.
func (c *elfCore) linuxKernel() {
	c.info.Format, c.info.OS, c.info.Type = "Linux vmcore", "linux", Crash
	for n := range c.notes.all() {
		switch {
		case n.owner == "CORE" && n.typ == ntPrstatus:
			c.addThread(linuxThread(n.structView, c.info.Machine))
		case n.owner == "VMCOREINFO":
			c.kernel = vmcore.ParseInfo(n.b)
		}
	}
}

// kernelMemory returns the kernel in the dump. It supports 64-bit little-endian machines only.
func (c *elfCore) kernelMemory() *vmcore.Kernel {
	const kernelText = 0xffffffff80000000 // of x86_64
	s := vmcore.Source{Info: c.kernel, Machine: c.info.Machine}
	var physical, virtual []vmcore.Segment
	for _, seg := range c.elf.loads {
		physical = append(physical, vmcore.Segment{Addr: seg.Paddr, Off: seg.Offset, Len: seg.Filesz})
		virtual = append(virtual, vmcore.Segment{Addr: seg.Vaddr, Off: seg.Offset, Len: seg.Filesz})
		if seg.Vaddr >= kernelText && !s.HasPhysBase {
			s.PhysBase, s.HasPhysBase = seg.Paddr-(seg.Vaddr-kernelText), true
		}
	}
	s.Physical, s.Virtual = vmcore.Segments(c.r.r, physical), vmcore.Segments(c.r.r, virtual)
	return vmcore.New(s)
}

// kernelFacts sets what the dump says about its kernel, unless the header said it already.
func (i *Info) kernelFacts(k *vmcore.Kernel) error {
	f, err := k.Facts()
	if f.Release != "" && i.Platform == "" {
		i.Platform, i.Kernel = linuxPlatform(f.Release), f.Release
	}
	if i.Time.IsZero() {
		i.Time = f.CrashTime
	}
	i.Node, i.Machine, i.BuildID = cmp.Or(i.Node, f.Node), cmp.Or(i.Machine, f.Machine), cmp.Or(i.BuildID, f.BuildID)
	f.CPUs = cmp.Or(len(i.Threads), f.CPUs)
	if f.Panic != "" {
		i.Properties["panicstring"] = f.Panic
	}
	i.LinuxKernel = &f
	return err
}

// ErrNoLog is the error for a dump without the log of a Linux kernel.
var ErrNoLog = errors.New("the dump does not have the log of a Linux kernel")

// KernelLog returns the log of the Linux kernel whose dump is in r, in the form that makedumpfile
// --dump-dmesg prints: a time and a message per line. The error matches ErrNoLog, or is one of
// Inspect.
func KernelLog(r io.ReaderAt, size int64) ([]byte, error) {
	b, f, err := open(r, size)
	if err != nil {
		return nil, err
	}
	if f.kernel == nil {
		return nil, ErrNoLog
	}
	k, err := f.kernel(b)
	if err != nil || k == nil {
		return nil, cmp.Or(err, ErrNoLog)
	}
	text, err := k.Log()
	if errors.Is(err, vmcore.ErrAbsent) {
		err = fmt.Errorf("%w: %w", ErrNoLog, err)
	}
	return text, err
}

// elfKernel returns the kernel in an ELF dump, or nil if it has no VMCOREINFO.
func elfKernel(r *bufReader) (*vmcore.Kernel, error) {
	c, err := openELF(r)
	if err != nil {
		return nil, err
	}
	if c.noteReader()(c); c.kernel == nil {
		return nil, nil
	}
	return c.kernelMemory(), nil
}

func linuxPlatform(release string) string { return "Linux_" + release }

// unixTime returns the time stated by a dump, or the zero time if it is implausible.
func unixTime(sec, nsec int64) time.Time {
	if sec <= 0 || sec > 253402300799 || nsec < 0 || nsec >= 1e9 { // end of the year 9999
		return time.Time{}
	}
	return time.Unix(sec, nsec).UTC()
}
