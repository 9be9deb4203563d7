package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"thothfs/dump"
)

// stackTimeout bounds the debugger that reads a stack while uploading.
const stackTimeout = 2 * time.Minute

// maxFrames bounds a stack: runaway recursion has hundreds of thousands.
const maxFrames = 512

// gdbFrames prints, for each frame of the current thread, its program counter
// and what symbol lies there. A dump is hostile: nothing is auto-loaded for it.
const gdbFrames = `set pagination off
set confirm off
set width 0
set debuginfod enabled off
define thothfs_frame
printf "FRAME %#lx\n", $pc
info symbol $pc
end
`

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
	return gdbStack(ctx, path, executableOf(info))
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

func gdbStack(ctx context.Context, path, exe string) ([]string, error) {
	script, err := os.CreateTemp("", "thothfs-gdb-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(script.Name())
	_, err = script.WriteString(gdbFrames + "frame apply " + strconv.Itoa(maxFrames) + " -q -s thothfs_frame\n")
	if err = errors.Join(err, script.Close()); err != nil {
		return nil, err
	}
	args := []string{"-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set auto-load safe-path /nonexistent"}
	if exe != "" {
		args = append(args, "-se", exe)
	}
	args = append(args, "-c", path, "-x", script.Name())
	cmd := exec.CommandContext(ctx, "gdb", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBUGINFOD_URLS=")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		return nil, fmt.Errorf("gdb: %w", err)
	}
	return parseGDBFrames(out), nil
}

var (
	framePC     = regexp.MustCompile(`^FRAME (0x[0-9a-f]+|0)$`)
	frameSymbol = regexp.MustCompile(`^(.+?)(?: \+ (\d+))? in section \S+(?: of (.+))?$`)
)

// parseGDBFrames turns the output of gdbFrames into Thoth's form.
func parseGDBFrames(out []byte) []string {
	var stack []string
	for raw := range bytes.Lines(out) {
		line := strings.TrimSpace(string(raw))
		if pc := framePC.FindStringSubmatch(line); pc != nil {
			stack = append(stack, pc[1]+"()")
			continue
		}
		m := frameSymbol.FindStringSubmatch(line)
		if m == nil || len(stack) == 0 {
			continue
		}
		stack[len(stack)-1] = thothFrame(m[1], m[2], m[3])
	}
	return stack
}

func thothFrame(symbol, offset, module string) string {
	n, _ := strconv.ParseUint(offset, 10, 64)
	frame := fmt.Sprintf("%s+%#x()", symbol, n)
	if base := filepath.Base(module); module != "" && strings.Contains(base, ".so") {
		frame = base + "`" + frame
	}
	return frame
}

// executableOf is the program that dumped core, if it is on this machine and
// not another build of it: the recorded path, checked by build-id where the
// dump has one.
func executableOf(info *dump.Info) string {
	candidates := []string{info.Executable}
	if arg0, _, _ := strings.Cut(info.Psargs, " "); filepath.IsAbs(arg0) {
		candidates = append(candidates, arg0)
	}
	for _, path := range candidates {
		if path == "" || !filepath.IsAbs(path) {
			continue
		}
		id, err := buildID(path)
		if err == nil && (info.BuildID == "" || id == "" || id == info.BuildID) {
			return path
		}
	}
	return ""
}

// buildID is the GNU build-id of an ELF file in hex, "" when it has none.
func buildID(path string) (string, error) {
	fi, err := os.Stat(path) // a device or a fifo must not be opened
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s := f.Section(".note.gnu.build-id")
	if s == nil {
		return "", nil
	}
	note, err := s.Data()
	if err != nil || len(note) < 16 {
		return "", err
	}
	return hex.EncodeToString(note[16:]), nil
}
