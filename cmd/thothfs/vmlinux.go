package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"thothfs/dump"
)

// findVMLinux returns the kernel's executable with its symbols, for the kernel dump at
// path: beside the dump, where distributions install that of the release that crashed, or
// from debuginfod. One of another build-id than the dump's VMCOREINFO names is never
// taken: its symbols would be wrong.
func (a *app) findVMLinux(ctx context.Context, path string, info *dump.Info) executable {
	var found executable
	for _, c := range vmlinuxCandidates(path, info) {
		switch same := sameBuild(c, info.BuildID, info); {
		case same == yes:
			return executable{path: c, how: "by its build-id"}
		case same == no && found.not == "":
			found.not = otherBuild(c)
		case same == unknown && found.path == "":
			found.path, found.how = c, "the build-ids cannot be compared"
		}
	}
	if found.path != "" {
		return found
	}
	if served := a.fromDebuginfod(ctx, "debuginfo", info); served != "" {
		return executable{path: served, how: "from debuginfod"}
	}
	return found
}

// vmlinuxCandidates are files that may be the kernel of a dump, those beside it first.
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

// vmlinuxHint says what is missing for a kernel dump and how to get it.
func vmlinuxHint(info *dump.Info) string {
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

// fromDebuginfod asks the servers of $DEBUGINFOD_URLS for the file of a kind (executable or
// debuginfo) that has the build-id of a dump, by the program that comes with them; "" when
// there is none.
func (a *app) fromDebuginfod(ctx context.Context, kind string, info *dump.Info) string {
	if a.getenv("DEBUGINFOD_URLS") == "" || info.BuildID == "" {
		return ""
	}
	out, err := exec.CommandContext(ctx, "debuginfod-find", kind, info.BuildID).Output()
	path := strings.TrimSpace(string(out))
	if err != nil || !filepath.IsAbs(path) || sameBuild(path, info.BuildID, info) != yes {
		return ""
	}
	return path
}
