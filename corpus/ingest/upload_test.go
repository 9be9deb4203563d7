package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
	"time"
)

// core returns the content of a real core, and crash that of a kernel dump.
func core(t testing.TB) []byte  { return sample(t, "lldb-linux-x86_64.core") }
func crash(t testing.TB) []byte { return sample(t, "synthetic-vmdump.0") }

func sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../dump/testdata/cores", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// local writes a file to upload and returns its path.
func local(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func idOf(t testing.TB, data []byte) dump.ID {
	t.Helper()
	id, err := dump.Hash(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestUpload(t *testing.T) {
	s := mem.New()
	c := open(t, options(t, s))
	data := core(t)
	path := local(t, "core.70377", data)
	var sent int64
	res, err := Upload(t.Context(), c, path, Options{
		host: func() host { return host{} },
		Node: "n", Platform: "p", Time: time.Unix(1373566304, 0),
		Progress: func(done, total int64) { sent = done },
		Stack: func(_ context.Context, p string, i *dump.Info) ([]string, error) {
			if p != path || i.ID != idOf(t, data) {
				t.Error(p, i)
			}
			return []string{"main+0x1"}, nil
		},
	})
	id := idOf(t, data)
	if err != nil || res.ID != id || res.State != Stored || res.Key != id.String()+"/core.70377" || res.Size != int64(len(data)) || sent != res.Size {
		t.Fatal(res, err)
	}
	if got, _ := s.Data(res.Key); !bytes.Equal(got, data) {
		t.Error("not the dump")
	}
	d, err := c.Cached(t.Context(), id) // already updated
	if err != nil || d.Text(catalog.Node) != "n" || d.Text(catalog.Platform) != "p" || d.Time.Unix() != 1373566304 || d.Damage != "" || !slices.Equal(d.Doc.Stack(), []string{"main+0x1"}) {
		t.Errorf("%+v %v", d, err)
	}
	for path, want := range map[string]string{
		"name": "/u/stor/thoth/" + id.String(), "dump": "/u/stor/thoth/" + res.Key, "version": "1", "type": "core",
		"properties.source.node": "option", "properties.source.time": "option",
	} {
		if got := d.Doc.String(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	calls := s.Calls(mem.Put)
	res, err = Upload(t.Context(), c, local(t, "another-name", data), Options{})
	if err != nil || res.State != Present || res.ID != id || !strings.HasSuffix(res.Key, "/core.70377") || s.Calls(mem.Put) != calls {
		t.Error(res, err)
	}
}

func TestUploadStates(t *testing.T) {
	data := core(t)
	id := idOf(t, data)
	longer := append(slices.Clone(data), make([]byte, 4096)...)
	doc := info(id, "x", "T-1", 1) // names core.x
	short := data[:len(data)-4096]
	for _, tt := range []struct {
		name  string
		there map[string][]byte
		file  []byte
		state State
		err   error
		want  map[string][]byte // besides info.json; nil if unchanged
	}{
		{"there", map[string][]byte{"info.json": doc, "core.x": data}, data, Present, nil, nil},
		{"there, with other files", map[string][]byte{"info.json": doc, "core.x": data, "core.y": short, "notes": nil}, data, Present, nil, nil},
		{"truncated copy there", map[string][]byte{"info.json": doc, "core.x": short}, data, Repaired, nil, map[string][]byte{"core.x": data}},
		{"whole one there, truncated file", map[string][]byte{"info.json": doc, "core.x": data}, short, "", ErrDiffers, nil},
		{"whole one there, file with a tail", map[string][]byte{"info.json": doc, "core.x": data}, longer, Present, nil, nil},
		{"purged", map[string][]byte{"info.json": doc}, data, Restored, nil, map[string][]byte{"core.x": data}},
		{"unfinished, without document", map[string][]byte{"core.z": data}, data, Completed, nil, nil},
		{"unfinished, same size, other content", map[string][]byte{"core.z": make([]byte, len(data))}, data, Completed, nil, map[string][]byte{"core.z": data}},
		{"unfinished, too short", map[string][]byte{"core.z": short}, data, Completed, nil, map[string][]byte{"core.z": data}},
		{"unfinished, whole, truncated file", map[string][]byte{"core.z": data}, short, "", ErrDiffers, nil},
		{"somebody's notes", map[string][]byte{"notes": []byte("x")}, data, Stored, nil, map[string][]byte{"notes": []byte("x"), "up": data}},
		{"damaged document", map[string][]byte{"info.json": []byte("{"), "core.q": data}, data, Present, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mem.New()
			for name, data := range tt.there {
				s.Set(id.String()+"/"+name, data)
			}
			c := open(t, options(t, s))
			res, err := Upload(t.Context(), c, local(t, "up", tt.file), Options{})
			if !errorsIs(err, tt.err) || err == nil && res.State != tt.state {
				t.Fatal(res, err)
			}
			want := tt.want
			if want == nil {
				want = tt.there
			}
			for _, key := range s.Keys() {
				name := strings.TrimPrefix(key, id.String()+"/")
				got, _ := s.Data(key)
				if data, ok := want[name]; name != corpus.InfoName && (!ok || !bytes.Equal(got, data)) {
					t.Errorf("%s has %d bytes", name, len(got))
				}
			}
			if got, ok := s.Data(infoKey(id)); tt.there["info.json"] != nil && !bytes.Equal(got, tt.there["info.json"]) || ok != (err == nil || tt.there["info.json"] != nil) {
				t.Errorf("info.json: %v %s", ok, got)
			}
			if e, err := c.DumpFile(t.Context(), id); tt.err == nil && (err != nil || res.Key != id.String()+"/"+e.Name) {
				t.Error(e, err, res)
			}
			if _, err := c.Cached(t.Context(), id); (err == nil) != (tt.err == nil) {
				t.Error(err)
			}
		})
	}
}

// TestUploadUnderAnotherHash checks that Upload finds a crash dump uploaded by another version of
// the original.
func TestUploadUnderAnotherHash(t *testing.T) {
	data := crash(t)
	di, err := dump.Inspect(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range append([]dump.ID{di.ID}, di.AlsoIDs...) {
		s := mem.New()
		s.Set(infoKey(id), info(id, "x", "", 1))
		s.Set(id.String()+"/vmdump.0", data)
		c := open(t, options(t, s))
		res, err := Upload(t.Context(), c, local(t, "vmdump.0", data), Options{})
		if err != nil || res.ID != id || res.State != Present {
			t.Error(res, err)
		}
	}
	s := mem.New()
	c := open(t, options(t, s))
	res, err := Upload(t.Context(), c, local(t, "vmdump.0", data), Options{})
	if err != nil || res.ID != di.ID {
		t.Fatal(res, err)
	}
	d, err := c.Cached(t.Context(), di.ID)
	if err != nil || d.Text(catalog.Type) != "crash" || d.Text(catalog.Node) != di.Node || d.Doc.String("properties.panicstring") != di.Properties["panicstring"] || d.Doc.String("format") != "illumos vmdump" || d.Doc.String("properties.source.node") != "" {
		t.Errorf("%+v %v", d, err)
	}
}

func TestUploadUnpacks(t *testing.T) {
	data := core(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(data)
	w.Close()
	temp := t.TempDir()
	s := mem.New()
	c := open(t, options(t, s))
	res, err := Upload(t.Context(), c, local(t, "core.1.gz", packed.Bytes()), Options{TempDir: temp})
	if err != nil || res.ID != idOf(t, data) || res.Size != int64(len(data)) || !strings.HasSuffix(res.Key, "/core.1") {
		t.Fatal(res, err)
	}
	if got, _ := s.Data(res.Key); !bytes.Equal(got, data) {
		t.Error("not the dump")
	}
	if d, err := c.Cached(t.Context(), res.ID); err != nil || d.Doc.String("properties.compressed") != "gzip" {
		t.Error(d, err)
	}
	if _, err := Upload(t.Context(), c, local(t, "core.2.gz", packed.Bytes()[:packed.Len()/2]), Options{TempDir: temp}); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, dump.ErrDamaged) {
		t.Error("a compressed file that was cut:", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

func TestUploadRefuses(t *testing.T) {
	c := open(t, options(t, mem.New()))
	var unsupported *dump.UnsupportedError
	for name, path := range map[string]string{
		"text": local(t, "text", []byte("hello")), "empty": local(t, "empty", nil), "directory": t.TempDir(), "nothing": "/nonexistent",
	} {
		_, err := Upload(t.Context(), c, path, Options{})
		if err == nil || (name == "text" || name == "empty") && !errors.As(err, &unsupported) || name == "nothing" && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if keys := c.Options().Store.(*mem.Store).Keys(); len(keys) != 0 {
		t.Error(keys)
	}
}

func TestUploadOfAFileThatChanges(t *testing.T) {
	data := core(t)
	s := mem.New()
	c := open(t, options(t, s))
	path := local(t, "core", data)
	_, err := Upload(t.Context(), c, path, Options{Progress: func(done, total int64) {
		if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
	}})
	if !errors.Is(err, ErrChanged) || len(s.Keys()) != 0 {
		t.Error(err, s.Keys())
	}
	if res, err := Upload(t.Context(), c, path, Options{}); err != nil || res.State != Stored {
		t.Error(res, err)
	}
}

// TestUploadOutrun lets another upload of the same dump, under another name, overtake at each call
// of the store.
func TestUploadOutrun(t *testing.T) {
	data := core(t)
	id := idOf(t, data)
	for n := 1; ; n++ {
		s := mem.New()
		c := open(t, options(t, s))
		met := false
		s.Inject(mem.Fault{Nth: n, Before: func() {
			if _, stored := s.Data(infoKey(id)); stored {
				return // ours was first
			}
			met = true
			s.Set(id.String()+"/core.x", data)
			s.Set(infoKey(id), info(id, "x", "", 1))
		}})
		res, err := Upload(t.Context(), c, local(t, "core.mine", data), Options{})
		if err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		if !met {
			return
		}
		if keys := s.Keys(); len(keys) != 2 || res.State != Present || res.Key != id.String()+"/core.x" {
			t.Errorf("call %d: %v, %+v", n, keys, res)
		}
	}
}

// TestUploadWhileTheTrashIsEmptied deletes a dump after an upload has found it in the store.
func TestUploadWhileTheTrashIsEmptied(t *testing.T) {
	data := core(t)
	s := mem.New()
	c := open(t, options(t, s))
	id := idOf(t, data)
	key := id.String() + "/core.x"
	s.Set(key, data)
	s.Inject(mem.Fault{Op: "put", Key: id.String() + "/info.json", Before: func() { s.Delete(key) }})
	res, err := Upload(t.Context(), c, local(t, "core.y", data), Options{})
	if err != nil || res.State != Restored {
		t.Fatal(res, err)
	}
	checkUploaded(t, s, c, res, data)
}

// TestUploadFaults makes each call of the store fail in turn. A second upload must complete the
// first, both on the bare store and behind Retry.
func TestUploadFaults(t *testing.T) {
	data := core(t)
	id := idOf(t, data)
	for name, there := range map[string]map[string][]byte{
		"nothing there":  nil,
		"behind retry":   nil,
		"truncated dump": {"core.x": data[:len(data)-1000], "info.json": info(id, "x", "", 1)},
		"unfinished":     {"core.x": data},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
				synctest.Test(t, func(t *testing.T) { uploadTwice(t, there, data, name == "behind retry", arm) })
			})
		})
	}
}

// uploadTwice uploads with a fault, then without.
func uploadTwice(t *testing.T, there map[string][]byte, data []byte, retry bool, arm func(*mem.Faulty)) {
	s := mem.New()
	for name, content := range there {
		s.Set(idOf(t, data).String()+"/"+name, content)
	}
	o := options(t, s)
	if retry {
		o.Store = store.Retry(s, store.RetryOptions{})
	}
	c := open(t, o)
	path := local(t, "core.y", data)
	arm(s.Faulty)
	res, err := Upload(t.Context(), c, path, Options{})
	if err == nil {
		checkUploaded(t, s, c, res, data)
	} else if store.Kind(err) == nil {
		t.Errorf("an error of no kind: %v", err)
	}
	s.Heal()
	res, err = Upload(t.Context(), c, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkUploaded(t, s, c, res, data)
}

func checkUploaded(t *testing.T, s *mem.Store, c *corpus.Corpus, res Result, data []byte) {
	t.Helper()
	keys := s.Keys()
	if len(keys) != 2 || !slices.Contains(keys, res.Key) || !slices.Contains(keys, infoKey(res.ID)) {
		t.Fatal(keys, res)
	}
	if got, _ := s.Data(res.Key); !bytes.Equal(got, data) {
		t.Error("not the dump")
	}
	raw, _ := s.Data(infoKey(res.ID))
	if doc := document.Parse(raw); doc.Damage() != "" || doc.String("dump") != "/u/stor/thoth/"+res.Key {
		t.Errorf("%s", raw)
	}
	if _, err := c.Cached(t.Context(), res.ID); err != nil {
		t.Error(err)
	}
}

func TestUploadCanceled(t *testing.T) {
	data := core(t)
	for n := 1; ; n++ {
		s := mem.New()
		c := open(t, options(t, s))
		ctx, cancel := context.WithCancel(t.Context())
		met := false
		s.Inject(mem.Fault{Nth: n, Before: func() { met = true; cancel() }})
		path := local(t, "core.y", data)
		if _, err := Upload(ctx, c, path, Options{}); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
		res, err := Upload(t.Context(), c, path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkUploaded(t, s, c, res, data)
		if !met {
			return
		}
	}
}

func TestUploadToADirectory(t *testing.T) {
	data := core(t)
	s := dirStore(t)
	id := idOf(t, data)
	if _, err := s.Put(t.Context(), store.Ref{Key: id.String() + "/core.x"}, bytes.NewReader(data[:1000]), 1000); err != nil {
		t.Fatal(err)
	}
	c := open(t, options(t, s))
	for _, want := range []State{Completed, Present} {
		res, err := Upload(t.Context(), c, local(t, "core.y", data), Options{})
		if err != nil || res.State != want || res.Key != id.String()+"/core.x" {
			t.Fatal(res, err)
		}
	}
	sync1(t, c)
	wantCount(t, c, "", 1)
	if e, err := c.DumpFile(t.Context(), id); err != nil || e.Size != int64(len(data)) {
		t.Error(e, err)
	}
}
