package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a program that runs as a session leader with its own terminal, as if started by a
// user's shell.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	closed chan struct{} // closed when no process has the terminal open any more

	mu   sync.Mutex // guards seen
	seen bytes.Buffer
}

// onTerminal starts a program on a new terminal of 80 columns. It is dumb, unless the environment of the
// program ends in another TERM.
func onTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if !strings.HasPrefix(cmd.Env[len(cmd.Env)-1], "TERM=") {
		cmd.Env = append(cmd.Env, "TERM=dumb")
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, cmd: cmd, master: master, closed: make(chan struct{})}
	go term.read() // ends when the terminal is closed
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	return term
}

func (term *terminal) read() {
	defer close(term.closed)
	buf := make([]byte, 4096)
	for {
		n, err := term.master.Read(buf)
		term.mu.Lock()
		term.seen.Write(buf[:n])
		term.mu.Unlock()
		if err != nil {
			return // EIO once no process has the terminal open
		}
	}
}

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.seen.String()
}

// expect waits until the program has written want, and discards its output so far.
func (term *terminal) expect(want string) string {
	term.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !strings.Contains(term.text(), want) {
		if time.Now().After(deadline) {
			term.t.Fatalf("not within two minutes: %q, but:\n%s", want, term.text())
		}
		time.Sleep(10 * time.Millisecond)
	}
	term.mu.Lock()
	defer term.mu.Unlock()
	text := term.seen.String()
	at := strings.Index(text, want) + len(want)
	rest := text[at:]
	term.seen.Reset()
	term.seen.WriteString(rest)
	return text[:at]
}

// send writes keys as if typed.
func (term *terminal) send(keys string) {
	term.t.Helper()
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// code waits for the program and its last output, and returns its exit code. It does not wait for
// output from processes that the program left behind.
func (term *terminal) code() int {
	term.t.Helper()
	killer := time.AfterFunc(2*time.Minute, func() { term.cmd.Process.Kill() })
	defer killer.Stop()
	term.cmd.Wait()
	select {
	case <-term.closed:
	case <-time.After(5 * time.Second):
	}
	return term.cmd.ProcessState.ExitCode()
}
