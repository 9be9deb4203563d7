package dump

import (
	"regexp"
	"strings"
)

// JournalFields are the fields of a journal entry that OriginFromJournal reads.
var JournalFields = []string{"_SYSTEMD_UNIT", "_BOOT_ID", "COREDUMP_HOSTNAME", "COREDUMP_EXE", "COREDUMP_UNIT", "COREDUMP_USER_UNIT", "COREDUMP_CGROUP", "COREDUMP_CONTAINER_CMDLINE"}

// JournalMatches returns what identifies the entry of systemd-coredump (SD_MESSAGE_COREDUMP) for the
// file called base in its directory.
func JournalMatches(base string) []string {
	return []string{"MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1", "COREDUMP_FILENAME=/var/lib/systemd/coredump/" + base}
}

// OriginFromJournal reads the fields of such an entry. get returns the text of a field, or "". Only
// the fields that begin with an underscore are journald's own, so that an entry of another service,
// which any user can write, says nothing.
func OriginFromJournal(get func(field string) string) Origin {
	if !strings.HasPrefix(get("_SYSTEMD_UNIT"), "systemd-coredump@") {
		return Origin{}
	}
	o := Origin{Node: get("COREDUMP_HOSTNAME"), Exe: get("COREDUMP_EXE"), Unit: get("COREDUMP_UNIT"), Source: "journal"}
	if unit := get("COREDUMP_USER_UNIT"); unit != "" {
		o.Unit = unit
	}
	o.Container = containerOf(get("COREDUMP_CGROUP"))
	o.Boot, _ = ParseID(get("_BOOT_ID"))
	return o
}

// containerNames match the part of a control group that names a container: the ID that Docker,
// Podman, containerd and CRI-O give it, or its name in LXC and systemd-nspawn.
var containerNames = []*regexp.Regexp{
	regexp.MustCompile(`(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:/|$)`),
	regexp.MustCompile(`/lxc(?:\.payload\.|/)([^/]+)`),
	regexp.MustCompile(`/machine-([^/]+)\.scope`),
}

// containerOf returns the container that a control group belongs to, or "".
func containerOf(cgroup string) string {
	for _, name := range containerNames {
		if m := name.FindStringSubmatch(cgroup); m != nil {
			return unescape(m[1])
		}
	}
	return ""
}
