package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// readyFD is where the background half of `mount` reports to the half that the
// user started: one line, "ok" or an error; its end without a line is a crash.
const readyFD = 3

// readyEnv marks the background half.
const readyEnv = "THOTHFS_READY_FD"

// background starts this program again with the same arguments, and waits until
// it has mounted or said why not. Go cannot fork, so the child is a fresh run that
// finds readyEnv set. It keeps the terminal until it is ready: it may have to ask
// for a passphrase. Then it becomes a session of its own.
func (a *app) background(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), readyEnv+"=1")
	cmd.Stderr = os.Stderr         // until it is ready: fusermount3 speaks there
	cmd.ExtraFiles = []*os.File{w} // becomes readyFD
	if err := cmd.Start(); err != nil {
		w.Close()
		return err
	}
	w.Close()
	stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	return awaitReady(r, cmd)
}

func awaitReady(r io.Reader, cmd *exec.Cmd) error {
	line, err := bufio.NewReader(r).ReadString('\n')
	if err == nil && line == "ok\n" {
		return cmd.Process.Release()
	}
	werr := cmd.Wait()
	if msg := strings.TrimSpace(line); msg != "" {
		return errors.New(strings.ReplaceAll(msg, "\x00", "\n"))
	}
	return fmt.Errorf("the file system's process ended before it was ready: %v", werr)
}

// isBackground says whether this process is the background half.
func (a *app) isBackground() bool { return a.getenv(readyEnv) != "" }

// reportReady tells the waiting half how mounting went and lets go of the
// terminal: from here on only the log hears of anything.
func (a *app) reportReady(mountErr error) error {
	if !a.isBackground() {
		return nil
	}
	f := os.NewFile(readyFD, "ready")
	if f == nil {
		return errors.New("the starting process is gone")
	}
	defer f.Close()
	line := "ok\n"
	if mountErr != nil {
		line = strings.ReplaceAll(strings.TrimSpace(mountErr.Error()), "\n", "\x00") + "\n"
	}
	if _, err := io.WriteString(f, line); err != nil {
		return fmt.Errorf("the starting process is gone: %w", err)
	}
	if mountErr != nil {
		return nil
	}
	return detachStdio()
}

// detachStdio leaves the terminal's session, points the standard streams at /dev/null and leaves the working
// directory, so that neither a terminal nor a directory is held.
func detachStdio() error {
	if _, err := syscall.Setsid(); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := syscall.Dup3(int(null.Fd()), fd, 0); err != nil {
			return err
		}
	}
	return os.Chdir("/")
}
