package dir_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"thothfs/store"
	"thothfs/store/dir"
)

// The test binary runs itself as a child. One variable holds the child's role, the other its
// directory.
const (
	childRole = "THOTHFS_DIR_TEST_ROLE"
	childRoot = "THOTHFS_DIR_TEST_ROOT"
)

func startChild(t *testing.T, role, root string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childRole+"="+role, childRoot+"="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

// child runs the given role in a child process.
func child(role string) int {
	s, err := dir.Open(os.Getenv(childRoot))
	if err == nil {
		switch role {
		case "count":
			err = count(s)
		case "create":
			err = createMany(s)
		case "hang":
			_, err = s.Put(context.Background(), store.Ref{Key: "d/hanging"}, hanging{}, 64<<20)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		return 1
	}
	return 0
}

const (
	processes = 4
	edits     = 15
	creations = 20
)

func count(s store.Store) error {
	ctx := context.Background()
	for done := 0; done < edits; {
		data, attr, err := s.Get(ctx, store.Ref{Key: "d/n"}, 100)
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(data))
		next := []byte(strconv.Itoa(n + 1))
		_, err = s.Put(ctx, store.Ref{Key: "d/n", ETag: attr.ETag}, bytes.NewReader(next), int64(len(next)))
		if err == nil {
			done++
		} else if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

// createMany tries to create a number of objects, and prints those that it created.
func createMany(s store.Store) error {
	for i := range creations {
		me := []byte(strconv.Itoa(os.Getpid()))
		_, err := s.Put(context.Background(), store.Ref{Key: fmt.Sprintf("d%d/o", i)}, bytes.NewReader(me), int64(len(me)))
		if err == nil {
			fmt.Println(i)
		} else if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

// hanging is a source that prints a line when half of it has been read, and then blocks.
type hanging struct{}

func (hanging) ReadAt(p []byte, off int64) (int, error) {
	if off >= 32<<20 {
		fmt.Println("half")
		select {}
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestEditingProcesses(t *testing.T) {
	s, root := open(t)
	put(t, s, store.Ref{Key: "d/n"}, "0")
	var all []*exec.Cmd
	for range processes {
		cmd, _ := startChild(t, "count", root)
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	data, _, err := s.Get(t.Context(), store.Ref{Key: "d/n"}, 100)
	if string(data) != strconv.Itoa(processes*edits) {
		t.Errorf("%q, %v, want %d", data, err, processes*edits)
	}
}

func TestCreatingProcesses(t *testing.T) {
	s, root := open(t)
	winner := map[string]int{}
	cmds, outs := make([]*exec.Cmd, processes), make([]*bufio.Reader, processes)
	for i := range cmds {
		cmds[i], outs[i] = startChild(t, "create", root)
	}
	for i, cmd := range cmds {
		out, err := io.ReadAll(outs[i])
		if err := errors.Join(err, cmd.Wait()); err != nil {
			t.Error(err)
		}
		for _, n := range strings.Fields(string(out)) {
			if other, taken := winner[n]; taken {
				t.Errorf("%s was made by %d and %d", n, other, cmd.Process.Pid)
			}
			winner[n] = cmd.Process.Pid
		}
	}
	for i := range creations {
		data, _, err := s.Get(t.Context(), store.Ref{Key: fmt.Sprintf("d%d/o", i)}, 100)
		if want := strconv.Itoa(winner[strconv.Itoa(i)]); string(data) != want {
			t.Errorf("%d: %q, %v, want %s", i, data, err, want)
		}
	}
}

// TestKilledProcess checks that unfinished objects of a killed process are invisible and are
// removed by the next Open, and that those of a running process stay.
func TestKilledProcess(t *testing.T) {
	s, root := open(t)
	put(t, s, store.Ref{Key: "d/o"}, "data")
	cmd, out := startChild(t, "hang", root)
	if line, err := out.ReadString('\n'); line != "half\n" {
		t.Fatal(line, err)
	}
	temps := func() int {
		t.Helper()
		left, err := os.ReadDir(filepath.Join(root, ".thothfs", "tmp"))
		if err != nil {
			t.Fatal(err)
		}
		return len(left)
	}
	reopen := func() {
		t.Helper()
		again, err := dir.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
	}
	reopen()
	if n := temps(); n != 1 {
		t.Errorf("%d files of a living process", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if n := temps(); n != 1 {
		t.Errorf("%d files of a killed process", n)
	}
	if got := list(t, s, "d"); len(got) != 1 {
		t.Errorf("visible: %q", got)
	}
	_, err := s.Stat(t.Context(), "d/hanging")
	wantKind(t, err, store.ErrNotExist)
	reopen()
	if n := temps(); n != 0 {
		t.Errorf("%d files left", n)
	}
	put(t, s, store.Ref{Key: "d/hanging"}, "the next try")
}
