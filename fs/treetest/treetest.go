// Package treetest is a conformance suite for implementations of the tree of package fs: the tree
// itself, and each front end that serves it over a protocol.
//
// A front end is represented by a View, the calls that its clients can make. [Run] mounts a small
// corpus for each test, calls the View, and checks the results against the rules of
// docs/semantics.md.
package treetest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"thothfs/cache"
	"thothfs/corpus"
	"thothfs/fs"
	"thothfs/internal/testenv"
	"thothfs/store"
	"thothfs/store/mem"
)

// Info is the attributes of a node as seen by a client.
type Info struct {
	Mode os.FileMode
	Size int64
	Ino  uint64
}

// View is the tree as seen by the clients of a front end. Names are paths from the root. Use Is to
// match errors with their kinds in packages fs and store.
type View interface {
	Stat(name string) (Info, error) // does not follow links
	ReadDir(name string) ([]fs.DirEntry, error)
	ReadFile(name string) ([]byte, error)
	ReadAt(name string, p []byte, off int64) (int, error)
	Readlink(name string) (string, error)
	WriteFile(name string, data []byte) error // creates or replaces the file and commits it
	Mkdir(name string) error
	Symlink(target, name string) error
	Remove(name string) error
	RemoveDir(name string) error
	Rename(from, to string) error
	Getxattr(name, attr string) (string, error)
	Setxattr(name, attr, value string) error
	// Is reports whether err is the error that clients get for the given kind.
	Is(err, kind error) bool
}

// Serve returns the View of a tree with the given options; it stays valid until the test ends.
// Clients may cache attributes for the options' AttrTimeout.
type Serve func(t *testing.T, o fs.Options) View

// The dumps of the corpus.
const (
	HashA = "6433c1ccfb41929d0000000000000001"
	HashB = "6433c1ccfb41929d0000000000000002"
)

// world is a corpus and a View of it.
type world struct {
	View
	store  *mem.Store
	corpus *corpus.Corpus
}

// content returns the bytes of the dump HashA.
func content() []byte {
	data := make([]byte, 300<<10)
	for i := range data {
		data[i] = byte(i * 7 >> 5)
	}
	return data
}

// Corpus returns the options for a tree over a corpus of two dumps and an analyzer. If change is
// not nil, it is first called to modify the store.
func Corpus(t *testing.T, change func(*mem.Store)) fs.Options {
	t.Helper()
	s := mem.New()
	s.Set(HashA+"/core.x.1", content())
	s.Set(HashA+"/info.json", []byte(`{ "cmd": "x", "dump": "/u/stor/thoth/`+HashA+`/core.x.1", "type": "core", "time": 1373566304, "ticket": "OS-1", "stack": ["a+1", "b+2"], "properties": { "triage": "bmc" } }`))
	s.Set(HashB+"/vmcore.0", []byte("the dump of B"))
	s.Set(HashB+"/info.json", []byte(`{ "node": "n2", "dump": "/u/stor/thoth/`+HashB+`/vmcore.0", "type": "crash" }`))
	s.Set("analyzers/old", []byte("echo old\n"))
	if change != nil {
		change(s)
	}
	log := slog.New(slog.DiscardHandler)
	c, err := corpus.Open(t.Context(), corpus.Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: t.TempDir(), AttrTimeout: time.Hour, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	blocks, err := cache.Open(cache.Options{Dir: t.TempDir(), Source: s, Quota: 1 << 30, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blocks.Close() })
	return fs.Options{Corpus: c, Cache: blocks, Store: s, AttrTimeout: time.Hour, Log: log}
}

func newWorld(t *testing.T, serve Serve) *world {
	t.Helper()
	o := Corpus(t, nil)
	return &world{serve(t, o), o.Store.(*mem.Store), o.Corpus.(*corpus.Corpus)}
}

// Run runs the suite.
func Run(t *testing.T, serve Serve) {
	for name, test := range map[string]func(*testing.T, *world){
		"walk":       testWalk,
		"numbers":    testNumbers,
		"read":       testRead,
		"missing":    testMissing,
		"read-only":  testReadOnly,
		"write":      testWrite,
		"rename":     testRename,
		"tickets":    testTickets,
		"attributes": testAttributes,
		"invalidate": testInvalidate,
		"faults":     testFaults,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, serve))
		})
	}
}

func (w *world) mustRead(t *testing.T, name string) string {
	t.Helper()
	data, err := w.ReadFile(name)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return string(data)
}

func (w *world) names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := w.ReadDir(dir)
	if err != nil {
		t.Errorf("%s: %v", dir, err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

// wantKind fails the test if an error is not of the given kind.
func (w *world) wantKind(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !w.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
}

// testWalk checks that everything listed can be looked up, with the inode number and type of its
// entry.
func testWalk(t *testing.T, w *world) {
	seen := []string{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := w.ReadDir(dir)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name)
			seen = append(seen, name)
			info, err := w.Stat(name)
			if err != nil || info.Ino != e.Ino || info.Mode.Type() != e.Mode.Type() {
				t.Errorf("%s: %+v, %v; listed as %+v", name, info, err, e)
			}
			switch {
			case info.Mode.IsDir():
				walk(name)
			case info.Mode&os.ModeSymlink != 0:
				target, err := w.Readlink(name)
				if err != nil || int64(len(target)) != info.Size {
					t.Errorf("%s leads to %q, %v; its size is %d", name, target, err, info.Size)
				}
				if _, err := w.Stat(path.Join(dir, target)); err != nil {
					t.Errorf("%s leads to %s: %v", name, target, err)
				}
			default:
				if text := w.mustRead(t, name); int64(len(text)) != info.Size {
					t.Errorf("%s: %d bytes of %d", name, len(text), info.Size)
				}
			}
		}
	}
	walk("")
	want := []string{
		"analyzers", "analyzers/old",
		"by-cmd", "by-cmd/x", "by-cmd/x/" + HashA, "by-exe",
		"by-hash", "by-hash/" + HashA, "by-hash/" + HashB,
		"by-node", "by-node/n2", "by-node/n2/" + HashB,
		"by-platform", "by-signal", "by-signature",
		"by-ticket", "by-ticket/OS-1", "by-ticket/OS-1/" + HashA,
		"by-time", "by-time/2013", "by-time/2013/07", "by-time/2013/07/11", "by-time/2013/07/11/" + HashA,
		"by-type", "by-type/core", "by-type/core/" + HashA, "by-type/crash", "by-type/crash/" + HashB,
		"query",
	}
	for _, name := range []string{"core", "core.x.1", "dump", "info.json", "properties", "properties/triage", "stack"} {
		want = append(want, "by-hash/"+HashA+"/"+name)
	}
	for _, name := range []string{"dump", "info.json", "properties", "vmcore", "vmcore.0"} {
		want = append(want, "by-hash/"+HashB+"/"+name)
	}
	slices.Sort(want)
	slices.Sort(seen)
	if !slices.Equal(seen, want) {
		t.Errorf("listed:\n%s\nwant:\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

// testNumbers checks that inode numbers are the same on all machines and in all versions, since
// tools remember them.
func testNumbers(t *testing.T, w *world) {
	for name, want := range map[string]uint64{
		"analyzers":                               8603669407694275685,
		"analyzers/old":                           7315829460927215462,
		"by-hash":                                 3330753646375111434,
		"by-hash/" + HashA:                        10547369944235524269,
		"by-hash/" + HashA + "/core.x.1":          4272271072607806082,
		"by-hash/" + HashA + "/core":              16056403652743273076,
		"by-hash/" + HashA + "/dump":              10872951417106643280,
		"by-hash/" + HashA + "/info.json":         13171246731227034259,
		"by-hash/" + HashA + "/stack":             2625620316375509027,
		"by-hash/" + HashA + "/properties":        6056218176899069521,
		"by-hash/" + HashA + "/properties/triage": 11732856454028411908,
		"by-cmd":                   598049304546329068,
		"by-cmd/x":                 814787817063437925,
		"by-cmd/x/" + HashA:        728279069862369999,
		"by-time/2013/07/11":       10061476308828482199,
		"query/type=core/" + HashA: 3578259331431511002,
		".thothfs":                 7057243405801266898,
		".thothfs/stats":           14023144426845085767,
	} {
		if info, err := w.Stat(name); err != nil || info.Ino != want {
			t.Errorf("%s: %d, %v; want %d", name, info.Ino, err, want)
		}
	}
	// The two hashes differ only in the last digit, so this prefix is ambiguous.
	if _, err := w.Stat("by-hash/" + HashA[:31]); err == nil {
		t.Error("an ambiguous prefix leads somewhere")
	}
}

func testRead(t *testing.T, w *world) {
	all := content()
	for _, r := range []struct{ off, n int }{{0, 1}, {4095, 2}, {128<<10 - 1, 2}, {len(all) - 5, 100}, {len(all), 10}, {len(all) + 1<<20, 1}} {
		p := make([]byte, r.n)
		n, err := w.ReadAt("by-hash/"+HashA+"/core.x.1", p, int64(r.off))
		want := all[min(r.off, len(all)):min(r.off+r.n, len(all))]
		if err != nil || !bytes.Equal(p[:n], want) {
			t.Errorf("at %d: %d bytes of %d, %v", r.off, n, len(want), err)
		}
	}
	for name, want := range map[string]string{
		"by-hash/" + HashA + "/stack":             "a+1\nb+2\n",
		"by-hash/" + HashA + "/properties/triage": "bmc\n",
		"by-hash/" + HashB + "/vmcore.0":          "the dump of B",
		"analyzers/old":                           "echo old\n",
	} {
		if got := w.mustRead(t, name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	document, _ := w.store.Data(HashA + "/info.json")
	if got := w.mustRead(t, "by-hash/"+HashA+"/info.json"); got != string(document)+"\n" {
		t.Errorf("info.json holds %q", got)
	}
	if target, err := w.Readlink("by-cmd/x/" + HashA); err != nil || target != "../../by-hash/"+HashA {
		t.Errorf("a link leads to %q, %v", target, err)
	}
}

func testMissing(t *testing.T, w *world) {
	for _, name := range []string{
		"none", "by-hash/none", "by-hash/77", "by-hash/" + strings.Repeat("7", 32), "by-hash/" + HashA + "/none", "by-hash/" + HashB + "/stack",
		"by-hash/" + HashA + "/properties/none", "by-cmd/none", "by-cmd/x/" + HashB, "by-time/1999", "query/no such field at all=", "analyzers/none", ".thothfs/none",
	} {
		_, err := w.Stat(name)
		w.wantKind(t, name, err, fs.ErrNotExist)
	}
}

func testReadOnly(t *testing.T, w *world) {
	dir := "by-hash/" + HashA
	for what, err := range map[string]error{
		"a file beside a dump": w.WriteFile(dir+"/new", nil),
		"a dump":               w.WriteFile(dir+"/core.x.1", nil),
		"a document":           w.WriteFile(dir+"/info.json", nil),
		"mkdir":                w.Mkdir("by-cmd/new"),
		"rm":                   w.Remove(dir + "/core.x.1"),
		"rmdir":                w.RemoveDir("by-cmd/x"),
		"mv":                   w.Rename("by-cmd/x", "by-cmd/y"),
		"ln":                   w.Symlink("../by-hash/"+HashB, "by-cmd/x/"+HashB),
	} {
		w.wantKind(t, what, err, fs.ErrReadOnly)
	}
	w.wantKind(t, "a directory among properties", w.Mkdir(dir+"/properties/d"), fs.ErrNotPermitted)
	w.wantKind(t, "a file among tickets", w.WriteFile("by-ticket/new", nil), fs.ErrNotPermitted)
}

// stored returns the document in the store.
func (w *world) stored(hash string) string {
	data, _ := w.store.Data(hash + "/info.json")
	return string(data)
}

func testWrite(t *testing.T, w *world) {
	properties := "by-hash/" + HashA + "/properties"
	for name, text := range map[string]string{"triage": "other\n", "new": "5\n", "deep.er": "x\n"} {
		if err := w.WriteFile(properties+"/"+name, []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.mustRead(t, properties+"/"+name); got != text {
			t.Errorf("%s holds %q, want %q", name, got, text)
		}
	}
	for _, want := range []string{`"triage": "other"`, `"new": 5`, `"deep"`} {
		if !strings.Contains(w.stored(HashA), want) {
			t.Errorf("no %s in %s", want, w.stored(HashA))
		}
	}
	if err := w.Remove(properties + "/new"); err != nil {
		t.Error(err)
	}
	if _, err := w.Stat(properties + "/new"); !w.Is(err, fs.ErrNotExist) {
		t.Errorf("a property that was removed: %v", err)
	}
	// A temporary file of an editor is not stored.
	if err := w.WriteFile(properties+"/.x.swp", []byte("secret")); err != nil || w.mustRead(t, properties+"/.x.swp") != "secret" {
		t.Errorf("a temporary file: %v", err)
	}
	if strings.Contains(w.stored(HashA), "secret") {
		t.Error("a temporary file is stored")
	}
	if err := w.WriteFile("analyzers/new", []byte("echo new\n")); err != nil {
		t.Error(err)
	}
	if data, _ := w.store.Data("analyzers/new"); string(data) != "echo new\n" {
		t.Errorf("stored %q", data)
	}
	w.wantKind(t, "a name that cannot be stored", w.WriteFile("analyzers/.thothfs.x", []byte("x")), fs.ErrBadName)
}

func testRename(t *testing.T, w *world) {
	properties := "by-hash/" + HashA + "/properties/"
	if err := w.Rename(properties+"triage", properties+"kept"); err != nil {
		t.Fatal(err)
	}
	if got := w.mustRead(t, properties+"kept"); got != "bmc\n" {
		t.Errorf("it holds %q", got)
	}
	// Save as an editor does: rename the old file away, then put the new one in its place.
	if err := w.Rename(properties+"kept", properties+"kept~"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.stored(HashA), `"kept"`) {
		t.Error("an editor that dies now loses the property")
	}
	if _, err := w.Stat(properties + "kept"); !w.Is(err, fs.ErrNotExist) {
		t.Errorf("the old name: %v", err)
	}
	if err := w.WriteFile(properties+"kept", []byte("saved\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(properties + "kept~"); err != nil {
		t.Fatal(err)
	}
	if got := w.mustRead(t, properties+"kept"); got != "saved\n" || !strings.Contains(w.stored(HashA), `"saved"`) {
		t.Errorf("it holds %q, stored %s", got, w.stored(HashA))
	}
	// A temporary file is stored when it is renamed to another name.
	if err := w.WriteFile(properties+"sedABC123", []byte("by sed\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Rename(properties+"sedABC123", properties+"kept"); err != nil || w.mustRead(t, properties+"kept") != "by sed\n" {
		t.Errorf("after mv: %v", err)
	}
	w.wantKind(t, "mv to another dump", w.Rename(properties+"kept", "by-hash/"+HashB+"/properties/kept"), fs.ErrCrossDevice)
	w.wantKind(t, "mv of nothing", w.Rename(properties+"none", properties+"some"), fs.ErrNotExist)
}

func testTickets(t *testing.T, w *world) {
	if err := w.Mkdir("by-ticket/OS-2"); err != nil {
		t.Fatal(err)
	}
	w.wantKind(t, "mkdir again", w.Mkdir("by-ticket/OS-2"), fs.ErrExist)
	if err := w.Symlink("../../by-hash/"+HashB, "by-ticket/OS-2/"+HashB); err != nil {
		t.Fatal(err)
	}
	if err := w.Rename("by-ticket/OS-1/"+HashA, "by-ticket/OS-2/"+HashA); err != nil {
		t.Fatal(err)
	}
	if got := w.names(t, "by-ticket/OS-2"); !slices.Equal(got, []string{HashA, HashB}) {
		t.Errorf("OS-2 has %q", got)
	}
	w.wantKind(t, "rmdir", w.RemoveDir("by-ticket/OS-2"), fs.ErrNotEmpty)
	if err := w.RemoveDir("by-ticket/OS-1"); err != nil { // its last dump was moved away
		t.Error(err)
	}
	if err := w.Rename("by-ticket/OS-2", "by-ticket/OS-3"); err != nil {
		t.Error(err)
	}
	if got := w.names(t, "by-ticket"); !slices.Equal(got, []string{"OS-3"}) {
		t.Errorf("tickets: %q", got)
	}
	if err := w.Remove("by-ticket/OS-3/" + HashA); err != nil || strings.Contains(w.stored(HashA), "OS-") {
		t.Errorf("rm: %v, stored %s", err, w.stored(HashA))
	}
}

func testAttributes(t *testing.T, w *world) {
	dir := "by-hash/" + HashA
	for attr, want := range map[string]string{"user.thoth.cmd": "x", "user.thoth.properties.triage": "bmc"} {
		if got, err := w.Getxattr(dir, attr); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", attr, got, err, want)
		}
	}
	_, err := w.Getxattr(dir, "user.thoth.none")
	w.wantKind(t, "an attribute that is missing", err, fs.ErrNoAttr)
	if err := w.Setxattr(dir, "user.thoth.ticket", "OS-9"); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Getxattr(dir+"/core.x.1", "user.thoth.ticket"); err != nil || got != "OS-9" {
		t.Errorf("the ticket is %q, %v", got, err)
	}
	w.wantKind(t, "a field that cannot be set", w.Setxattr(dir, "user.thoth.cmd", "y"), corpus.ErrReadOnlyField)
	w.wantKind(t, "an attribute of a view", w.Setxattr("by-cmd/x", "user.thoth.ticket", "y"), fs.ErrNotPermitted)
	w.wantKind(t, "an attribute of somebody else's", w.Setxattr(dir, "user.other", "y"), fs.ErrNotSupported)
}

// testInvalidate checks that an edit is visible in all views when the call returns, although
// clients cache for an hour, and that an edit by another client is visible soon after the corpus
// has noticed it.
func testInvalidate(t *testing.T, w *world) {
	if got := w.names(t, "by-ticket/OS-1"); !slices.Equal(got, []string{HashA}) {
		t.Fatalf("OS-1 has %q", got)
	}
	w.names(t, "by-ticket")
	if _, err := w.Stat("by-ticket/OS-1/" + HashA); err != nil {
		t.Fatal(err)
	}
	if err := w.Setxattr("by-hash/"+HashA, "user.thoth.ticket", "OS-2"); err != nil {
		t.Fatal(err)
	}
	if got := w.names(t, "by-ticket"); !slices.Equal(got, []string{"OS-2"}) {
		t.Errorf("tickets: %q", got)
	}
	_, err := w.Stat("by-ticket/OS-1/" + HashA)
	w.wantKind(t, "the link under the old ticket", err, fs.ErrNotExist)

	w.names(t, "by-cmd/x")
	w.store.Set(HashB+"/info.json", []byte(`{ "cmd": "x", "dump": "/u/stor/thoth/`+HashB+`/vmcore.0", "type": "crash" }`))
	if err := w.corpus.Verify(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the other client's edit to show", func() bool {
		return slices.Equal(w.names(t, "by-cmd/x"), []string{HashA, HashB})
	})
}

func testFaults(t *testing.T, w *world) {
	name := "by-hash/" + HashA + "/core.x.1"
	p := make([]byte, 10)
	for _, kind := range []error{store.ErrUnavailable, store.ErrPermission, store.ErrStale} {
		w.store.Inject(mem.Fault{Op: mem.Read, Times: mem.Always, Kind: kind})
		_, err := w.ReadAt(name, p, 200<<10)
		w.wantKind(t, "read", err, kind)
		w.store.Heal()
	}
	if n, err := w.ReadAt(name, p, 200<<10); err != nil || !bytes.Equal(p[:n], content()[200<<10:][:10]) {
		t.Errorf("after the faults: %d bytes, %v", n, err)
	}
	property := "by-hash/" + HashA + "/properties/triage"
	w.store.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Kind: store.ErrNoSpace})
	err := w.WriteFile(property, []byte("lost\n"))
	w.wantKind(t, "write to a full store", err, store.ErrNoSpace)
	w.store.Heal()
	testenv.Eventually(t, "the stored value to show", func() bool { return w.mustRead(t, property) == "bmc\n" })
	if errors.Is(err, store.ErrUnavailable) {
		t.Error("a full store passes for one that is away")
	}
}
