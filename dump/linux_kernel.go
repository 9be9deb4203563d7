package dump

import (
	"bytes"
	"strconv"
	"time"
)

// maxVMCoreInfo is the maximum size of VMCOREINFO in bytes. The kernel writes it into one page.
const maxVMCoreInfo = 1 << 20

// linuxKernel reads an ELF dump of a Linux kernel, as written by /proc/vmcore, makedumpfile -E,
// virsh dump or QEMU's dump-guest-memory.
func (c *elfCore) linuxKernel() {
	c.info.Format, c.info.OS, c.info.Type = "Linux vmcore", "linux", Crash
	for n := range c.notes.all() {
		switch {
		case n.owner == "CORE" && n.typ == ntPrstatus:
			c.addThread(linuxThread(n.structView, c.info.Machine))
		case n.owner == "VMCOREINFO":
			c.kernel = parseVMCoreInfo(n.b)
			c.kernel.describe(c.info)
		}
	}
}

// vmcoreInfo is the content of a VMCOREINFO note: KEY=VALUE lines
// (Documentation/admin-guide/kdump/vmcoreinfo.rst of Linux).
type vmcoreInfo map[string]string

func parseVMCoreInfo(b []byte) vmcoreInfo {
	info := vmcoreInfo{}
	for line := range bytes.Lines(b[:min(len(b), maxVMCoreInfo)]) {
		key, value, ok := bytes.Cut(bytes.TrimRight(line, "\x00\n"), []byte("="))
		if ok {
			info[string(key)] = string(value)
		}
	}
	return info
}

// describe sets the fields of i that are still empty.
func (v vmcoreInfo) describe(i *Info) {
	if rel := v["OSRELEASE"]; rel != "" && i.Platform == "" {
		i.Platform, i.Kernel = linuxPlatform(rel), rel
	}
	if sec, err := strconv.ParseInt(v["CRASHTIME"], 10, 64); err == nil && i.Time.IsZero() {
		i.Time = unixTime(sec, 0)
	}
	if i.BuildID == "" {
		i.BuildID = v["BUILD-ID"]
	}
}

func linuxPlatform(release string) string { return "Linux_" + release }

// unixTime returns the time stated by a dump, or the zero time if it is implausible.
func unixTime(sec, nsec int64) time.Time {
	if sec <= 0 || sec > 253402300799 || nsec < 0 || nsec >= 1e9 { // end of the year 9999
		return time.Time{}
	}
	return time.Unix(sec, nsec).UTC()
}

// kernelNode reads the host name from the kernel's memory. VMCOREINFO contains the address of
// init_uts_ns, whose struct new_utsname contains strings of 65 bytes.
func (c *elfCore) kernelNode(v vmcoreInfo) (string, error) {
	addr, err := strconv.ParseUint(v["SYMBOL(init_uts_ns)"], 16, 64)
	if err != nil {
		return "", nil
	}
	off, err := strconv.ParseUint(v["OFFSET(uts_namespace.name)"], 10, 16)
	if err != nil {
		return "", nil
	}
	b, err := c.elf.memory(c.r, addr+off, 2*65)
	if err != nil || len(b) < 2*65 || cstring(b[:65]) != "Linux" {
		return "", err
	}
	return cstring(b[65:]), nil
}
