package debugger

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

// ExitStatus is the child's exit status, which becomes that of this program.
type ExitStatus int

func (s ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// hangupGrace is the time a program has to exit after SIGHUP.
const hangupGrace = 5 * time.Second

// RunForeground runs an interactive program in the foreground of the terminal. It leaves Ctrl-C and
// Ctrl-\ to the program, and forwards SIGTERM and SIGHUP as SIGHUP. The error is an ExitStatus if
// the program's exit status is not 0.
func RunForeground(cmd *exec.Cmd) error {
	received := make(chan os.Signal, 8)
	signals := []os.Signal{os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Notify(received, signals...)
	defer signal.Stop(received)
	defer saveTerminal()()
	// If this process is killed, the kernel sends SIGHUP to the program. It also does so when the
	// thread that started the program ends, so stay on that thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGHUP}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the program
	return waitForeground(cmd.Process, received, ended)
}

// waitForeground waits for the program, ending it on SIGTERM or SIGHUP.
func waitForeground(p *os.Process, received <-chan os.Signal, ended <-chan error) error {
	var status ExitStatus
	var timeout <-chan time.Time
	for {
		select {
		case err := <-ended:
			if status != 0 {
				return status
			}
			return statusOf(err)
		case <-timeout:
			p.Kill()
		case sig := <-received:
			if sig == os.Interrupt || sig == syscall.SIGQUIT || status != 0 {
				continue
			}
			status = ExitStatus(128 + int(sig.(syscall.Signal)))
			p.Signal(syscall.SIGHUP) // a shell on a terminal ignores SIGTERM
			p.Signal(syscall.SIGCONT)
			timeout = time.After(hangupGrace)
		}
	}
}

// statusOf returns the exit status in the form used by shells: 128 plus the signal number if a
// signal ended the program.
func statusOf(err error) error {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ExitStatus(128 + int(ws.Signal()))
	}
	return ExitStatus(exit.ExitCode())
}

// saveTerminal returns a function that restores the terminal's settings and foreground process
// group, which a killed program may have changed.
func saveTerminal() (restore func()) {
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
		signal.Ignore(syscall.SIGTTOU) // a killed shell leaves its own group in the foreground
		unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
		term.Restore(fd, state)
		signal.Reset(syscall.SIGTTOU)
	}
}
