package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"thothfs/store/manta/mantatest"
)

// TestOwnVerbsShowInOwnMounts checks that changes made by verbs appear immediately in mounts with
// the same cache directory, although these poll the store only once an hour and let the kernel
// cache attributes for an hour.
func TestOwnVerbsShowInOwnMounts(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	id := w.aCore()
	w.mount("--poll=1h", "--attr-timeout=1h")
	second := *w
	second.mnt = t.TempDir()
	second.mount("--poll=1h", "--attr-timeout=1h")
	mounts := []string{w.mnt, second.mnt}
	waitFor(t, "both know the dump", func() bool {
		return w.sh("ls "+mounts[0]+"/by-hash "+mounts[1]+"/by-hash | grep -c "+id+" || true") == "2\n"
	})
	// A mount writes to the change log after the edit.
	var asked atomic.Int64
	srv.Fault(mantatest.On{Match: func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "/.thothfs/changes") }},
		mantatest.Before(func() { asked.Add(1) }))
	// shows waits until a script prints want in each mount. Unless asks is set, the mounts must not
	// need the store.
	shows := func(script, want string, asks bool) {
		t.Helper()
		before := asked.Load()
		for _, m := range mounts {
			got := ""
			defer func() {
				if got != want {
					t.Errorf("%s in %s: %q, want %q", script, m, got, want)
				}
			}()
			waitFor(t, script, func() bool {
				got = strings.TrimSpace(w.sh("cd " + m + "; H=" + id + "; (" + script + ") 2>&1 || true"))
				return got == want
			})
		}
		if n := asked.Load() - before; n > 0 && !asks {
			t.Errorf("%s: %d requests", script, n)
		}
	}
	shows("ls by-ticket", "", true)
	shows("cat by-hash/$H/properties/triage >/dev/null 2>&1 || echo none", "none", true)
	shows("cat analyzers/mine >/dev/null 2>&1 || echo none", "none", true)

	w.must("ticket", id, "OS-1")
	shows("ls by-ticket/*; getfattr --only-values -n user.thoth.ticket by-hash/$H", id+"\nOS-1", false)
	w.must("set", id, "triage", "bmc")
	shows("cat by-hash/$H/properties/triage; ls query/properties.triage=bmc; grep -c bmc by-hash/$H/info.json", "bmc\n"+id+"\n1", false)
	w.must("unset", id, "triage")
	shows("ls query/properties.triage=bmc; test -e by-hash/$H/properties/triage || echo gone", "gone", false)
	w.must("unticket", id)
	shows("ls by-ticket; ls query/ticket=undefined", id, false)

	w.tryInput("echo mine", "analyzer", "mine")
	shows("cat analyzers/mine", "echo mine", true)
	w.must("analyzer", "--rm", "mine")
	shows("cat analyzers/mine >/dev/null 2>&1 || ls analyzers | wc -l", "0", true)

	w.sh("printf '#!/bin/bash\\n. $THOTH_INIT\\nthoth_ticket OS-2\\n' >script; chmod +x script")
	w.must("analyze", id, "./script")
	shows("ls by-ticket/*", id, false)
	if r := w.debugShell(id, "shell", `thoth_ticket OS-3; echo 'echo shell' >"$THOTH_ANALYZER"`); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	shows("ls by-ticket; cat analyzers/shell", "OS-3\necho shell", true)

	other := firstWord(w.must("upload", "--no-stack", shippedCores(t)[1]))
	shows("ls by-hash | wc -l; ls by-cmd/*/ | grep -c "+other, "2\n1", false)
	w.sh("cd " + second.mnt + "/by-hash/" + id + "; setfattr -n user.thoth.ticket -v OS-4 .; echo x >properties/y")
	shows("ls by-ticket; cat by-hash/$H/properties/y", "OS-4\nx", false)
}
