package dump

import (
	"reflect"
	"testing"
	"time"
)

func TestOriginFromName(t *testing.T) {
	const boot = "fc2e22bc6ee647b6b90729ab34a250b1"
	bootID, err := ParseID(boot)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1700000000, 123456000).UTC()
	for _, c := range []struct {
		name string
		want Origin
	}{
		{"core.node.1000." + boot + ".4242.1700000000123456.zst", Origin{Cmd: "node", Boot: bootID, PID: 4242, UID: new(1000), Time: at, Source: "name"}},
		{"core.node.1000." + boot + ".4242.1700000000123456", Origin{Cmd: "node", Boot: bootID, PID: 4242, UID: new(1000), Time: at, Source: "name"}},
		{"core.svc.startd.0." + boot + ".10.1700000000123456.lz4", Origin{Cmd: "svc.startd", Boot: bootID, PID: 10, UID: new(0), Time: at, Source: "name"}},
		{`core.a\x2fb\x20c.0.` + boot + ".10.1700000000123456.xz", Origin{Cmd: "a/b c", Boot: bootID, PID: 10, UID: new(0), Time: at, Source: "name"}},
		{`core.a\x2.0.` + boot + ".10.1700000000123456", Origin{Cmd: `a\x2`, Boot: bootID, PID: 10, UID: new(0), Time: at, Source: "name"}},
		{"core.node.1000." + boot + ".4242.0", Origin{Cmd: "node", Boot: bootID, PID: 4242, UID: new(1000), Source: "name"}},
		{"core.12345", Origin{PID: 12345, Source: "name"}},
		{"core.99999999999", Origin{}},
		{"core.", Origin{}},
		{"core", Origin{}},
		{"vmcore.0", Origin{}},
		{"core.svc.startd.70377", Origin{}}, // unknown pattern; the dump itself contains this information
		{"core..1000." + boot + ".4242.17", Origin{}},
		{"core.node.1000." + boot[1:] + ".4242.17", Origin{}},
		{"core.node.4294967295." + boot + ".4242.17", Origin{}},
		{"core.node.x." + boot + ".4242.17", Origin{}},
		{"core.node.1000." + boot + ".4242.99999999999999999999", Origin{}},
		{"core.node.1000." + boot + ".-1.17", Origin{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := OriginFromName(c.name); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestOriginFromXattrs(t *testing.T) {
	attrs := map[string]string{
		"user.coredump.pid": "4242", "user.coredump.uid": "1000", "user.coredump.signal": "11",
		"user.coredump.timestamp": "1700000000123456", "user.coredump.hostname": "db7",
		"user.coredump.comm": "node", "user.coredump.exe": "/usr/bin/node",
		"user.coredump.gid": "100", "user.coredump.rlimit": "18446744073709551615", "user.coredump.bootid": "fc2e22bc6ee647b6b90729ab34a250b1",
	}
	get := func(name string) (string, bool) { v, ok := attrs[name]; return v, ok }
	boot, err := ParseID(attrs["user.coredump.bootid"])
	if err != nil {
		t.Fatal(err)
	}
	want := Origin{Node: "db7", Cmd: "node", Exe: "/usr/bin/node", Boot: boot, PID: 4242, UID: new(1000), GID: new(100), Signal: 11,
		Time: time.Unix(1700000000, 123456000).UTC(), Limit: "unlimited", Source: "xattr"}
	if got := OriginFromXattrs(get); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := OriginFromXattrs(func(string) (string, bool) { return "", false }); got != (Origin{}) {
		t.Errorf("got %+v", got)
	}
	attrs["user.coredump.rlimit"] = "9223372036854775808"
	if got := OriginFromXattrs(get); got.Limit != "unlimited" {
		t.Errorf("got %+v", got)
	}
	attrs["user.coredump.rlimit"] = "1048576"
	if got := OriginFromXattrs(get); got.Limit != "1048576" {
		t.Errorf("got %+v", got)
	}
	odd := func(string) (string, bool) { return "-5\x00x", true }
	if got := OriginFromXattrs(odd); got.PID != 0 || got.UID != nil || got.GID != nil || got.Signal != 0 || got.Limit != "" || got.Boot != (ID{}) || !got.Time.IsZero() || got.Node != "-5" {
		t.Errorf("got %+v", got)
	}
}
