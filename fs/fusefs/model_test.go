package fusefs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/query"
	"thothfs/store/mem"
)

// model maps every path to its expected node: "dir", "-> TARGET" or the contents.
type model map[string]string

// modelOf derives the expected tree from the objects of a store by the documented rules.
func modelOf(s *mem.Store) model {
	m := model{}
	for _, top := range rootNames() {
		m[top] = "dir"
	}
	for _, key := range s.Keys() {
		hash, name, _ := strings.Cut(key, "/")
		if hash == "analyzers" {
			data, _ := s.Data(key)
			m[key] = string(data)
		}
		if _, err := dump.ParseID(hash); err == nil && name == corpus.InfoName {
			data, _ := s.Data(key)
			m.addDump(s, hash, document.Parse(data))
		}
	}
	return m
}

func (m model) addDump(s *mem.Store, hash string, doc *document.Document) {
	dir := "by-hash/" + hash
	m[dir] = "dir"
	m[dir+"/properties"] = "dir"
	for _, key := range s.Keys() {
		if h, name, _ := strings.Cut(key, "/"); h == hash {
			data, _ := s.Data(key)
			m[dir+"/"+fs.FileName(name)] = string(data)
		}
	}
	m[dir+"/info.json"] = string(doc.Text())
	if stack := doc.Stack(); len(stack) > 0 {
		m[dir+"/stack"] = strings.Join(stack, "\n") + "\n"
	}
	for k, v := range doc.Value().Members() {
		if k == "properties" {
			for key, value := range v.Members() {
				m[dir+"/properties/"+fs.FileName(key)] = value.Text() + "\n"
			}
		}
	}
	if name := filepath.Base(doc.String("dump")); doc.String("dump") != "" {
		m[dir+"/dump"] = "-> " + fs.FileName(name)
		m[dir+"/"+alias(doc, name)] = "-> " + fs.FileName(name)
	}
	m.addViews(hash, doc)
}

func (m model) addViews(hash string, doc *document.Document) {
	for _, f := range catalog.Fields {
		if text, _, ok := doc.Lookup(f.Path); ok && f.View != "" {
			dir := f.View + "/" + query.EncodeName(text)
			m[dir], m[dir+"/"+hash] = "dir", "-> ../../by-hash/"+hash
		}
	}
	if t, ok := doc.Time(); ok {
		path := "by-time"
		for _, part := range []string{"2006", "01", "02"} {
			path += "/" + t.UTC().Format(part)
			m[path] = "dir"
		}
		m[path+"/"+hash] = "-> ../../../../by-hash/" + hash
	}
}

// seen reads the whole tree of a mount.
func seen(dir string) model {
	m := model{}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
			m[rel] = err.Error()
		case rel == ".":
		case d.IsDir():
			m[rel] = "dir"
		case d.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			m[rel] = "-> " + target
			if _, serr := os.Stat(path); err != nil || serr != nil {
				m[rel] += fmt.Sprint(" leads nowhere: ", err, serr)
			}
		default:
			data, err := os.ReadFile(path)
			if m[rel] = string(data); err != nil {
				m[rel] = err.Error()
			}
		}
		return nil
	})
	return m
}

// changeSomething makes a random change to the store, as another client may.
func changeSomething(s *mem.Store, r *rand.Rand) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	hash := fmt.Sprintf("%02x%030d", 20+r.IntN(11)*20, 0)
	if r.IntN(4) == 0 {
		for _, key := range s.Keys() {
			if strings.HasPrefix(key, hash+"/") {
				s.Delete(key)
			}
		}
		return
	}
	if r.IntN(8) == 0 {
		s.Set(hash+"/extra."+pick("a", "b\n", "..", "100%"), []byte(pick("x", "y")))
	}
	object := pick("core.1", "vmdump.0", "vmcore.2")
	s.Set(hash+"/"+object, []byte(pick("one", "two", "three")))
	doc := fmt.Sprintf(`{"dump": %q`, "/u/stor/thoth/"+hash+"/"+object)
	for _, field := range []string{"cmd", "node", "ticket", "platform"} {
		if r.IntN(3) > 0 {
			doc += fmt.Sprintf(`, %q: %q`, field, pick("a", "b", "../../etc", "/", "line\nbreak", "a=b", "100%", ".", strings.Repeat("long", 80)))
		}
	}
	doc += fmt.Sprintf(`, "type": %q, "time": %s`, pick("core", "crash"), pick("1373566304", "1373566304.5", `"1400000000"`, "86399", "86400", "null"))
	doc += `, "properties": {` + pick(``, `"p": "v"`, `"p": {"q": 1}, "r": [1, 2]`, `"a/b": true`) + `}`
	if r.IntN(2) > 0 {
		doc += `, "stack": ["f", "g"]`
	}
	if r.IntN(10) > 0 { // otherwise it is truncated, so it is damaged
		doc += "}"
	}
	s.Set(hash+"/info.json", []byte(doc))
}

// writeSomething makes a random change through the mount, as a user may. If it succeeds, it checks
// the store.
func writeSomething(t *testing.T, s *mem.Store, mnt string, r *rand.Rand) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	hash := fmt.Sprintf("%02x%030d", 20+r.IntN(11)*20, 0)
	dir, ticket, value := filepath.Join(mnt, "by-hash", hash), pick("T1", "T2", "a%2Fb"), pick("v", "7", "w x")
	property := pick("p", "q", "signature")
	var err error
	path, want := "properties."+property, value
	switch r.IntN(9) {
	case 0:
		path, err = "ticket", unix.Setxattr(dir, "user.thoth.ticket", []byte(value), 0)
	case 1:
		err = unix.Setxattr(filepath.Join(dir, "info.json"), "user.thoth."+path, []byte(value), 0)
	case 2:
		err, want = unix.Removexattr(dir, "user.thoth."+path), ""
	case 3:
		err = os.WriteFile(filepath.Join(dir, "properties", property), []byte(value+"\n"), 0o644)
	case 4:
		temp := filepath.Join(dir, "properties", pick(".x.swp", "x~", "4913"))
		if err = os.WriteFile(temp, []byte(value+"\n"), 0o644); err == nil {
			err = os.Rename(temp, filepath.Join(dir, "properties", property))
			os.Remove(temp)
		}
	case 5:
		err, want = os.Remove(filepath.Join(dir, "properties", property)), ""
	case 6:
		os.Mkdir(filepath.Join(mnt, "by-ticket", ticket), 0o755)
		err = os.Symlink("../../by-hash/"+hash, filepath.Join(mnt, "by-ticket", ticket, hash))
		path, want = "ticket", strings.ReplaceAll(ticket, "%2F", "/")
	case 7:
		err = os.Remove(filepath.Join(mnt, "by-ticket", ticket, hash))
		path, want = "ticket", ""
	case 8:
		name := filepath.Join(mnt, "analyzers", pick("one", "two"))
		if err := os.WriteFile(name, []byte(value), 0o755); err != nil || read(t, name) != value {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	for _, t := range []string{"T1", "T2", "a%2Fb"} {
		os.Remove(filepath.Join(mnt, "by-ticket", t)) // an empty directory would persist
	}
	data, ok := s.Data(hash + "/info.json")
	if got := document.Parse(data).String(path); err == nil && (!ok || got != want) {
		t.Errorf("%s of %s is %q in the store, written %q", path, hash, got, want)
	}
}

// TestModel checks that the mount shows what is in the store, after changes both by other clients
// and through the mount.
func TestModel(t *testing.T) {
	needFUSE(t)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			s := mem.New()
			s.Set("analyzers/one", []byte("echo one\n"))
			for range 15 {
				changeSomething(s, r)
			}
			c, dir := mountCorpus(t, s, openCache(t, s))
			for round := range 8 {
				if err := c.Sync(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				var diff string
				for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
					if diff = cmp.Diff(modelOf(s), seen(dir)); diff == "" {
						break
					}
				}
				if diff != "" {
					t.Fatalf("round %d: %s", round, diff)
				}
				for range 4 {
					changeSomething(s, r)
				}
				for range 6 {
					writeSomething(t, s, dir, r)
				}
			}
		})
	}
}

// alias returns the fixed name of a dump, for the kinds used in these tests.
func alias(doc *document.Document, object string) string {
	switch {
	case doc.String("type") == "core":
		return "core"
	case strings.HasPrefix(object, "vmdump"), strings.HasPrefix(object, "vmcore"):
		return object[:len("vmcore")]
	case doc.String("type") == "crash":
		return "vmcore"
	}
	return "core"
}

func rootNames() []string {
	return []string{"analyzers", "by-cmd", "by-exe", "by-hash", "by-node", "by-platform", "by-signal", "by-signature", "by-ticket", "by-time", "by-type", "query"}
}
