package dump

import (
	"reflect"
	"testing"
)

// TestFactsOfRealCores checks who died, of what, and under which kernel, as eu-readelf -n prints it.
func TestFactsOfRealCores(t *testing.T) {
	t.Parallel()
	null := SignalInfo{Number: 11, Name: "SIGSEGV", HasCode: true, Code: 1, CodeName: "SEGV_MAPERR", Address: new(uint64(0))}
	sent := func(number int, name string, pid, uid int) SignalInfo {
		return SignalInfo{Number: number, Name: name, HasCode: true, Code: -6, CodeName: "SI_TKILL", PID: &pid, UID: &uid}
	}
	for file, want := range map[string]struct {
		raised         SignalInfo
		ppid, uid, gid *int
		kernel         string
	}{
		"lldb-linux-x86_64.core":   {null, new(966), new(0), new(0), "5.5.13"},
		"lldb-linux-i386.core":     {null, new(32212), new(1007), new(1007), "3.16.7"},
		"lldb-linux-aarch64.core":  {null, new(37659), new(10174), new(10000), "4.12.13"},
		"lldb-linux-ppc64le.core":  {null, new(28145), new(1000), new(1000), "4.10.8"},
		"lldb-linux-s390x.core":    {null, new(5518), new(37276), new(37277), ""},
		"lldb-gcore-x86_64.core":   {SignalInfo{}, new(5642), new(1000), new(1000), "4.8.0"},
		"lldb-threads-x86_64.core": {sent(4, "SIGILL", 5222, 1000), new(2221), new(1000), new(1000), "4.8.0"},
		"lldb-freebsd-x86_64.core": {SignalInfo{Number: 11, Name: "SIGSEGV"}, nil, nil, nil, ""},
		"lldb-netbsd-amd64.core":   {SignalInfo{Number: 11, Name: "SIGSEGV"}, new(1059), new(1000), new(1000), ""},
		"pyelftools-linux32.core":  {sent(6, "SIGABRT", 11038, 1000), new(10442), new(1000), new(1000), "4.15.18"},
		"pyelftools-linux64.core":  {sent(6, "SIGABRT", 23395, 1000), new(23187), new(1000), new(1000), "4.4.6"},
		"pyelftools-simple64.core": {sent(6, "SIGABRT", 135113, 37449), new(1009674), new(37449), new(20221), "3.18.25"},
	} {
		info := inspect(t, readCore(t, file))
		got, ok := info.Raised()
		if ok != (want.raised.Number != 0) || !reflect.DeepEqual(got, want.raised) {
			t.Errorf("%s: %+v, want %+v", file, got, want.raised)
		}
		if !reflect.DeepEqual([]*int{info.PPID, info.UID, info.GID}, []*int{want.ppid, want.uid, want.gid}) || info.Kernel != want.kernel {
			t.Errorf("%s: parent %v, user %v, group %v, kernel %q", file, info.PPID, info.UID, info.GID, info.Kernel)
		}
	}
}

func TestSignalNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		os, machine string
		number      int
		want        string
	}{
		{"linux", "x86_64", 11, "SIGSEGV"}, {"linux", "x86_64", 7, "SIGBUS"}, {"linux", "x86_64", 31, "SIGSYS"}, {"linux", "x86_64", 40, "SIG40"},
		{"linux", "mips64", 10, "SIGBUS"}, {"linux", "mipsel", 7, "SIGEMT"}, {"linux", "sparc64", 10, ""}, {"linux", "x86_64", 0, ""}, {"linux", "x86_64", -1, ""},
		{"illumos", "x86_64", 10, "SIGBUS"}, {"illumos", "i386", 12, "SIGSYS"}, {"illumos", "i386", 41, "SIGINFO"}, {"freebsd", "x86_64", 29, "SIGINFO"}, {"openbsd", "x86_64", 31, "SIGUSR2"},
		{"hubris", "arm", 11, ""},
	} {
		info := &Info{OS: c.os, Machine: c.machine}
		if got := info.SignalName(c.number); got != c.want {
			t.Errorf("%s %s %d: %q, want %q", c.os, c.machine, c.number, got, c.want)
		}
	}
}

// TestSiginfoOfAnotherSignal checks that the siginfo of another signal than the one that ended the
// process is not used.
func TestSiginfoOfAnotherSignal(t *testing.T) {
	t.Parallel()
	info := &Info{OS: "linux", Machine: "x86_64", Signal: 6, raised: SignalInfo{Number: 11, HasCode: true, Code: 1, Address: new(uint64(8))}}
	if got, ok := info.Raised(); !ok || !reflect.DeepEqual(got, SignalInfo{Number: 6, Name: "SIGABRT"}) {
		t.Errorf("%+v", got)
	}
}

func TestExecutablePath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "./a.out": "", "/bin/a": "/bin/a", "/bin/a (deleted)": "/bin/a", "/home/./a": "/home/a"} {
		if got := (&Info{Executable: in}).ExecutablePath(); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
