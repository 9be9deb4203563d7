package ingest

import (
	"fmt"

	"thothfs/dump"
	"thothfs/dump/document"
)

// kernelFacts returns the members that describe the dump of a Linux kernel: why and as what it died.
func kernelFacts(info *dump.Info) []document.Member {
	k := info.LinuxKernel
	if k == nil {
		return nil
	}
	var cpus, uptime, level *int
	if k.CPUs > 0 {
		cpus = &k.CPUs
	}
	if seconds := int(k.Uptime.Seconds()); k.Panic != "" {
		uptime = &seconds
	}
	if k.HasDumpLevel {
		level = &k.DumpLevel
	}
	kaslr := ""
	if k.HasKASLR {
		kaslr = fmt.Sprintf("%#x", k.KASLR)
	}
	return known(document.Text("panic", k.Panic), document.Object("kernel",
		document.Text("release", k.Release), document.Text("version", k.Version), document.Text("machine", k.Machine),
		document.Number("cpus", cpus), document.Number("uptime", uptime), document.Text("kaslr", kaslr), document.Number("dumplevel", level)))
}
