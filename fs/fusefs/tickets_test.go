package fusefs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thothfs/store"
	"thothfs/store/mem"
)

// TestTickets changes tickets through directories and links, while the kernel may cache attributes
// for an hour.
func TestTickets(t *testing.T) {
	m := mountForAnHour(t, threeDumps(t))
	at := func(names ...string) string { return m.path(append([]string{"by-ticket"}, names...)...) }
	ticket := func(hash string) string { return m.stored(t, hash, "ticket") }
	for _, s := range []struct {
		name string
		do   func() error
		err  error
		want map[string]string // the dumps in each ticket directory
	}{
		{"mkdir", func() error { return os.Mkdir(at("OS-9"), 0o755) }, nil, map[string]string{"OS-1": "A", "OS-9": ""}},
		{"mkdir again", func() error { return os.Mkdir(at("OS-9"), 0o755) }, syscall.EEXIST, nil},
		{"mkdir of one in use", func() error { return os.Mkdir(at("OS-1"), 0o755) }, syscall.EEXIST, nil},
		{"mkdir of nothing", func() error { return os.Mkdir(at("%"), 0o755) }, syscall.EINVAL, nil},
		{"mkdir with an equals sign", func() error { return os.Mkdir(at("a=b"), 0o755) }, syscall.EINVAL, nil},
		{"mkdir of a long name", func() error { return os.Mkdir(at(strings.Repeat("n", 300)), 0o755) }, syscall.ENAMETOOLONG, nil},
		{"mkdir in a ticket", func() error { return os.Mkdir(at("OS-9", "x"), 0o755) }, syscall.EPERM, nil},
		{"link", func() error { return os.Symlink("../../by-hash/"+hashB, at("OS-9", hashB)) }, nil, map[string]string{"OS-1": "A", "OS-9": "B"}},
		{"link again", func() error { return os.Symlink("../../by-hash/"+hashB, at("OS-9", hashB)) }, syscall.EEXIST, nil},
		{"link from elsewhere", func() error { return os.Symlink(m.path("by-type/crash", hashC)+"/", at("OS-9", hashC)) }, nil, map[string]string{"OS-1": "A", "OS-9": "BC"}},
		{"link of another name", func() error { return os.Symlink("../../by-hash/"+hashA, at("OS-9", "mine")) }, syscall.EINVAL, nil},
		{"link to another dump", func() error { return os.Symlink("../../by-hash/"+hashA, at("OS-9", hashOf("77"))) }, syscall.EINVAL, nil},
		{"link to nothing of ours", func() error { return os.Symlink("/etc/passwd", at("OS-9", hashA)) }, syscall.EINVAL, nil},
		{"link to no dump", func() error { return os.Symlink("../../by-hash/"+hashOf("77"), at("OS-9", hashOf("77"))) }, syscall.ENOENT, nil},
		{"file", func() error { return second(os.Create(at("OS-9", "file"))) }, syscall.EPERM, nil},
		{"file beside tickets", func() error { return second(os.Create(at("file"))) }, syscall.EPERM, nil},
		{"link beside tickets", func() error { return os.Symlink("../by-hash/"+hashA, at(hashA)) }, syscall.EPERM, nil},
		{"rename a ticket", func() error { return unix.Rename(at("OS-1"), at("OS-2")) }, nil, map[string]string{"OS-2": "A", "OS-9": "BC"}},
		{"rename a ticket back", func() error { return unix.Rename(at("OS-2"), at("OS-1")) }, nil, map[string]string{"OS-1": "A", "OS-9": "BC"}},
		{"rename a ticket of several", func() error { return unix.Rename(at("OS-9"), at("a%2Fb")) }, nil, map[string]string{"OS-1": "A", "a%2Fb": "BC"}},
		{"rename over a made ticket", func() error {
			return errors.Join(os.Mkdir(at("OS-9"), 0o755), unix.Rename(at("a%2Fb"), at("OS-9")))
		}, nil, map[string]string{"OS-1": "A", "OS-9": "BC"}},
		{"rename over a ticket in use", func() error { return unix.Rename(at("OS-1"), at("OS-9")) }, syscall.ENOTEMPTY, nil},
		{"rename a ticket, keeping", func() error {
			return unix.Renameat2(unix.AT_FDCWD, at("OS-1"), unix.AT_FDCWD, at("OS-9"), unix.RENAME_NOREPLACE)
		}, syscall.EEXIST, nil},
		{"exchange tickets", func() error {
			return unix.Renameat2(unix.AT_FDCWD, at("OS-1"), unix.AT_FDCWD, at("OS-9"), unix.RENAME_EXCHANGE)
		}, syscall.EINVAL, nil},
		{"rename a ticket to itself", func() error { return unix.Rename(at("OS-1"), at("OS-1")) }, nil, nil},
		{"rename a ticket to no name", func() error { return unix.Rename(at("OS-1"), at("a=b")) }, syscall.EINVAL, nil},
		{"rename no ticket", func() error { return unix.Rename(at("OS-77"), at("OS-78")) }, syscall.ENOENT, nil},
		{"rename a ticket into another", func() error { return unix.Rename(at("OS-1"), at("OS-9", "OS-1")) }, syscall.EPERM, nil},
		{"rename a made ticket", func() error {
			return errors.Join(os.Mkdir(at("OS-5"), 0o755), unix.Rename(at("OS-5"), at("OS-6")))
		}, nil, map[string]string{"OS-1": "A", "OS-6": "", "OS-9": "BC"}},
		{"rmdir of a renamed one", func() error { return os.Remove(at("OS-6")) }, nil, map[string]string{"OS-1": "A", "OS-9": "BC"}},
		{"rename into a made one", func() error {
			return errors.Join(os.Mkdir(at("OS-3"), 0o755), os.Rename(at("OS-9", hashC), at("OS-3", hashC)))
		}, nil, map[string]string{"OS-1": "A", "OS-9": "B", "OS-3": "C"}},
		{"rename to another name", func() error { return os.Rename(at("OS-1", hashA), at("OS-3", hashB)) }, syscall.EINVAL, nil},
		{"rename to another view", func() error { return os.Rename(at("OS-1", hashA), m.path("by-node/n2", hashA)) }, syscall.EPERM, nil},
		{"rename the last", func() error { return os.Rename(at("OS-1", hashA), at("OS-9", hashA)) }, nil, map[string]string{"OS-1": "", "OS-9": "AB", "OS-3": "C"}},
		{"rmdir of one in use", func() error { return os.Remove(at("OS-9")) }, syscall.ENOTEMPTY, nil},
		{"rmdir", func() error { return os.Remove(at("OS-1")) }, nil, map[string]string{"OS-9": "AB", "OS-3": "C"}},
		{"rmdir again", func() error { return syscall.Rmdir(at("OS-1")) }, syscall.ENOENT, nil},
		{"unlink", func() error { return os.Remove(at("OS-9", hashA)) }, nil, map[string]string{"OS-9": "B", "OS-3": "C"}},
		{"unlink again", func() error { return syscall.Unlink(at("OS-9", hashA)) }, syscall.ENOENT, nil},
		{"remove all", func() error { return os.RemoveAll(at("OS-9")) }, nil, map[string]string{"OS-3": "C"}},
		{"take from another", func() error {
			return errors.Join(os.Mkdir(at("a%2Fb"), 0o755), os.Symlink("../../by-hash/"+hashC, at("a%2Fb", hashC)))
		}, nil, map[string]string{"a%2Fb": "C"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			before := ticketsSeen(m)
			if err := s.do(); s.err == nil && err != nil || !errors.Is(err, s.err) {
				t.Errorf("got %v, want %v", err, s.err)
			}
			want := s.want
			if want == nil {
				want = before
			}
			eventually(t, "the view moves", func() bool { return cmp.Equal(want, ticketsSeen(m)) })
		})
	}
	if got := ticket(hashC); got != `"a/b"` || ticket(hashA)+ticket(hashB) != "" {
		t.Errorf("tickets are %s, %s, %s", ticket(hashA), ticket(hashB), got)
	}
}

// ticketsSeen returns the contents of by-ticket as seen by listings and lookups.
func ticketsSeen(m *mounted) map[string]string {
	dumps := map[string]string{hashA: "A", hashB: "B", hashC: "C"}
	found := map[string]string{}
	tickets, _ := os.ReadDir(m.path("by-ticket"))
	for _, ticket := range tickets {
		letters := ""
		links, _ := os.ReadDir(m.path("by-ticket", ticket.Name()))
		for _, l := range links {
			letters += dumps[l.Name()]
			if target, err := os.Readlink(m.path("by-ticket", ticket.Name(), l.Name())); err != nil || target != "../../by-hash/"+l.Name() {
				letters += "?"
			}
		}
		letters = sorted(letters)
		for hash, letter := range dumps {
			if exists(m.path("by-ticket", ticket.Name(), hash)) != strings.Contains(letters, letter) {
				letters += "!"
			}
		}
		found[ticket.Name()] = letters
	}
	return found
}

// TestTicketRenamedInPart renames a ticket directory while one dump cannot be edited. Nothing may
// be lost, and it must be possible to move that dump later.
func TestTicketRenamedInPart(t *testing.T) {
	m := mountForAnHour(t, func(s *mem.Store) {
		for _, hash := range []string{hashA, hashB, hashC} {
			putDump(t, s, hash, "", nil, `"ticket": "OS-1"`)
		}
	})
	m.store.Inject(mem.Fault{Op: mem.Put, Key: hashB + "/info.json", Times: mem.Always, Kind: store.ErrPermission})
	from, to := m.path("by-ticket/OS-1"), m.path("by-ticket/OS-2")
	if err := unix.Rename(from, to); !errors.Is(err, syscall.EACCES) {
		t.Errorf("got %v", err)
	}
	eventually(t, "both are there", func() bool { return cmp.Equal(map[string]string{"OS-1": "B", "OS-2": "AC"}, ticketsSeen(m)) })
	if want := `1 of 3 dumps keep the ticket \"OS-1\", the others have \"OS-2\" now`; !strings.Contains(m.log.String(), want) {
		t.Errorf("no %q in %s", want, m.log)
	}
	m.store.Heal()
	if err := unix.Rename(from, to); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("again: %v", err)
	}
	if err := os.Rename(from+"/"+hashB, to+"/"+hashB); err != nil {
		t.Error(err)
	}
	eventually(t, "all are there", func() bool { return cmp.Equal(map[string]string{"OS-1": "", "OS-2": "ABC"}, ticketsSeen(m)) })
}

// TestTicketThatSomebodyReplaces checks that a ticket set by another client while the mount removes
// or moves the old one is kept.
func TestTicketThatSomebodyReplaces(t *testing.T) {
	s := mem.New()
	all := []string{hashA, hashB, hashC}
	put := func(hash, ticket string) { putDump(t, s, hash, "", nil, `"ticket": "`+ticket+`"`) }
	hashD := strings.Repeat("d", 32)
	for _, hash := range append(all, hashD) {
		put(hash, "OS-1")
	}
	w := newWorld(t, s, time.Hour)
	at := func(names ...string) string { return filepath.Join(append([]string{w.mnt, "by-ticket"}, names...)...) }
	if err := os.Mkdir(at("OS-3"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.Inject(mem.Fault{Op: mem.Put, Key: hashD + "/info.json", Before: func() { putDump(t, s, hashD, "", nil, `"cmd": "x"`) }})
	if err := os.Remove(at("OS-1", hashD)); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("rm of what is gone: %v", err)
	}
	for _, hash := range all { // just before the edit is stored
		s.Inject(mem.Fault{Op: mem.Put, Key: hash + "/info.json", Before: func() { put(hash, "theirs") }})
	}
	if err := os.Remove(at("OS-1", hashA)); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("rm: %v", err)
	}
	if err := unix.Rename(at("OS-1", hashB), at("OS-3", hashB)); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("mv of a link: %v", err)
	}
	if err := unix.Rename(at("OS-1"), at("OS-2")); err != nil {
		t.Errorf("mv of the directory: %v", err)
	}
	for _, hash := range all {
		if ticket := w.stored(t, hash, "ticket"); ticket != `"theirs"` {
			t.Errorf("%s: the ticket is %s", hash, ticket)
		}
	}
}

// TestTicketsCrosswise checks that concurrent symlink calls, each of which takes a dump out of the
// other's directory, do not deadlock.
func TestTicketsCrosswise(t *testing.T) {
	m := mountForAnHour(t, threeDumps(t))
	for _, ticket := range []string{"X", "Y"} {
		if err := os.Mkdir(m.path("by-ticket", ticket), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan bool)
	for _, hash := range []string{hashA, hashB, hashC} {
		go func() { // ends with the test
			defer func() { done <- true }()
			for i := range 60 {
				ticket, other := "X", "Y"
				if i%2 == 0 {
					ticket, other = other, ticket
				}
				os.Mkdir(m.path("by-ticket", ticket), 0o755)
				os.Symlink("../../by-hash/"+hash, m.path("by-ticket", ticket, hash))
				unix.Setxattr(m.path("by-hash", hash), "user.thoth.ticket", []byte(other), 0)
				os.Rename(m.path("by-ticket", other, hash), m.path("by-ticket", ticket, hash))
				os.ReadDir(m.path("by-ticket", other))
				if i%5 == 0 {
					os.Remove(m.path("by-ticket", ticket, hash))
				}
			}
		}()
	}
	for range 3 {
		<-done
	}
	for _, hash := range []string{hashA, hashB, hashC} {
		if err := unix.Setxattr(m.path("by-hash", hash), "user.thoth.ticket", []byte("end"), 0); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all have the last ticket", func() bool { return ticketsSeen(m)["end"] == "ABC" })
}

func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// TestTicketArray checks that a dump with an array of tickets is not changed.
func TestTicketArray(t *testing.T) {
	m := mountStore(t, func(s *mem.Store) {
		putDump(t, s, hashA, "", nil, `"ticket": ["OS-1", "OS-2"]`)
	}, nil)
	if !exists(m.path("by-ticket/OS-1")) {
		t.Skip("this catalogue has no view of arrays")
	}
	if err := os.Remove(m.path("by-ticket/OS-1", hashA)); !errors.Is(err, syscall.EPERM) {
		t.Errorf("got %v", err)
	}
}
