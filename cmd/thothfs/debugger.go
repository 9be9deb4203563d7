package main

import (
	"bytes"
	"context"
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
// and what symbols lie there and at the byte before: a call returns behind itself,
// which may be the next function already. A dump is hostile: nothing is auto-loaded
// for it.
const gdbFrames = `set pagination off
set confirm off
set width 0
set debuginfod enabled off
set language c
define thothfs_frame
printf "FRAME %#lx\n", $pc
info symbol $pc
echo CALL\n
info symbol $pc - 1
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
	libraries, remove, err := librariesOf(info)
	defer remove()
	if err != nil {
		return nil, err
	}
	return gdbStack(ctx, path, executableOf(info), libraries)
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

func gdbStack(ctx context.Context, path, exe, libraries string) ([]string, error) {
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
	// interrupted frames are where they say, not behind a call: those below one of these.
	frameSignal = regexp.MustCompile(`restore_rt|sigreturn|runtime\.sigpanic`)
	frameHead   = regexp.MustCompile(`^#\d+ `)                  // gdb's own line for a frame
	frameGo     = regexp.MustCompile(`^([a-z0-9_]+)\[(\w+)\]$`) // how gdb writes some of Go's functions
)

// parseGDBFrames turns the output of gdbFrames into Thoth's form.
func parseGDBFrames(out []byte) []string {
	var stack []string
	exact, behind, handler := true, false, false
	for raw := range bytes.Lines(out) {
		line := strings.TrimSpace(string(raw))
		if frameHead.MatchString(line) {
			handler = strings.HasSuffix(line, " <signal handler called>") // which gdb knows without a symbol, too
			continue
		}
		if pc := framePC.FindStringSubmatch(line); pc != nil {
			if n := len(stack); n > 0 {
				exact = frameSignal.MatchString(stack[n-1])
			}
			frame := pc[1]
			if handler {
				frame = "sigreturn"
			}
			stack, behind = append(stack, frame+"()"), false
			continue
		}
		behind = behind || line == "CALL"
		m := frameSymbol.FindStringSubmatch(line)
		if m == nil || len(stack) == 0 {
			continue
		}
		at := &stack[len(stack)-1]
		offset, _ := strconv.ParseUint(m[2], 10, 64)
		switch {
		case !behind:
			*at = thothFrame(m[1], offset, m[3])
		case !exact && !frameSignal.MatchString(*at):
			*at = thothFrame(m[1], offset+1, m[3])
		}
	}
	return stack
}

func thothFrame(symbol string, offset uint64, module string) string {
	symbol = frameGo.ReplaceAllString(symbol, "$1.$2")
	frame := fmt.Sprintf("%s+%#x()", symbol, offset)
	if base := filepath.Base(module); module != "" && strings.Contains(base, ".so") {
		frame = base + "`" + frame
	}
	return frame
}
