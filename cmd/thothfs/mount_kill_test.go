package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

// killRoundsEnv is an environment variable with the number of rounds of TestMountKilledAtRandom.
// The default is killRounds.
const killRoundsEnv = "THOTHFS_KILL_ROUNDS"

const killRounds = 15

// killUsers are bash loops that use the mount while it is killed. $P is its process, $I an existing
// dump. Each command may fail.
var killUsers = []string{
	`while kill -0 $P; do rm mnt/by-ticket/*/$I; ln -s $I mnt/by-ticket/T$((RANDOM % 3))/$I; mv mnt/by-ticket/T0/$I mnt/by-ticket/T1/; done`,
	`while kill -0 $P; do mkdir mnt/by-ticket/T$((RANDOM % 3)); setfattr -n user.thoth.ticket -v T$((RANDOM % 3)) mnt/by-hash/$I; done`,
	`while kill -0 $P; do echo $RANDOM >mnt/by-hash/$I/properties/p; mv mnt/by-hash/$I/properties/{p,q}; rm mnt/by-hash/$I/properties/*; done`,
	`while kill -0 $P; do echo true >mnt/analyzers/a; mv mnt/analyzers/{a,b}; rm mnt/analyzers/b; done`,
	`while kill -0 $P; do ls -lR mnt/by-ticket mnt/by-cmd; cat mnt/by-hash/*/info.json mnt/by-ticket/*/*/properties/*; done`,
	`while kill -0 $P; do stat mnt/by-hash/$RANDOM$RANDOM mnt/by-hash/{0,1,2,3,4,5,6,7}* mnt/by-ticket/T{0,1,2,3}/$I; stat mnt/by-hash/00000000000000000000000000${RANDOM}f; done`,
}

// TestMountKilledAtRandom kills a mount at random moments, while programs use it and another client
// edits. No program may keep waiting, and the next mount must repair the mountpoint.
func TestMountKilledAtRandom(t *testing.T) {
	t.Parallel()
	need(t, "setfattr")
	needFUSE(t)
	rounds := killRounds
	if text := os.Getenv(killRoundsEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	w, srv := newMantaWorld(t, 2*time.Millisecond)
	ids := w.seed(12, 100)
	w.must("ticket", ids[0], "T0")
	w.must("ticket", ids[1], "T1")
	t.Cleanup(w.unmount)
	for round := range rounds {
		w.must("mount", w.mnt, "--poll=50ms", "--attr-timeout=50ms")
		if !w.killRound(srv, ids) {
			t.Fatalf("in round %d", round)
		}
	}
	w.must("mount", w.mnt)
	if n := strings.Count(w.sh("cat /proc/self/mounts"), " "+w.mnt+" "); n != 1 {
		t.Errorf("%d mounts are stacked there", n)
	}
}

// killRound uses the mount, kills its process, and reports whether all users exited.
func (w *world) killRound(srv *mantatest.Server, ids []string) (ok bool) {
	w.t.Helper()
	pid := w.pid()
	var users []*exec.Cmd
	for _, script := range killUsers {
		cmd := exec.Command("bash", "-c", script)
		cmd.Dir = w.dir
		cmd.Env = append(cleanEnv(), fmt.Sprint("P=", pid), "I="+ids[rand.IntN(len(ids))], "LC_ALL=C")
		if err := cmd.Start(); err != nil {
			w.t.Fatal(err)
		}
		users = append(users, cmd)
	}
	var other sync.WaitGroup
	defer other.Wait() // once the store responds again
	other.Go(func() { w.try("ticket", ids[rand.IntN(len(ids))], fmt.Sprint("T", rand.IntN(3))) })
	time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
	if rand.IntN(2) == 0 { // from now on the store swallows what is written
		release := make(chan struct{})
		defer close(release)
		defer srv.Fault(mantatest.On{Method: "PUT"}, mantatest.StallAt(0, release))()
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	return w.allEnd(users, pid)
}

// allEnd reports whether the processes that used a mount and the one that served it exit. If not,
// it prints which of them are waiting in the kernel, and aborts the connection.
func (w *world) allEnd(users []*exec.Cmd, pid int) bool {
	w.t.Helper()
	var ending sync.WaitGroup
	for _, u := range users {
		ending.Go(func() { u.Wait() }) // ends when they are cut off at the latest
	}
	ended := make(chan struct{})
	go func() { ending.Wait(); close(ended) }()
	ok := true
	select {
	case <-ended:
	case <-time.After(time.Minute):
		ok = false
		w.t.Errorf("after kill -9 of %d these wait forever:\n%s", pid, stuckProcesses())
		w.must("umount", w.mnt)
		<-ended
	}
	waitFor(w.t, "the end of the process that was killed", func() bool { return !hasThreads(pid) })
	return ok
}

// stuckProcesses lists the processes with a thread in uninterruptible sleep.
func stuckProcesses() string {
	stats, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	var list strings.Builder
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if _, rest, _ := strings.Cut(string(text), ") "); err == nil && strings.HasPrefix(rest, "D") {
			wchan, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "wchan"))
			fmt.Fprintf(&list, "%s in %s\n", text, wchan)
		}
	}
	return list.String()
}

// hasThreads reports whether a process, or zombie, has a thread that has not exited.
func hasThreads(pid int) bool {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	return err != nil || len(tasks) > 1 || running(pid)
}
