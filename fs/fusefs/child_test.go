package fusefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childRole is the name of an environment variable that makes the test binary run as a program that
// uses a mount, for tests of signals and page faults.
const childRole = "THOTHFS_FS_TEST_ROLE"

// roles are the actions of a child on a path. Each prints "ready" before it may block.
var roles = map[string]func(path string) error{
	"buffered": func(path string) error { return readOnce(path, 0) },
	"random":   func(path string) error { return readAdvised(path) },
	"direct":   func(path string) error { return readOnce(path, unix.O_DIRECT) },
	"mmap":     readMapped,
	"stat":     func(path string) error { return ready(func() error { return second(os.Stat(path)) }) },
	"open":     func(path string) error { return ready(func() error { return second(os.Open(path)) }) },
	"readdir":  func(path string) error { return ready(func() error { return second(os.ReadDir(path)) }) },
	"getxattr": func(path string) error {
		return ready(func() error { return second(unix.Getxattr(path, "user.thoth.cmd", make([]byte, 100))) })
	},
	"storm": readInStorm,
	"hold":  hold,
	"save":  saveInStorm,

	"serve stuck": func(dir string) error { return serveStuck(dir, false) },
	"serve hung":  func(dir string) error { return serveStuck(dir, true) },
}

// child runs a role and returns the exit code, which is different for each errno.
func child(role string, args []string) int {
	err := roles[role](args[0])
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		fmt.Println(errno.Error())
		return int(errno)
	}
	fmt.Println(err)
	return 255
}

func ready(do func() error) error {
	fmt.Println("ready")
	return do()
}

func readOnce(path string, flags int) error {
	fd, err := unix.Open(path, unix.O_RDONLY|flags, 0)
	if err != nil {
		return err
	}
	buf, err := unix.Mmap(-1, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	return ready(func() error { return second(unix.Pread(fd, buf, 0)) })
}

func readAdvised(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM); err != nil {
		return err
	}
	return ready(func() error { return second(unix.Pread(fd, make([]byte, 100), 0)) })
}

func readMapped(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	b, err := unix.Mmap(fd, 0, 1<<16, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	return ready(func() error { return second(os.Stdout.Write(b[:0:b[100]])) })
}

// storm sends signals to this process until stop is called.
func storm() (stop func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGURG, syscall.SIGUSR1)
	end := make(chan struct{})
	go func() { // ends on stop
		for {
			select {
			case <-end:
				return
			case <-time.After(50 * time.Microsecond):
				syscall.Kill(os.Getpid(), syscall.SIGUSR1)
			}
		}
	}()
	return func() { close(end) }
}

// saveInStorm writes a file and closes it while signals arrive.
func saveInStorm(path string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT, 0o644)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, []byte("saved")); err != nil {
		return err
	}
	defer storm()()
	return unix.Close(fd)
}

// readInStorm reads a whole file while signals arrive, and prints the sum of its bytes. No call may
// fail because of the signals.
func readInStorm(path string) error {
	defer storm()()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	buf, err := unix.Mmap(-1, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	for off := int64(0); ; {
		n, err := unix.Pread(fd, buf, off)
		if err != nil || n == 0 {
			return err
		}
		off += int64(n)
	}
}

// hold keeps a file open until standard input is closed, then reads the file.
func hold(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	data, err := io.ReadAll(f)
	fmt.Println(len(data))
	return err
}

// actor is a running child.
type actor struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *logged
	ended chan error // receives the exit error once
}

// start runs a child and waits until it is ready. The child is stopped when the test ends.
func start(t testing.TB, role, path string) *actor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	a := &actor{cmd: exec.CommandContext(ctx, self, path), out: &logged{}, ended: make(chan error, 1)}
	a.cmd.Env = append(os.Environ(), childRole+"="+role)
	a.cmd.Stdout, a.cmd.Stderr, a.cmd.Dir = a.out, a.out, "/"
	in, err := a.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.in = in
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { a.ended <- a.cmd.Wait() }() // ends with the child
	t.Cleanup(func() { in.Close() })
	if role != "storm" && role != "save" {
		eventually(t, role+" is ready", func() bool { return strings.Contains(a.out.String(), "ready") })
	}
	return a
}

// wait waits for the child to exit and returns its status.
func (a *actor) wait(t testing.TB) syscall.WaitStatus {
	t.Helper()
	<-a.ended
	return a.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func (a *actor) said() string {
	_, rest, _ := bytes.Cut([]byte(a.out.String()), []byte("ready\n"))
	return strings.TrimSpace(string(rest))
}
