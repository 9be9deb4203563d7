package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
)

// readyFD is where the background half of `mount` reports to the half that the
// user started: one line, "ok" or an error; its end without a line is a crash. After
// "ok" a line "DONE TOTAL" follows from time to time while the corpus is read, until
// the end, or a line that says why it cannot be read.
const readyFD = 3

// readyEnv marks the background half.
const readyEnv = "THOTHFS_READY_FD"

// background starts this program again with the same arguments, and waits until
// it has mounted or said why not. Go cannot fork, so the child is a fresh run that
// finds readyEnv set. It keeps the terminal until it is ready: it may have to ask
// for a passphrase. Then it becomes a session of its own.
func background(ctx context.Context, cl *cli) error {
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
	lines := bufio.NewReader(r)
	if err := awaitReady(lines, cmd); err != nil {
		return err
	}
	stop() // it is not ours any more
	defer context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Now()) })()
	showReading(ctx, cl, lines)
	return cmd.Process.Release()
}

// showReading shows on the terminal how far the corpus has been read. Ctrl-C stops the
// display alone.
func showReading(ctx context.Context, cl *cli, lines *bufio.Reader) {
	bar := output.NewProgress(cl.stderr, "reading the corpus", false)
	if !bar.Shown() {
		return
	}
	said := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		var done, total int
		if _, err := fmt.Sscanf(line, "%d %d\n", &done, &total); err != nil {
			said = strings.TrimSpace(line)
			break
		}
		bar.Set(done, total)
	}
	bar.Done()
	switch {
	case ctx.Err() != nil:
		cl.say("mounted; its directories wait until the corpus has been read")
	case said != "":
		cl.say("mounted, but the corpus cannot be read: %s", said)
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

// isBackground says whether this process is the background half.
func isBackground(cl *cli) bool { return cl.getenv(readyEnv) != "" }

// reportReady tells the waiting half how mounting went and lets go of the
// terminal: from here on only the log hears of anything.
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

// tellEvery is the interval at which the background half reports its progress to the waiting half.
const tellEvery = 100 * time.Millisecond

// tellReading reads the whole corpus and reports the progress to the waiting half, for as
// long as there is one. Then it releases the waiting half.
func tellReading(ctx context.Context, cl *cli, c *corpus.Corpus, log *slog.Logger) {
	read := make(chan error, 1)
	go func() { read <- c.Whole(ctx) }() // ended by ctx
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	if cl.ready != nil {
		defer cl.ready.Close()
	}
	for {
		select {
		case err := <-read:
			switch {
			case ctx.Err() != nil:
			case err != nil && cl.ready != nil:
				fmt.Fprintln(cl.ready, strings.ReplaceAll(err.Error(), "\n", " "))
			case err == nil:
				log.Info("the corpus has been read")
			}
			return
		case <-tick.C:
		}
		if done, total, _ := c.SyncState(); cl.ready != nil && total > 0 {
			fmt.Fprintln(cl.ready, done, total) // nobody may wait any more
		}
	}
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
