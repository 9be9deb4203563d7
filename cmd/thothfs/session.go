package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// exitStatus is how a program that we ran for the user ended: so do we.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// hangupGrace is how long a program may take to end after SIGHUP.
const hangupGrace = 5 * time.Second

// runSession runs a program that the user talks to, in the terminal's foreground.
// Ctrl-C and Ctrl-\ are for it, not for us. When we are told to end, so is it. The
// error is an exitStatus when it ended with something else than 0.
func runSession(cmd *exec.Cmd) error {
	told := make(chan os.Signal, 8)
	signals := []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Notify(told, signals...)
	defer signal.Stop(told)
	defer keepTerminal()()
	// Should we be killed, the program is told that its terminal is gone: the kernel
	// does that when the thread ends that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGHUP}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the program
	return attend(cmd.Process, told, ended)
}

// attend waits for the program, and ends it when we are told to.
func attend(p *os.Process, told <-chan os.Signal, ended <-chan error) error {
	var status exitStatus
	var impatience <-chan time.Time
	for {
		select {
		case err := <-ended:
			if status != 0 {
				return status
			}
			return statusOf(err)
		case <-impatience:
			p.Kill()
		case sig := <-told:
			if sig == os.Interrupt || sig == syscall.SIGQUIT || status != 0 {
				continue
			}
			status = exitStatus(128 + int(sig.(syscall.Signal)))
			p.Signal(syscall.SIGHUP) // a shell on a terminal ignores SIGTERM
			p.Signal(syscall.SIGCONT)
			impatience = time.After(hangupGrace)
		}
	}
}

// statusOf is an exit as shells tell it: 128 and the signal for a death by signal.
func statusOf(err error) error {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return exitStatus(128 + int(ws.Signal()))
	}
	return exitStatus(exit.ExitCode())
}

// keepTerminal remembers how the terminal is set; the function that it returns sets
// it so again, whatever a program that was killed has left.
func keepTerminal() (restore func()) {
	fd := int(os.Stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return func() {}
	}
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	ours := err == nil && group == unix.Getpgrp()
	return func() {
		if !ours {
			return
		}
		signal.Ignore(syscall.SIGTTOU) // a shell that was killed has left the terminal to its group
		unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
		term.Restore(fd, state)
		signal.Reset(syscall.SIGTTOU)
	}
}
