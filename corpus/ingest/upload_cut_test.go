package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/dump/dumptest"
	"thothfs/store/mem"
)

// wholes returns whole dumps of every kind, each with the number of bytes needed to identify the
// dump.
func wholes(t testing.TB) map[string]struct {
	data []byte
	head int
} {
	type whole = struct {
		data []byte
		head int
	}
	return map[string]whole{
		"ELF core":               {core(t), 16 << 10},
		"gcore":                  {sample(t, "lldb-gcore-x86_64.core"), 18 << 10},
		"kdump of makedumpfile":  {dumptest.Kdump{Node: "db7", Pages: 120, Zeros: 9}.Build(), 8192},
		"kdump of QEMU":          {dumptest.Kdump{Pages: 120, Zeros: 9}.Build(), 8192},
		"kdump, 32-bit":          {dumptest.Kdump{Node: "db7", Pages: 50, Word: 4}.Build(), 8192},
		"kdump, erased":          {dumptest.Kdump{Node: "db7", Pages: 50, Erased: "erase x size 8\n"}.Build(), 8192},
		"kdump, incomplete":      {dumptest.Kdump{Node: "db7", Pages: 50, Incomplete: true}.Build(), 8192},
		"vmdump of illumos":      {dumptest.Vmdump("headnode", 100000), 8192},
		"vmdump, end is missing": {crash(t), 8192},
	}
}

// cuts returns some lengths to truncate a dump to, smallest first.
func cuts(head, size int) []int {
	all := []int{head}
	for _, n := range []int{16384, 16390, size / 2, size * 2 / 3, size - 4096, size - 1} {
		if n > all[len(all)-1] && n < size {
			all = append(all, n)
		}
	}
	return all
}

func inspected(t testing.TB, data []byte) *dump.Info {
	t.Helper()
	info, err := dump.Inspect(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// checkHeld compares what the corpus contains of a dump with what it should contain.
func checkHeld(t *testing.T, c *corpus.Corpus, s *mem.Store, res Result, data []byte) {
	t.Helper()
	if got, _ := s.Data(res.Key); !bytes.Equal(got, data) {
		t.Errorf("%s has %d bytes, want %d", res.Key, len(got), len(data))
	}
	d, err := c.Cached(t.Context(), res.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	if inspected(t, data).Truncated() {
		want = "true"
	}
	if got := d.Doc.String("truncated"); got != want || d.Damage != "" {
		t.Errorf("truncated is %q, want %q: %s", got, want, d.Doc.Raw())
	}
}

// TestUploadCutAndWhole checks that a whole dump replaces a truncated one, wherever it is cut, but
// never the reverse.
func TestUploadCutAndWhole(t *testing.T) {
	for name, w := range wholes(t) {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			c := open(t, options(t, s))
			whole := local(t, "whole", w.data)
			upload := func(path string, want State) Result {
				t.Helper()
				res, err := Upload(t.Context(), c, path, Options{})
				if err != nil || res.State != want {
					t.Fatal(res, err)
				}
				return res
			}
			state := Stored
			for _, n := range cuts(w.head, len(w.data)) {
				path := local(t, "cut", w.data[:n])
				checkHeld(t, c, s, upload(path, state), w.data[:n])
				checkHeld(t, c, s, upload(path, Present), w.data[:n])
				if _, err := c.Edit(t.Context(), idOf(t, w.data), document.Set("ticket", "OS-1")); err != nil {
					t.Fatal(err)
				}
				state = Repaired
			}
			checkHeld(t, c, s, upload(whole, Repaired), w.data)
			res := upload(whole, Present)
			for _, n := range cuts(w.head, len(w.data)) {
				if _, err := Upload(t.Context(), c, local(t, "cut", w.data[:n]), Options{}); !errors.Is(err, ErrDiffers) {
					t.Errorf("cut to %d: %v", n, err)
				}
			}
			checkHeld(t, c, s, res, w.data)
			wantCount(t, c, "ticket=OS-1", 1)
			if keys := s.Keys(); len(keys) != 2 {
				t.Error(keys)
			}
		})
	}
}

// TestUploadCutAndWholeUnfinished does the same without a document, as after an interrupted upload.
func TestUploadCutAndWholeUnfinished(t *testing.T) {
	for name, w := range wholes(t) {
		t.Run(name, func(t *testing.T) {
			for _, n := range cuts(w.head, len(w.data)) {
				cut := w.data[:n]
				for _, tt := range []struct {
					there, file []byte
					err         error
				}{{cut, w.data, nil}, {w.data, cut, ErrDiffers}} {
					s := mem.New()
					key := idOf(t, w.data).String() + "/core.z"
					s.Set(key, tt.there)
					c := open(t, options(t, s))
					res, err := Upload(t.Context(), c, local(t, "up", tt.file), Options{})
					if !errorsIs(err, tt.err) || err == nil && res.State != Completed {
						t.Fatal(n, res, err)
					}
					if got, _ := s.Data(key); !bytes.Equal(got, w.data) {
						t.Errorf("cut to %d: %d bytes are left", n, len(got))
					}
				}
			}
		})
	}
}

// TestUploadRepairKeepsEdits checks that edits made by others while a truncated dump is being
// replaced are kept, at whichever call of the store they are made.
func TestUploadRepairKeepsEdits(t *testing.T) {
	data := dumptest.Kdump{Node: "db7", Pages: 120, Zeros: 9}.Build()
	whole, cut := local(t, "whole", data), local(t, "cut", data[:len(data)/2])
	for n := 1; ; n++ {
		s := mem.New()
		c, other := open(t, options(t, s)), open(t, options(t, s))
		res, err := Upload(t.Context(), c, cut, Options{})
		if err != nil {
			t.Fatal(err)
		}
		met := false
		s.Inject(mem.Fault{Nth: n, Before: func() {
			if met { // called by the edit itself
				return
			}
			met = true
			if _, err := other.Edit(context.WithoutCancel(t.Context()), res.ID, document.Set("ticket", "OS-9")); err != nil {
				t.Error(err)
			}
		}})
		res, err = Upload(t.Context(), c, whole, Options{})
		if err != nil || res.State != Repaired {
			t.Fatalf("call %d: %v %v", n, res, err)
		}
		s.Heal()
		if !met {
			return
		}
		checkHeld(t, c, s, res, data)
		raw, _ := s.Data(infoKey(res.ID))
		if doc := document.Parse(raw); doc.String("ticket") != "OS-9" || doc.String("truncated") != "" {
			t.Errorf("call %d: %s", n, raw)
		}
	}
}

// TestUploadCutAndWholeAtOnce uploads a truncated copy and the whole dump at the same time, so that
// one overtakes the other at each call of the store. The whole dump must remain.
func TestUploadCutAndWholeAtOnce(t *testing.T) {
	data := dumptest.Vmdump("headnode", 100000)
	whole, cut := local(t, "whole", data), local(t, "cut", data[:len(data)/2])
	for _, race := range [][2]string{{whole, cut}, {cut, whole}} {
		for n, met := 1, true; met; n++ {
			s := mem.New()
			c, other := open(t, options(t, s)), open(t, options(t, s))
			met = false
			s.Inject(mem.Fault{Nth: n, Before: func() {
				if met { // called by the other upload itself
					return
				}
				met = true
				if _, err := Upload(context.WithoutCancel(t.Context()), other, race[1], Options{}); err != nil && !errors.Is(err, ErrDiffers) {
					t.Errorf("call %d: %v", n, err)
				}
			}})
			_, err := Upload(t.Context(), c, race[0], Options{})
			if err != nil && !errors.Is(err, ErrDiffers) {
				t.Fatalf("call %d: %v", n, err)
			}
			s.Heal()
			res, err := Upload(t.Context(), c, whole, Options{})
			if err != nil || met && res.State != Present {
				t.Fatalf("call %d: %v %v", n, res, err)
			}
			checkHeld(t, c, s, res, data)
			if keys := s.Keys(); len(keys) != 2 {
				t.Errorf("call %d: %v", n, keys)
			}
		}
	}
}

// TestUploadCorrectsTheDocument checks that a repair that was interrupted before it changed the
// document is completed.
func TestUploadCorrectsTheDocument(t *testing.T) {
	data := dumptest.Kdump{Node: "db7", Pages: 20}.Build()
	for _, tt := range []struct {
		doc  string
		file []byte
		want string
	}{
		{`{"truncated": true, "x": 1}`, data, `{"x": 1}`},
		{`{"x": 1}`, data, `{"x": 1}`},
		{`{"x": 1}`, data[:len(data)-1], `{"x": 1, "truncated": true}`},
		{`{"truncated": true`, data, `{"truncated": true`}, // damaged
	} {
		s := mem.New()
		id := idOf(t, data)
		s.Set(infoKey(id), []byte(tt.doc))
		s.Set(id.String()+"/core.x", tt.file)
		c := open(t, options(t, s))
		if res, err := Upload(t.Context(), c, local(t, "up", tt.file), Options{}); err != nil || res.State != Present {
			t.Fatal(res, err)
		}
		raw, _ := s.Data(infoKey(id))
		if got := strings.Join(strings.Fields(string(raw)), " "); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestUploadRearranges(t *testing.T) {
	data := dumptest.Kdump{Pages: 120, Zeros: 9}.Build()
	flat := dumptest.Flatten(data)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(flat)
	w.Close()
	temp := t.TempDir()
	s := mem.New()
	c := open(t, options(t, s))
	for name, content := range map[string][]byte{"vmcore.flat": flat, "vmcore.gz": packed.Bytes()} {
		path := local(t, name, content)
		if id, err := HashFile(t.Context(), path, temp); err != nil || id != idOf(t, data) {
			t.Errorf("%s: hash %v, %v", name, id, err)
		}
		res, err := Upload(t.Context(), c, path, Options{TempDir: temp})
		if err != nil || res.ID != idOf(t, data) || res.Size != int64(len(data)) {
			t.Fatal(name, res, err)
		}
		checkHeld(t, c, s, res, data)
		if d, err := c.Cached(t.Context(), res.ID); err != nil || d.Doc.String("properties.flattened") != "true" || d.Doc.String("format") != "kdump" {
			t.Errorf("%s %v", d.Doc.Raw(), err)
		}
		for _, n := range []int{20, 5000, len(content) / 2, len(content) - 1} {
			if _, err := Upload(t.Context(), c, local(t, "cut", content[:n]), Options{TempDir: temp}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, cut to %d: %v", name, n, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Upload(ctx, c, local(t, "flat", flat), Options{TempDir: temp}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

// TestUploadRefusesParts checks that a part of a split dump is refused and nothing is stored.
func TestUploadRefusesParts(t *testing.T) {
	s := mem.New()
	c := open(t, options(t, s))
	var u *dump.UnsupportedError
	_, err := Upload(t.Context(), c, local(t, "vmcore.1", dumptest.Kdump{Pages: 9, Split: [2]uint64{0, 64}}.Build()), Options{})
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "--reassemble") || len(s.Keys()) != 0 {
		t.Error(err, s.Keys())
	}
}
