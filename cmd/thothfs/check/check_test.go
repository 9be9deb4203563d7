package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thothfs/cache/hotpack"
	"thothfs/corpus"
	"thothfs/corpus/ingest"
	"thothfs/corpus/trash"
	"thothfs/dump"
	"thothfs/dump/dumptest"
	"thothfs/store"
	"thothfs/store/mem"
)

// flipped is a store that reads a wrong byte of one object.
type flipped struct {
	store.Store
	key string
}

func (f *flipped) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	n, err := f.Store.ReadAt(ctx, ref, p, off)
	if ref.Key == f.key && off <= 5000 && off+int64(n) > 5000 {
		p[5000-off]++
	}
	return n, err
}

// upload stores a dump with a hot pack and returns its hash.
func upload(t *testing.T, c *corpus.Corpus, node string) dump.ID {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vmdump.0")
	if err := os.WriteFile(path, dumptest.Vmdump(node, 600<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	pack := func(ref store.Ref, src io.ReaderAt, size int64) ([]byte, error) {
		return hotpack.Encode(ref, size, src, []hotpack.Range{{Off: 0, Len: 4096}}, 0, false)
	}
	res, err := ingest.Upload(t.Context(), c, path, ingest.Options{Pack: pack})
	if err != nil {
		t.Fatal(err)
	}
	return res.ID
}

func openCorpus(t *testing.T, s store.Store) *corpus.Corpus {
	t.Helper()
	c, err := corpus.Open(context.Background(), corpus.Options{Store: s, Name: "test", Root: "/c", Dir: filepath.Join(t.TempDir(), "catalogue"), Poll: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// findings checks a corpus after a sync and returns a line for each finding, without its mend.
func findings(t *testing.T, c *corpus.Corpus, o Options) (lines []string, rep *Report) {
	t.Helper()
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	rep, err := Run(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Findings {
		if f.Mend == "" || !strings.Contains(f.String(), f.Problem) {
			t.Errorf("%+v", f)
		}
		lines = append(lines, fmt.Sprintf("%.8s %s: %s", f.Dump, f.Object, f.Problem))
	}
	return lines, rep
}

func TestFindings(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-2 * uploading)
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, c *corpus.Corpus, s *mem.Store, f *flipped, dir string)
		want  string // in the only finding; "" for none
		data  bool   // found only by reading the data
	}{
		{"nothing", func(*testing.T, *corpus.Corpus, *mem.Store, *flipped, string) {}, "", false},
		{"cut document", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Set(dir+"/info.json", []byte(`{"dump":"/c/`+dir+`/vmdump.0`))
		}, "info.json: it is damaged", false},
		{"large document", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Set(dir+"/info.json", make([]byte, 20<<20))
		}, "cannot be read", false},
		{"no document", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Delete(dir + "/info.json")
			for _, name := range []string{"vmdump.0", corpus.HotPackName} {
				data, _ := s.Data(dir + "/" + name)
				s.SetTime(dir+"/"+name, data, long)
			}
		}, "an upload was not completed", false},
		{"upload under way", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Delete(dir + "/info.json")
		}, "", false},
		{"no dump", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Delete(dir + "/vmdump.0")
			s.Delete(dir + "/" + corpus.HotPackName)
		}, "the dump is missing", false},
		{"purged dump", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Delete(dir + "/vmdump.0")
			s.Delete(dir + "/" + corpus.HotPackName)
			s.Set(dir+"/info.json", []byte(`{"properties":{"purged":"true"}}`))
		}, "", false},
		{"pack of nothing", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Set(dir+"/"+corpus.HotPackName+".x", nil)
		}, "the pack of an object that is not there", false},
		{"spoiled pack", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Set(dir+"/"+corpus.HotPackName, []byte("x"))
		}, "unusable hot pack", false},
		{"damaged pack", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			pack, _ := s.Data(dir + "/" + corpus.HotPackName)
			s.Set(dir+"/"+corpus.HotPackName, append(bytes.Clone(pack), 0))
		}, "unusable hot pack: checksum", true},
		{"map of another version", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Set(dir+"/"+corpus.DataMapName, []byte("x"))
		}, "no usable data map", true},
		{"wrong byte", func(t *testing.T, _ *corpus.Corpus, _ *mem.Store, f *flipped, dir string) { f.key = dir + "/vmdump.0" }, "vmdump.0: read", true},
		{"spoiled index", func(t *testing.T, _ *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			s.Set(".thothfs/index", []byte("x"))
		}, "the published catalogue cannot be used", false},
		{"emptied in part", func(t *testing.T, c *corpus.Corpus, s *mem.Store, _ *flipped, dir string) {
			id, _ := dump.ParseID(dir)
			if _, err := trash.Remove(t.Context(), c, id); err != nil {
				t.Error(err)
			}
			s.Delete(dir + "/vmdump.0")
		}, "deleted in part", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := mem.New()
			f := &flipped{Store: s}
			co := openCorpus(t, f)
			id := upload(t, co, "a")
			upload(t, co, "b")
			c.spoil(t, co, s, f, id.String())
			before := s.Calls(mem.Put) + s.Calls(mem.Remove)
			for _, readData := range []bool{false, true} {
				lines, rep := findings(t, co, Options{ReadData: readData})
				want := c.want != "" && (readData || !c.data)
				if want != (len(lines) == 1) || len(lines) > 1 || want && !strings.Contains(lines[0], c.want) {
					t.Errorf("read data %v: %q", readData, lines)
				}
				if (rep.ReadData > 0) != readData || rep.Dumps == 0 {
					t.Errorf("%+v", rep)
				}
			}
			if s.Calls(mem.Put)+s.Calls(mem.Remove) != before {
				t.Error("it changed the corpus")
			}
		})
	}
}

// TestWrongSize checks what is said of a dump whose size differs from its document.
func TestWrongSize(t *testing.T) {
	t.Parallel()
	for cut, mend := range map[int]string{100: "upload of the whole dump", -100: "refresh"} {
		s := mem.New()
		c := openCorpus(t, s)
		id := upload(t, c, "a")
		data, _ := s.Data(id.String() + "/vmdump.0")
		longer := append(bytes.Clone(data), make([]byte, 100)...)
		s.Set(id.String()+"/vmdump.0", longer[:len(data)-cut])
		_, rep := findings(t, c, Options{})
		found := false
		for _, f := range rep.Findings {
			found = found || strings.Contains(f.Problem, "and info.json says") && strings.Contains(f.Mend, mend)
		}
		if !found {
			t.Errorf("%+v", rep.Findings)
		}
	}
}

// TestHashOfADump checks that a dump under the hash of another is found, though its MD5 is right.
func TestHashOfADump(t *testing.T) {
	t.Parallel()
	s := mem.New()
	c := openCorpus(t, s)
	a, b := upload(t, c, "a"), upload(t, c, "b")
	data, _ := s.Data(b.String() + "/vmdump.0")
	s.Set(a.String()+"/vmdump.0", data)
	lines, _ := findings(t, c, Options{ReadData: true, IDs: []dump.ID{a}})
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "its content has the hash "+b.String()) {
		t.Error(text)
	}
	if lines, _ := findings(t, c, Options{ReadData: true, IDs: []dump.ID{b}}); len(lines) != 0 {
		t.Error(lines)
	}
}

func TestStoreErrors(t *testing.T) {
	t.Parallel()
	s := mem.New()
	c := openCorpus(t, s)
	id := upload(t, c, "a")
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.Inject(mem.Fault{Op: mem.List, Key: id.String(), Kind: store.ErrPermission})
	rep, err := Run(t.Context(), c, Options{})
	if err != nil || len(rep.Findings) != 1 || !strings.Contains(rep.Findings[0].Problem, "permission") {
		t.Errorf("%+v, %v", rep, err)
	}
	s.Inject(mem.Fault{Op: mem.List, Key: id.String(), Kind: store.ErrUnavailable})
	if rep, err := Run(t.Context(), c, Options{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestRemovedMeanwhile checks that a dump that is moved to the trash during a check is no finding.
func TestRemovedMeanwhile(t *testing.T) {
	s := mem.New()
	c := openCorpus(t, s)
	id := upload(t, c, "a")
	for _, key := range s.Keys() {
		data, _ := s.Data(key)
		s.SetTime(key, data, time.Now().Add(-2*uploading))
	}
	s.Inject(mem.Fault{Op: mem.List, Key: id.String(), Before: func() {
		if _, err := trash.Remove(t.Context(), c, id); err != nil {
			t.Error(err)
		}
	}})
	if lines, rep := findings(t, c, Options{IDs: []dump.ID{id}}); len(lines) > 0 || rep.Trashed != 1 {
		t.Error(lines, rep)
	}
}
