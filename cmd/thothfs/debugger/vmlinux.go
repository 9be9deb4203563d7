package debugger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"thothfs/dump"
)

// FindVMLinux returns the kernel's executable with its symbols for the kernel dump at
// path: beside the dump, where distributions install it for the release that crashed, or
// from debuginfod. A file whose build-id is not that of the dump's VMCOREINFO is rejected,
// since its symbols would be wrong.
func FindVMLinux(ctx context.Context, path string, info *dump.Info) Executable {
	var found Executable
	for _, c := range vmlinuxCandidates(path, info) {
		switch match := CompareBuild(c, info.BuildID, info); {
		case match == Same:
			return Executable{Path: c, How: "by its build-id"}
		case match == Other && found.Rejected == "":
			found.Rejected = otherBuild(c)
		case match == Unknown && found.Path == "":
			found.Path, found.How = c, "the build-ids cannot be compared"
		}
	}
	if found.Path == "" {
		found.addServed(ctx, "debuginfo", info)
	}
	return found
}

// vmlinuxCandidates returns paths that may be the kernel of a dump, those beside it first.
func vmlinuxCandidates(path string, info *dump.Info) []string {
	beside, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*vmlinux*"))
	candidates := make([]string, 0, len(beside)+6)
	for _, c := range beside {
		if fi, err := os.Lstat(c); err == nil && fi.Mode().IsRegular() && len(candidates) < maxBeside {
			candidates = append(candidates, c)
		}
	}
	release := strings.TrimPrefix(info.Platform, "Linux_")
	if release == "" || strings.ContainsAny(release, "/\x00") {
		return candidates
	}
	for _, pattern := range []string{"/usr/lib/debug/boot/vmlinux-%s", "/usr/lib/debug/lib/modules/%s/vmlinux",
		"/usr/lib/debug/boot/vmlinux-%s.debug", "/lib/modules/%s/build/vmlinux", "/boot/vmlinux-%s"} {
		candidates = append(candidates, fmt.Sprintf(pattern, release))
	}
	return candidates
}

// VMLinuxHint says which kernel a dump needs and how to get it.
func VMLinuxHint(info *dump.Info) string {
	release := strings.TrimPrefix(info.Platform, "Linux_")
	what := "the vmlinux of this kernel"
	if release != "" {
		what = "vmlinux of " + release
	}
	if info.BuildID != "" {
		what += " (build-id " + info.BuildID + ")"
	}
	how := "install the kernel's debug package"
	if release != "" {
		how += fmt.Sprintf(" (Debian: linux-image-%s-dbg)", release)
	}
	return what + " was not found: " + how + ", store it beside the dump (thothfs attach DUMP VMLINUX), or set DEBUGINFOD_URLS"
}
