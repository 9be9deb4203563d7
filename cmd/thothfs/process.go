package main

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// termGrace is how long a process may take to end after SIGTERM.
const termGrace = 5 * time.Second

// runGroup runs a command as a session of its own, without a terminal, until it or
// ctx ends, and leaves nothing of it running: when ctx ends the whole group gets
// SIGTERM, and SIGKILL if that did not help; when the command has ended, SIGKILL
// takes what it left in the background. The command's own error is an
// *exec.ExitError; after the end of ctx it is ctx's cause.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	// Should this process be killed, so is the command: the kernel does that when the
	// thread ends that started it.
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
	go func() { // ended by the end of the process
		awaitEnd(pid)
		close(ended)
	}()
	stopped := false
	select {
	case <-ended:
	case <-ctx.Done():
		stopped = !isClosed(ended) // it may have ended at the same time
		syscall.Kill(-pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(termGrace):
		}
	}
	// It has not been waited for: the group's number is still its own.
	syscall.Kill(-pid, syscall.SIGKILL)
	err := cmd.Wait()
	if stopped {
		return context.Cause(ctx)
	}
	return err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// awaitEnd waits until a child has ended, and leaves it to be waited for.
func awaitEnd(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
