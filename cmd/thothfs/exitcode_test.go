package main

import (
	"strings"
	"testing"
)

// TestExitCodes checks exit codes and messages for wrong arguments and absent dumps. It tries one
// verb for each kind of argument.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aCore()
	for _, c := range []struct {
		args []string
		code int
		want string // in standard error; in standard output if the code is 0
	}{
		{[]string{"ls"}, exitOK, "DUMP"},
		{[]string{"list"}, exitOK, "DUMP"},
		{[]string{"--version"}, exitOK, "thothfs " + versionText()},
		{[]string{"help", "ls"}, exitOK, "Lists the dumps"},
		{[]string{"help"}, exitOK, "Store dumps:"},
		{[]string{"help", "nosuch"}, exitUsage, `unknown verb "nosuch" (see: thothfs --help)`},
		{[]string{"inof"}, exitUsage, `unknown verb "inof": did you mean info? (see: thothfs --help)`},
		{[]string{"info"}, exitUsage, "usage: thothfs info SPEC... (see: thothfs info --help)"},
		{[]string{"version", "x"}, exitUsage, "usage: thothfs version (see: thothfs version --help)"},
		{[]string{"ls", "--nosuch"}, exitUsage, "unknown flag: --nosuch (see: thothfs ls --help)"},
		{[]string{"ls", "--cache-size=x"}, exitUsage, "expected a size such as 512MB or 20GiB"},
		{[]string{"ls", "cmd=a", "limit=x"}, exitUsage, "limit"},
		{[]string{"info", "deadbeef"}, exitNotFound, "deadbeef is not in the corpus"},
		{[]string{"debug", "cmd=nosuch"}, exitNotFound, `no dump matches "cmd=nosuch"`},
		{[]string{"unmount", w.dir}, exitFailure, "is not mounted by thothfs"},
	} {
		r := w.try(c.args...)
		said := r.stderr
		if c.code == exitOK {
			said = r.stdout
		}
		if r.code != c.code || !strings.Contains(said, c.want) || c.code != exitOK && r.stdout != "" {
			t.Errorf("%q: %+v, want %d and %q", c.args, r, c.code, c.want)
		}
	}
	w.setenv("THOTHFS_CACHE_SIZE=x")
	if r := w.try("ls"); r.code != exitUsage || !strings.Contains(r.stderr, `THOTHFS_CACHE_SIZE="x" in the environment`) {
		t.Errorf("a wrong value in the environment: %+v", r)
	}
}
