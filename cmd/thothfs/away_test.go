package main

import (
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// line connects a world to its Manta until it is cut.
type line struct {
	net.Listener
	to     string
	silent atomic.Bool // discards what is sent
}

// cutable connects a world to its Manta through a line.
func (w *world) cutable(url string) *line {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	x := &line{Listener: l, to: strings.TrimPrefix(url, "http://")}
	w.t.Cleanup(x.refuse)
	go x.serve() // ends on refuse
	w.setenv("MANTA_URL=http://" + l.Addr().String())
	return x
}

func (x *line) serve() {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for {
		c, err := x.Accept()
		if err != nil {
			return
		}
		open = append(open, c)
		if x.silent.Load() {
			continue
		}
		far, err := net.Dial("tcp", x.to)
		if err != nil {
			continue
		}
		open = append(open, far)
		go x.carry(far, c) // ends with the connections
		go x.carry(c, far)
	}
}

// carry copies data, discarding it once the line is silent.
func (x *line) carry(to, from net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			to.Close()
			return
		}
		if !x.silent.Load() {
			to.Write(b[:n])
		}
	}
}

func (x *line) refuse() { x.Close() }

func (x *line) swallow() { x.silent.Store(true) }

// storesAway lists the ways in which a store can be away, with their messages.
var storesAway = []struct {
	name string
	cut  func(*line)
	says string
}{{"refused", (*line).refuse, "connection refused"}, {"silent", (*line).swallow, "no progress"}}

// TestVerbsWhileTheStoreIsAway checks that while the store is unreachable, verbs print what is in the
// local catalogue and warn that it may be out of date.
func TestVerbsWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for _, away := range storesAway {
		t.Run(away.name, func(t *testing.T) {
			t.Parallel()
			w, srv := newMantaWorld(t, 0)
			x := w.cutable(srv.URL)
			ids := w.seed(7, 100)
			w.must("ls")
			away.cut(x)
			for _, tt := range []struct {
				args []string
				want string
			}{
				{[]string{"ls"}, ids[3][:16]},
				{[]string{"ls", "cmd=cmd3"}, ids[3][:16]},
				{[]string{"info", ids[3]}, `"cmd": "cmd3"`},
				{[]string{"report", "cmd"}, `"cmd3": 1`},
			} {
				r := w.try(tt.args...)
				if r.code != 0 || !strings.Contains(r.stdout, tt.want) || !strings.Contains(r.stderr, away.says) || !strings.Contains(r.stderr, "this is the corpus as it was") {
					t.Errorf("%v: %+v", tt.args, r)
				}
			}
			if r := w.newMachine().try("ls"); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "has no catalogue of the corpus yet") {
				t.Errorf("a machine that knows nothing: %+v", r)
			}
		})
	}
}

// TestFreshWhileTheStoreIsAway checks that with --fresh they fail instead.
func TestFreshWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	x := w.cutable(srv.URL)
	ids := w.seed(2, 100)
	w.must("ls", "--fresh")
	x.refuse()
	for _, args := range [][]string{{"ls"}, {"info", ids[0]}, {"report"}, {"debug", ids[0]}} {
		if r := w.try(append(args, "--fresh")...); r.code != 1 || r.stdout != "" || !strings.HasPrefix(r.stderr, "thothfs: the store is unreachable: dial tcp ") || !strings.Contains(r.stderr, "connection refused") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

// TestVerbsOfASlowStore checks that a slow store does not count as away.
func TestVerbsOfASlowStore(t *testing.T) {
	w, _ := newMantaWorld(t, 400*time.Millisecond)
	w.seed(2, 100)
	w.must("ls")
	w.seed(3, 100)
	if r := w.try("ls"); r.code != 0 || strings.Contains(r.stderr, "away") || strings.Count(r.stdout, "\n") != 4 {
		t.Errorf("%+v", r)
	}
}

// TestDebugWhileTheStoreIsAway checks that debugging a cached dump does not need the store.
func TestDebugWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for _, mounted := range []bool{false, true} {
		w, srv := newMantaWorld(t, 0)
		x := w.cutable(srv.URL)
		id := w.aCore()
		w.must("warm", id, "--all")
		if mounted {
			w.mount()
			w.sh("cat mnt/by-hash/" + id + "/core >whole")
		}
		x.refuse()
		w.sh(`printf '#!/bin/bash\nfor f; do case $f in */by-hash/*) wc -c <"$f";; esac; done\n' >gdb; chmod +x gdb`)
		r := w.try("debug", "--debugger", w.dir+"/gdb", id[:8])
		if r.code != 0 || strings.TrimSpace(r.stdout) != "24960" || !strings.Contains(r.stderr, "the store is unreachable") {
			t.Errorf("mounted %t: %+v", mounted, r)
		}
	}
}

// TestMountWhileTheStoreIsAway checks that a corpus can be mounted without its store.
func TestMountWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	x := w.cutable(srv.URL)
	w.seed(7, 100)
	w.must("ls")
	x.swallow()
	w.mount()
	if got := strings.Fields(w.sh("ls mnt/by-hash | wc -l; ls mnt/by-cmd | wc -l; ls mnt/by-cmd/cmd3 | wc -l")); got[0] != "7" || got[1] != "7" || got[2] != "1" {
		t.Errorf("%v", got)
	}
}

// TestVerbsWhileTheDirectoryIsAway checks that a directory corpus whose file system is not mounted
// is treated as away, not as empty.
func TestVerbsWhileTheDirectoryIsAway(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		w := newWorld(t)
		ids := w.seed(7, 100)
		w.must("ls")
		if err := os.Rename(w.corpus, w.corpus+".elsewhere"); err != nil {
			t.Fatal(err)
		}
		says := "no such directory"
		if empty {
			says = "is its file system mounted?"
			if err := os.Mkdir(w.corpus, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{{"ls"}, {"info", ids[0]}, {"report", "cmd"}} {
			r := w.try(args...)
			if r.code != 0 || r.stdout == "" || !strings.Contains(r.stderr, says) || !strings.Contains(r.stderr, "this is the corpus as it was") {
				t.Errorf("%v: %+v", args, r)
			}
			if r := w.try(append(args, "--fresh")...); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, says) {
				t.Errorf("%v --fresh: %+v", args, r)
			}
		}
		if r := w.newMachine().try("ls"); !empty && (r.code != 1 || !strings.Contains(r.stderr, says)) {
			t.Errorf("a machine that knows nothing: %+v", r)
		}
	}
}
