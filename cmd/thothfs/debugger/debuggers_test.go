package debugger

import (
	"strings"
	"testing"

	"thothfs/dump"
)

func TestDebuggerOfEveryDump(t *testing.T) {
	for _, c := range []struct {
		info dump.Info
		want string
	}{
		{dump.Info{OS: "illumos", Type: dump.Core, Machine: "x86_64"}, "mdb"},
		{dump.Info{OS: "illumos", Type: dump.Crash}, "mdb"},
		{dump.Info{OS: "linux", Type: dump.Crash, Machine: "x86_64"}, "crash drgn"},
		{dump.Info{OS: "linux", Type: dump.Core}, "gdb lldb"},
		{dump.Info{OS: "linux", Type: dump.Core, Machine: "hppa"}, "gdb-multiarch lldb gdb"},
		{dump.Info{OS: "freebsd", Type: dump.Core}, "lldb gdb-multiarch gdb"},
		{dump.Info{OS: "freebsd", Type: dump.Crash}, "kgdb"},
	} {
		got := namesFor(&c.info)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s of %s: %v, want %s", c.info.OS, c.info.Type, c.info.Machine, got, c.want)
		}
		for _, name := range got {
			if howToInstall[name] == "" {
				t.Errorf("no hint says where %s comes from", name)
			}
		}
	}
}
