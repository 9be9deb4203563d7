package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"thothfs/fs"
)

// ErrSilent is the error for a mount that does not respond.
var ErrSilent = errors.New("does not answer")

// silentAfter is the time limit for a mount to respond to stat(2).
const silentAfter = 10 * time.Second

// ReadControl returns the contents of the file called name in .thothfs of the mount at mountpoint.
// The error is ErrSilent when the mount takes longer than patience.
func ReadControl(mountpoint, name string, patience time.Duration) ([]byte, error) {
	return ask(patience, "cat", filepath.Join(mountpoint, fs.ControlDir, name))
}

// ask runs a program that accesses a mount, and returns its output. It uses a separate process
// because a call that the mount has read but not answered cannot be interrupted, not even by
// SIGKILL. A program that exceeds patience is killed; if its call was read, it remains until the
// mount ends.
func ask(patience time.Duration, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout = &out
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() { // ends with the program
		// The kernel sends Pdeathsig when the thread that started the program ends, so stay on it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	select {
	case err := <-ended:
		return out.Bytes(), err
	case <-time.After(patience):
		cmd.Process.Kill()
		return nil, ErrSilent
	}
}

// IsServed reports whether a live process holds the FUSE connection with the given number, the
// minor number of the mount's device, as far as visible to this user. A killed process that cannot
// exit, because the kernel still holds one of its threads, does not count. Before Linux 6.16
// connections cannot be told apart, so every process that has /dev/fuse open counts.
func IsServed(number int) bool {
	return slices.ContainsFunc(processes(), func(proc string) bool { return !isDying(proc) && hasConnection(proc, number) })
}

// isDying reports whether the process in the directory proc has been killed: its first thread has
// ended or has a pending SIGKILL. See proc_pid_status(5).
func isDying(proc string) bool {
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "State":
			if strings.HasPrefix(value, "Z") || strings.HasPrefix(value, "X") {
				return true
			}
		case "SigPnd", "ShdPnd":
			if pending, err := strconv.ParseUint(value, 16, 64); err == nil && pending&(1<<(syscall.SIGKILL-1)) != 0 {
				return true
			}
		}
	}
	return false
}

// connectionFDs returns the descriptors of /dev/fuse that are open in the process with the
// directory proc.
func connectionFDs(proc string) (fds []string, err error) {
	open, err := os.ReadDir(proc + "/fd")
	for _, f := range open {
		if to, err := os.Readlink(proc + "/fd/" + f.Name()); err == nil && to == "/dev/fuse" {
			fds = append(fds, f.Name())
		}
	}
	return fds, err
}

func hasConnection(proc string, number int) bool {
	fds, _ := connectionFDs(proc)
	for _, fd := range fds {
		info, err := os.ReadFile(proc + "/fdinfo/" + fd)
		_, connection, found := strings.Cut(string(info), "fuse_connection:")
		if err == nil && !found {
			return true
		}
		connection, _, _ = strings.Cut(strings.TrimSpace(connection), "\n")
		if n, err := strconv.Atoi(connection); err == nil && n == number {
			return true
		}
	}
	return false
}

// abortDead aborts a mount whose process is dead but still holds the connection. The kernel aborts
// by itself only when the connection is closed.
func abortDead(mountpoint string, number int) error {
	if IsServed(number) {
		return fmt.Errorf("%s %w", mountpoint, ErrSilent)
	}
	if err := Abort(number); err != nil {
		return fmt.Errorf("%s %w, since its process was killed; aborting it: %w", mountpoint, ErrSilent, err)
	}
	return nil
}
