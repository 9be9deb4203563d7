package dump

import (
	"reflect"
	"strings"
	"testing"
)

func TestOriginFromJournal(t *testing.T) {
	t.Parallel()
	const boot = "fc2e22bc6ee647b6b90729ab34a250b1"
	bootID, err := ParseID(boot)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{"_SYSTEMD_UNIT": "systemd-coredump@7-123-0.service", "_BOOT_ID": boot, "COREDUMP_HOSTNAME": "db7",
		"COREDUMP_EXE": "/usr/bin/node", "COREDUMP_UNIT": "shop.service", "COREDUMP_CGROUP": "/system.slice/shop.service"}
	get := func(name string) string { return fields[name] }
	want := Origin{Node: "db7", Exe: "/usr/bin/node", Unit: "shop.service", Boot: bootID, Source: "journal"}
	if got := OriginFromJournal(get); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	fields["COREDUMP_USER_UNIT"] = "editor.service"
	if got := OriginFromJournal(get); got.Unit != "editor.service" {
		t.Errorf("%+v", got)
	}
	fields["_SYSTEMD_UNIT"] = "session-1.scope" // written by a user
	if got := OriginFromJournal(get); !reflect.DeepEqual(got, Origin{}) {
		t.Errorf("%+v", got)
	}
}

func TestContainerOf(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0a", 32)
	for cgroup, want := range map[string]string{
		"": "", "/": "", "/system.slice/shop.service": "", "/user.slice/" + id[1:]: "", "/a" + id + "a": "",
		"/docker/" + id: id, "/system.slice/docker-" + id + ".scope": id, "/user.slice/libpod-" + id + ".scope/container": id,
		"/kubepods.slice/kubepods-besteffort.slice/cri-containerd-" + id + ".scope": id, "/kubepods/pod1/" + id: id,
		"/lxc/web": "web", "/lxc.payload.web/system.slice": "web", `/machine.slice/machine-deb\x2d12.scope/payload`: "deb-12",
	} {
		if got := containerOf(cgroup); got != want {
			t.Errorf("%q: %q, want %q", cgroup, got, want)
		}
	}
}
