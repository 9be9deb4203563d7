package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thothfs/dump"
)

// stackTimeout bounds the debugger that reads a stack while uploading.
const stackTimeout = 2 * time.Minute

// maxFrames bounds a stack: runaway recursion has hundreds of thousands.
const maxFrames = 512

// errNoStackTool is a machine without a program that reads stacks.
var errNoStackTool = errors.New("neither gdb nor eu-stack is installed (Debian: apt-get install gdb)")

// stackOf is the stack of the thread that died, one frame a string in the form
// of Thoth (module`function+0xoffset()), read by whichever debugger is on
// the PATH. No debugger, or none that can read the dump, is an error; the dump
// is stored without a stack then.
func stackOf(ctx context.Context, path string, info *dump.Info) ([]string, error) {
	if info.Type != dump.Core {
		return nil, errors.New("a crash dump's stack is left to the kernel debugger")
	}
	ctx, cancel := context.WithTimeout(ctx, stackTimeout)
	defer cancel()
	if info.OS == "illumos" {
		return mdbStack(ctx, path)
	}
	return processStack(ctx, path, executableOf(info), info)
}

func mdbStack(ctx context.Context, path string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "mdb", "-e", "$c 0", path).Output()
	if err != nil {
		return nil, fmt.Errorf("mdb: %w", err)
	}
	var stack []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && len(stack) < maxFrames {
			stack = append(stack, line)
		}
	}
	return stack, nil
}

// processStack reads a stack with gdb or eu-stack: with the first that knows any
// function's name, else with the first that finds a frame.
func processStack(ctx context.Context, path, exe string, info *dump.Info) (stack []string, err error) {
	err = errNoStackTool
	for _, tool := range []struct {
		name string
		read func(context.Context, string, string, *dump.Info) ([]string, error)
	}{{"gdb", gdbStack}, {"eu-stack", euStack}} {
		if _, notFound := exec.LookPath(tool.name); notFound != nil {
			continue
		}
		frames, failed := tool.read(ctx, path, exe, info)
		if slices.ContainsFunc(frames, hasName) {
			return frames, nil
		}
		if len(stack) == 0 {
			stack, err = frames, failed
		}
	}
	return stack, err
}

var frameNameless = regexp.MustCompile("^(?:(?:[^`(<]*`)?\\+?(?:0x[0-9a-f]+|0)?|sigreturn)\\(\\)$")

// hasName reports whether a frame has a symbol.
func hasName(frame string) bool { return !frameNameless.MatchString(frame) }

// gdbFrames prints, for each frame of the current thread, its program counter, its
// stack pointer, and what symbols lie there and at the byte before. A dump is hostile:
// nothing is auto-loaded for it.
const gdbFrames = `set pagination off
set confirm off
set width 0
set debuginfod enabled off
set language c
define thothfs_frame
printf "FRAME %#lx %#lx\n", $pc, $sp
info symbol $pc
echo CALL\n
info symbol $pc - 1
end
`

func gdbStack(ctx context.Context, path, exe string, info *dump.Info) ([]string, error) {
	libraries, remove, err := librariesOf(info)
	defer remove()
	if err != nil {
		return nil, err
	}
	script, err := os.CreateTemp("", "thothfs-gdb-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(script.Name())
	_, err = script.WriteString(gdbFrames + "frame apply " + strconv.Itoa(maxFrames) + " -s thothfs_frame\n")
	if err = errors.Join(err, script.Close()); err != nil {
		return nil, err
	}
	args := []string{"-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set auto-load safe-path /nonexistent",
		"-iex", "set print frame-arguments none", "-iex", "set print frame-info short-location"}
	if libraries != "" {
		args = append(args, "-iex", "set sysroot "+libraries)
	}
	if exe != "" {
		args = append(args, "-se", exe)
	}
	args = append(args, "-c", path, "-x", script.Name())
	out, err := stackTool(ctx, "gdb", args...)
	if err != nil {
		return nil, err
	}
	return parseGDBFrames(out, info.Modules), nil
}

// euStack is gdbStack by elfutils, which also reads cores of other processors.
func euStack(ctx context.Context, path, exe string, info *dump.Info) ([]string, error) {
	args := []string{"-v", "-m", "-n", strconv.Itoa(maxFrames)}
	if exe != "" {
		args = append(args, "-e", exe)
	}
	out, err := stackTool(ctx, "eu-stack", append(args, "--core="+path)...)
	if err != nil {
		return nil, err
	}
	return parseEUFrames(out, info.Modules), nil
}

// stackTool runs a debugger and returns what it printed; an exit code other than 0 is an
// error only without that.
func stackTool(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBUGINFOD_URLS=")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// placeFrame is a frame without a symbol: MODULE`+0xOFFSET(), or its address where no
// file was mapped.
func placeFrame(pc uint64, modules []dump.Module) string {
	for _, m := range modules {
		if pc >= m.Start && pc < m.End && pc-m.Start < 1<<32 { // beyond is other memory between mappings of one file
			return fmt.Sprintf("%s`+%#x()", filepath.Base(m.Path), pc-m.Start)
		}
	}
	return fmt.Sprintf("%#x()", pc)
}

// inModule puts the module before a frame, if it is a library.
func inModule(module, frame string) string {
	if base := filepath.Base(module); module != "" && strings.Contains(base, ".so") {
		return base + "`" + frame
	}
	return frame
}
