package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"thothfs/fs"
)

// ErrSilent is a mount that does not answer.
var ErrSilent = errors.New("does not answer")

// silentAfter is how long a mount may take to say that it is there.
const silentAfter = 10 * time.Second

// ReadControl returns the file of that name in .thothfs of the mount at mountpoint. It is
// ErrSilent when the mount takes longer than patience.
func ReadControl(mountpoint, name string, patience time.Duration) ([]byte, error) {
	return ask(patience, "cat", filepath.Join(mountpoint, fs.ControlDir, name))
}

// awaitAnswer is ErrSilent when what is mounted at mountpoint does not answer.
func awaitAnswer(mountpoint string, patience time.Duration) error {
	if _, err := ask(patience, "stat", mountpoint); errors.Is(err, ErrSilent) {
		return err
	}
	return nil
}

// ask runs a program that looks at a mount, and returns what it prints. Another process
// looks, since nothing ends a call on a mount that was taken and is not answered: not
// even the end of the process that made it. What is late is killed. It stays all the
// same if its call was taken, until the mount ends.
func ask(patience time.Duration, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout = &out
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() { // ends with the program
		// The kernel sends Pdeathsig when the thread ends that started the program.
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

// IsServed reports whether a process that can answer has the FUSE connection of that
// number, the minor number of the mount's device, as far as this user may look. A process
// that was killed and cannot end, since the kernel holds one of its threads, does not
// count. Linux before 6.16 does not tell connections apart: there every process that has
// /dev/fuse open counts.
func IsServed(number int) bool {
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return true
	}
	for _, proc := range procs {
		if !isDying(proc) && hasConnection(proc, number) {
			return true
		}
	}
	return false
}

// isDying reports whether the process in the directory proc has been killed: its first
// thread has ended, or has yet to act on SIGKILL. See proc_pid_status(5).
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

func hasConnection(proc string, number int) bool {
	fds, _ := os.ReadDir(proc + "/fd")
	for _, fd := range fds {
		if to, err := os.Readlink(proc + "/fd/" + fd.Name()); err != nil || to != "/dev/fuse" {
			continue
		}
		info, err := os.ReadFile(proc + "/fdinfo/" + fd.Name())
		_, connection, told := strings.Cut(string(info), "fuse_connection:")
		if err == nil && !told {
			return true
		}
		connection, _, _ = strings.Cut(strings.TrimSpace(connection), "\n")
		if n, err := strconv.Atoi(connection); err == nil && n == number {
			return true
		}
	}
	return false
}

// endDead cuts off the users of a mount whose process is dead and yet has the connection:
// the kernel does so by itself only when it is closed.
func endDead(mountpoint string, number int) error {
	if IsServed(number) {
		return fmt.Errorf("%s %w", mountpoint, ErrSilent)
	}
	if err := Abort(number); err != nil {
		return fmt.Errorf("%s %w, since its process was killed; cutting it off: %w", mountpoint, ErrSilent, err)
	}
	return nil
}
