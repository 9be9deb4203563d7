package debugger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thothfs/dump"
)

// stackTimeout is the time limit for reading a stack during an upload.
const stackTimeout = 2 * time.Minute

// maxFrames is the maximum number of frames in a stack. Runaway recursion produces hundreds of
// thousands.
const maxFrames = 512

// StackForUpload returns the stack of the thread that died, with frames in Thoth's form
// (module`function+0xoffset()). It uses the debuggers in PATH, and fails if none of them can read
// the dump. The stack of a Linux kernel is in its log.
func StackForUpload(ctx context.Context, path string, info *dump.Info) ([]string, error) {
	if info.Type == dump.Crash {
		return kernelStack(info)
	}
	ctx, cancel := context.WithTimeout(ctx, stackTimeout)
	defer cancel()
	if info.OS == "illumos" {
		return mdbStack(ctx, path)
	}
	return stackOf(ctx, path, recordedExecutable(info).Path, info)
}

// Stack is like StackForUpload for a process of this operating system. It also looks for the
// program beside the dump and on debuginfod servers.
func Stack(ctx context.Context, path string, info *dump.Info) ([]string, error) {
	if info.Type == dump.Crash {
		return kernelStack(info)
	}
	return stackOf(ctx, path, FindExecutable(ctx, path, info).Path, info)
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

var errNoStackTool = errors.New("neither gdb nor eu-stack is installed (Debian: apt-get install gdb)")

// stackOf returns a stack read by gdb or eu-stack: the first one that contains a function name or,
// if neither does, the first one with any frames.
func stackOf(ctx context.Context, path, exe string, info *dump.Info) (stack []string, err error) {
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

// hasName reports whether a frame contains a symbol.
func hasName(frame string) bool { return !frameNameless.MatchString(frame) }

// gdbFrames is a gdb script. Its command prints a frame's program counter and stack pointer, and
// the symbols at the program counter and at the byte before it.
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
	out, err := runGDB(ctx, path, exe, info, "frame apply "+strconv.Itoa(maxFrames)+" -s thothfs_frame")
	return parseGDBFrames(out, info.Modules), err
}

// runGDB runs the commands of gdbFrames and then command, and returns the output.
func runGDB(ctx context.Context, path, exe string, info *dump.Info, command string) ([]byte, error) {
	sysroot, err := makeSysroot(info)
	defer os.RemoveAll(sysroot)
	if err != nil {
		return nil, err
	}
	script, err := os.CreateTemp("", "thothfs-gdb-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(script.Name())
	_, err = script.WriteString(gdbFrames + command + "\n")
	if err = errors.Join(err, script.Close()); err != nil {
		return nil, err
	}
	args := append(slices.Clone(gdbBatch), "-iex", "set print frame-arguments none", "-iex", "set print frame-info short-location")
	if sysroot != "" {
		args = append(args, "-iex", "set sysroot "+sysroot)
	}
	args = append(append(args, fileArgs("gdb", exe, path)...), "-x", script.Name())
	return runTool(ctx, "gdb", args...)
}

// euStack is like gdbStack but uses elfutils, which also reads cores of other architectures.
func euStack(ctx context.Context, path, exe string, info *dump.Info) ([]string, error) {
	out, err := runEUStack(ctx, path, exe, maxFrames)
	return parseEUFrames(out, info.Modules), err
}

func runEUStack(ctx context.Context, path, exe string, frames int) ([]byte, error) {
	args := []string{"-v", "-m", "-n", strconv.Itoa(frames)}
	if exe != "" {
		args = append(args, "-e", exe)
	}
	return runTool(ctx, "eu-stack", append(args, "--core="+path)...)
}

// runTool runs a debugger and returns its output. A nonzero exit code is an error only if there is
// no output.
func runTool(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBUGINFOD_URLS=")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}
