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
	"time"

	"thothfs/cmd/thothfs/output"
)

const (
	// readyFD is the pipe on which the background process of `mount` reports to the process that
	// the user started. The first line is "ok" or an error. Lines of the form "DONE TOTAL" follow
	// while the corpus is being read, and an error line if it cannot be read.
	readyFD = 3
	// readyEnv marks the background process.
	readyEnv = "THOTHFS_READY_FD"
)

// startBackground starts this program again with the same arguments, and waits until it has mounted
// or failed. Since Go cannot fork, the child is a new process with readyEnv set. It keeps the
// terminal until it is ready, because it may ask for a passphrase.
func startBackground(ctx context.Context, cl *cli) error {
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
	cmd.Stderr = os.Stderr         // fusermount3 writes there until the child is ready
	cmd.ExtraFiles = []*os.File{w} // becomes readyFD
	if err := cmd.Start(); err != nil {
		w.Close()
		return err
	}
	w.Close()
	stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	lines := bufio.NewReader(r)
	if err := awaitReady(lines, cmd); err != nil {
		return err
	}
	stop() // from here on Ctrl-C does not end the child
	defer context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Now()) })()
	showReading(ctx, cl, lines)
	return cmd.Process.Release()
}

// showReading shows on the terminal how much of the corpus has been read. Ctrl-C stops only the
// display.
func showReading(ctx context.Context, cl *cli, lines *bufio.Reader) {
	bar := output.NewProgress(cl.stderr, "reading the corpus", false)
	if !bar.Shown() {
		return
	}
	failure := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		var done, total int
		if _, err := fmt.Sscanf(line, "%d %d\n", &done, &total); err != nil {
			failure = strings.TrimSpace(line)
			break
		}
		bar.Set(done, total)
	}
	bar.Done()
	switch {
	case ctx.Err() != nil:
		cl.say("mounted; its directories wait until the corpus has been read")
	case failure != "":
		cl.say("mounted, but the corpus cannot be read: %s", failure)
	}
}

func awaitReady(lines *bufio.Reader, cmd *exec.Cmd) error {
	line, err := lines.ReadString('\n')
	if err == nil && line == "ok\n" {
		return nil
	}
	werr := cmd.Wait()
	if msg := strings.TrimSpace(line); msg != "" {
		return errors.New(strings.ReplaceAll(msg, "\x00", "\n"))
	}
	return fmt.Errorf("the file system's process ended before it was ready: %v", werr)
}

func isBackground(cl *cli) bool { return cl.getenv(readyEnv) != "" }

// reportReady reports the result of mounting to the waiting process, and detaches from the
// terminal on success.
func reportReady(cl *cli, mountErr error) error {
	if !isBackground(cl) {
		return nil
	}
	f := os.NewFile(readyFD, "ready")
	if f == nil {
		return errors.New("the starting process is gone")
	}
	syscall.CloseOnExec(readyFD)
	line := "ok\n"
	if mountErr != nil {
		line = strings.ReplaceAll(strings.TrimSpace(mountErr.Error()), "\n", "\x00") + "\n"
	}
	if _, err := io.WriteString(f, line); err != nil {
		f.Close()
		return fmt.Errorf("the starting process is gone: %w", err)
	}
	if mountErr != nil {
		return f.Close()
	}
	cl.ready = f
	return detachStdio()
}

// reportReading reads the whole corpus and reports the progress to the waiting process, if there
// still is one.
func (c *openedCorpus) reportReading(ctx context.Context) {
	read := make(chan error, 1)
	go func() { read <- c.Whole(ctx) }() // ends with ctx
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	report := io.Writer(io.Discard)
	if ready := c.cli.ready; ready != nil {
		report = ready
		defer ready.Close()
	}
	for {
		select {
		case err := <-read:
			switch {
			case ctx.Err() != nil:
			case err != nil:
				fmt.Fprintln(report, strings.ReplaceAll(err.Error(), "\n", " "))
			default:
				c.log.Info("the corpus has been read")
			}
			return
		case <-tick.C:
		}
		if done, total, _ := c.SyncState(); total > 0 {
			fmt.Fprintln(report, done, total) // fails if no process is waiting any more
		}
	}
}

// detachStdio starts a new session, redirects the standard streams to /dev/null and leaves the
// working directory.
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
