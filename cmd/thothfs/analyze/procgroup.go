package analyze

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// termGrace is the time a process has to exit after SIGTERM.
const termGrace = 5 * time.Second

// runGroup runs a command in a new session without a terminal and leaves none of its processes
// running. When ctx is done, the process group gets SIGTERM and, after termGrace, SIGKILL; when the
// command exits, SIGKILL ends its background processes. The error is the command's *exec.ExitError,
// or the cause of ctx.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	// If this process is killed, the kernel kills the command. It also does so when the thread that
	// started the command ends, so stay on that thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	ended := make(chan struct{})
	go func() { // ends with the process, which is not reaped
		for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		}
		close(ended)
	}()
	stopped := false
	select {
	case <-ended:
	case <-ctx.Done():
		select {
		case <-ended: // it has exited at the same time
		default:
			stopped = true
		}
		syscall.Kill(-pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(termGrace):
		}
	}
	// The command has not been reaped, so its group ID has not been reused yet.
	syscall.Kill(-pid, syscall.SIGKILL)
	err := cmd.Wait()
	if stopped {
		return context.Cause(ctx)
	}
	return err
}
