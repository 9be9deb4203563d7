package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"thothfs/dump"
)

// debugTool is a debugger for people.
type debugTool struct {
	name string // as given, or found on the PATH
	path string
}

// toInstall says where debuggers are to be had.
var toInstall = map[string]string{
	"mdb":           "a part of illumos: debug the dump on SmartOS or another illumos",
	"gdb":           "Debian: apt-get install gdb",
	"gdb-multiarch": "Debian: apt-get install gdb-multiarch",
	"lldb":          "Debian: apt-get install lldb",
	"crash":         "Debian: apt-get install crash",
	"drgn":          "Debian: apt-get install python3-drgn",
	"kgdb":          "a part of FreeBSD's package gdb",
}

// debuggersFor are the debuggers that can read a dump, the best first.
func debuggersFor(info *dump.Info) []string {
	switch {
	case info.OS == "illumos":
		return []string{"mdb"}
	case info.OS == "linux" && info.Type == dump.Crash:
		return []string{"crash", "drgn"}
	case info.OS == "freebsd" && info.Type == dump.Crash:
		return []string{"kgdb"}
	case info.OS != runtime.GOOS:
		return []string{"lldb", "gdb-multiarch", "gdb"}
	case !runsHere(info.Machine):
		return []string{"gdb-multiarch", "lldb", "gdb"}
	}
	return []string{"gdb", "lldb"}
}

// machines are those whose programs a processor runs, as dumps name them.
var machines = map[string][]string{
	"amd64": {"x86_64", "i386", "x32"}, "386": {"i386"}, "arm64": {"aarch64"}, "arm": {"arm"},
	"ppc64le": {"ppc64le"}, "ppc64": {"ppc64"}, "s390x": {"s390x"}, "riscv64": {"riscv64"}, "loong64": {"loongarch64"},
}

func runsHere(machine string) bool {
	return machine == "" || slices.Contains(machines[runtime.GOARCH], machine)
}

// pickDebugger finds the debugger: the one that is named, else the best that is
// installed.
func pickDebugger(named string, info *dump.Info) (debugTool, error) {
	if named != "" {
		path, err := exec.LookPath(named)
		if err != nil && toInstall[named] != "" {
			err = fmt.Errorf("%s is not installed (%s)", named, toInstall[named])
		}
		return debugTool{named, path}, err
	}
	if info.Format == "illumos vmdump" {
		return debugTool{}, errors.New("this is a compressed crash dump, which mdb cannot read: expand it on illumos with savecore -f DUMP DIRECTORY")
	}
	var hints []string
	for _, name := range debuggersFor(info) {
		if path, err := exec.LookPath(name); err == nil {
			return debugTool{name, path}, nil
		}
		hints = append(hints, name+" ("+toInstall[name]+")")
	}
	return debugTool{}, fmt.Errorf("no debugger for %s is installed; what can read it: %s", describeDump(info), strings.Join(hints, ", or "))
}

// describeDump is the kind of a dump, for people.
func describeDump(info *dump.Info) string {
	words := []string{"a", info.Format}
	if info.Format != "" && strings.ContainsAny(info.Format[:1], "AEIOaeio") {
		words[0] = "an"
	}
	for _, more := range []string{info.OS, info.Machine} {
		if more != "" {
			words = append(words, more)
		}
	}
	return strings.Join(words, " ")
}

// argv is how the debugger is started on a dump and its program, "" if that is not
// here; extra are arguments of the user's.
func (t debugTool) argv(exe, dump string, extra []string) []string {
	argv := append([]string{t.name}, extra...)
	program := func(flag ...string) {
		if exe != "" {
			argv = append(append(argv, flag...), exe)
		}
	}
	switch base := filepath.Base(t.name); {
	case strings.Contains(base, "lldb"):
		program("--file")
		return append(argv, "--core", dump)
	case strings.Contains(base, "gdb") && base != "kgdb":
		program("-se")
		return append(argv, "-c", dump)
	case base == "dlv":
		return append(argv, "core", exe, dump)
	case base == "drgn":
		argv = append(argv, "-c", dump)
		program("-s")
		return argv
	}
	program() // mdb, crash, kgdb, and what we do not know
	return append(argv, dump)
}
