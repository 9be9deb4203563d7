package debugger

import (
	"context"
	"fmt"
	"strings"

	"thothfs/dump"
)

// FindVMLinux finds the kernel executable, with symbols, for the kernel dump at path. It looks
// beside the dump, where distributions install it for the release that crashed, and on debuginfod
// servers. It rejects a file whose build ID differs from the one in the dump's VMCOREINFO, since
// its symbols would be wrong.
func FindVMLinux(ctx context.Context, path string, info *dump.Info) Executable {
	any := func(string, BuildMatch) bool { return true }
	found := choose(vmlinuxPaths(path, info), info, any, "by its build-id", "the build-ids cannot be compared")
	if found.Path == "" {
		found.addServed(ctx, "debuginfo", info)
	}
	return found
}

// vmlinuxPaths returns candidate paths for the kernel of a dump, those beside the dump first.
func vmlinuxPaths(path string, info *dump.Info) []string {
	paths := regularBeside(path, "*vmlinux*")
	release := strings.TrimPrefix(info.Platform, "Linux_")
	if release == "" || strings.ContainsAny(release, "/\x00") {
		return paths
	}
	for _, pattern := range []string{"/usr/lib/debug/boot/vmlinux-%s", "/usr/lib/debug/lib/modules/%s/vmlinux",
		"/usr/lib/debug/boot/vmlinux-%s.debug", "/lib/modules/%s/build/vmlinux", "/boot/vmlinux-%s"} {
		paths = append(paths, fmt.Sprintf(pattern, release))
	}
	return paths
}

// VMLinuxHint describes which kernel a dump needs and how to get it.
func VMLinuxHint(info *dump.Info) string {
	what, how := "the vmlinux of this kernel", "install the kernel's debug package"
	if release := strings.TrimPrefix(info.Platform, "Linux_"); release != "" {
		what = "vmlinux of " + release
		how += fmt.Sprintf(" (Debian: linux-image-%s-dbg)", release)
	}
	if info.BuildID != "" {
		what += " (build-id " + info.BuildID + ")"
	}
	return what + " was not found: " + how + ", store it beside the dump (thothfs attach DUMP VMLINUX), or set DEBUGINFOD_URLS"
}
