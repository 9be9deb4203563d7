// Package debugger finds debuggers and the files they need to read a dump (its program, shared
// libraries, or kernel), builds their command lines, runs them in the foreground, and uses them to
// read stacks.
//
// Dumps are untrusted: debuggers must not load scripts or files that a dump refers to.
package debugger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"thothfs/dump"
)

// Debugger is an installed debugger.
type Debugger struct {
	Name string // as given, or as found in PATH
	path string
}

// howToInstall describes where each debugger comes from.
var howToInstall = map[string]string{
	"mdb":           "a part of illumos: debug the dump on SmartOS or another illumos",
	"gdb":           "Debian: apt-get install gdb",
	"gdb-multiarch": "Debian: apt-get install gdb-multiarch",
	"lldb":          "Debian: apt-get install lldb",
	"crash":         "Debian: apt-get install crash",
	"drgn":          "Debian: apt-get install python3-drgn",
	"kgdb":          "a part of FreeBSD's package gdb",
}

// Installed returns the names of the known debuggers in PATH, sorted.
func Installed() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(howToInstall)), func(name string) bool {
		_, err := exec.LookPath(name)
		return err != nil
	})
}

// namesFor returns the names of the debuggers that can read a dump, best first.
func namesFor(info *dump.Info) []string {
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

// machines lists, for each GOARCH, the machine names in dumps whose programs run on it.
var machines = map[string][]string{
	"amd64": {"x86_64", "i386", "x32"}, "386": {"i386"}, "arm64": {"aarch64"}, "arm": {"arm"},
	"ppc64le": {"ppc64le"}, "ppc64": {"ppc64"}, "s390x": {"s390x"}, "riscv64": {"riscv64"}, "loong64": {"loongarch64"},
}

func runsHere(machine string) bool {
	return machine == "" || slices.Contains(machines[runtime.GOARCH], machine)
}

// Pick returns the debugger called name or, if name is empty, the best one installed.
func Pick(name string, info *dump.Info) (Debugger, error) {
	if name != "" {
		path, err := exec.LookPath(name)
		if err != nil && howToInstall[name] != "" {
			err = fmt.Errorf("%s is not installed (%s)", name, howToInstall[name])
		}
		return Debugger{name, path}, err
	}
	if info.Format == "illumos vmdump" {
		return Debugger{}, errors.New("this is a compressed crash dump, which mdb cannot read: expand it on illumos with savecore -f DUMP DIRECTORY")
	}
	var hints []string
	for _, name := range namesFor(info) {
		if path, err := exec.LookPath(name); err == nil {
			return Debugger{name, path}, nil
		}
		hints = append(hints, name+" ("+howToInstall[name]+")")
	}
	return Debugger{}, fmt.Errorf("no debugger for %s is installed; what can read it: %s", describe(info), strings.Join(hints, ", or "))
}

// describe returns the kind of a dump with an article, such as "an ELF core linux x86_64".
func describe(info *dump.Info) string {
	article := "a"
	if info.Format != "" && strings.ContainsAny(info.Format[:1], "AEIOaeio") {
		article = "an"
	}
	return strings.Join(strings.Fields(article+" "+info.Format+" "+info.OS+" "+info.Machine), " ")
}

// Warning returns what the user should know before debugging the dump, or "".
func (d Debugger) Warning(info *dump.Info) string {
	if d.Name != "gdb" || runsHere(info.Machine) {
		return ""
	}
	return fmt.Sprintf("this gdb may not know %s; gdb-multiarch does (%s)", info.Machine, howToInstall["gdb-multiarch"])
}

// Command returns the command that debugs a dump interactively. exe is its program, or "" if it was
// not found; the extra arguments come first.
func (d Debugger) Command(exe, dump string, extra []string) *exec.Cmd {
	cmd := exec.Command(d.path, append(slices.Clone(extra), fileArgs(d.Name, exe, dump)...)...)
	cmd.Args[0] = d.Name
	return cmd
}

// fileArgs returns the arguments for the program, if any, and the dump.
func fileArgs(name, exe, dump string) []string {
	exeFlag, dumpFlag := "", "" // mdb, crash, kgdb and unknown debuggers take operands instead
	switch base := filepath.Base(name); {
	case strings.Contains(base, "lldb"):
		exeFlag, dumpFlag = "--file", "--core"
	case strings.Contains(base, "gdb") && base != "kgdb":
		exeFlag, dumpFlag = "-se", "-c"
	case base == "dlv":
		return []string{"core", exe, dump}
	case base == "drgn":
		exeFlag, dumpFlag = "-s", "-c"
	}
	var args []string
	if exe != "" {
		args = append(args, exeFlag, exe)
	}
	args = append(args, dumpFlag, dump)
	return slices.DeleteFunc(args, func(arg string) bool { return arg == "" })
}

// BatchArgv returns the command line that runs one debugger command on the dump at path and exits.
// script is a file that contains the command.
func BatchArgv(ctx context.Context, name, command, script, path string) ([]string, error) {
	if name == "mdb" {
		return []string{"mdb", "-e", command, path}, nil
	}
	exe := ""
	if info, err := Inspect(path); err == nil { // on error, the debugger may still be able to read it
		exe = recordedExecutable(info).Path
		if info.Type == dump.Crash {
			if exe = FindVMLinux(ctx, path, info).Path; exe == "" {
				return nil, errors.New(VMLinuxHint(info))
			}
		}
	}
	files := fileArgs(name, exe, path)
	switch name {
	case "crash":
		return append([]string{"crash", "-s", "--no_crashrc", "--no_scroll", "-i", script}, files...), nil
	case "drgn":
		return append(append([]string{"drgn", "-q"}, files...), script), nil
	case "lldb":
		return append(append([]string{"lldb", "--no-lldbinit", "--batch"}, files...), "-s", script), nil
	}
	argv := append([]string{"gdb"}, gdbBatch...)
	argv = append(append(argv, "-iex", "set pagination off", "-iex", "set width 0"), files...)
	for line := range strings.Lines(command) {
		argv = append(argv, "-ex", strings.TrimSuffix(line, "\n"))
	}
	return argv, nil
}

// gdbBatch holds the flags for running gdb unattended, with auto-loading disabled.
var gdbBatch = []string{"-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set auto-load safe-path /nonexistent"}
