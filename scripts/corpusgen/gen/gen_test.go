package gen_test

import (
	"bytes"
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/scripts/corpusgen/gen"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func generate(t *testing.T, o gen.Options) gen.Progress {
	t.Helper()
	p, err := gen.Generate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tree returns every file below dir and its content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e iofs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[path[len(dir):]] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestDumpsAreDumps checks that the files agree with info.json and with their directories.
func TestDumpsAreDumps(t *testing.T) {
	o := gen.Options{Dir: t.TempDir(), Count: 400, Seed: 7}
	generate(t, o)
	kinds := map[dump.Type]int{}
	for i := range o.Count {
		d, err := gen.Sample(o, i)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(o.Dir, d.ID.String(), d.Name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		info, err := dump.Inspect(f, fi.Size())
		if err != nil {
			t.Fatalf("%v: %v", d.ID, err)
		}
		text, err := os.ReadFile(filepath.Join(o.Dir, d.ID.String(), "info.json"))
		if err != nil {
			t.Fatal(err)
		}
		doc := document.Parse(text)
		cut := info.Type == dump.Core && info.Truncated() // the last block of a crash dump is a hole too
		if info.ID != d.ID || cut || string(info.Type) != doc.String("type") || info.Cmd != doc.String("cmd") ||
			info.Psargs != doc.String("psargs") || doc.String("name") != "/thoth/stor/thoth/"+d.ID.String() {
			t.Errorf("%+v, and the document says\n%s", info, text)
		}
		kinds[info.Type]++
	}
	if kinds[dump.Core] < 350 || kinds[dump.Crash] < 2 {
		t.Errorf("%v", kinds)
	}
}

// TestSameSeed checks that a seed produces the same dumps for any number of workers and steps.
func TestSameSeed(t *testing.T) {
	whole := gen.Options{Dir: t.TempDir(), Count: 120, Seed: 1, Workers: 1}
	generate(t, whole)
	steps := gen.Options{Dir: t.TempDir(), Count: 50, Seed: 1}
	generate(t, steps)
	steps.From, steps.Count = 40, 80
	if p := generate(t, steps); p != (gen.Progress{Done: 80, Written: 70, Total: 80}) {
		t.Errorf("%+v", p)
	}
	want := tree(t, whole.Dir)
	if got := tree(t, steps.Dir); len(got) != 240 || len(want) != 240 {
		t.Fatalf("%d and %d files", len(got), len(want))
	} else {
		for name, text := range want {
			if got[name] != text {
				t.Errorf("%s differs", name)
			}
		}
	}
	other := whole
	other.Seed = 2
	a, _ := gen.Sample(whole, 5)
	if b, _ := gen.Sample(other, 5); a.ID == b.ID {
		t.Error("another seed makes the same dump")
	}
}

// TestResume checks that an interrupted run is completed and that edited documents are kept.
func TestResume(t *testing.T) {
	o := gen.Options{Dir: t.TempDir(), Count: 500, Seed: 3}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(gen.Progress) { cancel() }
	p, err := gen.Generate(ctx, o)
	if !errors.Is(err, context.Canceled) || p.Done == 0 || p.Done >= o.Count {
		t.Fatalf("%+v, %v", p, err)
	}
	o.Progress = nil
	made, err := filepath.Glob(filepath.Join(o.Dir, "*", "info.json"))
	if err != nil || len(made) != p.Done {
		t.Fatalf("%d, %v after %+v", len(made), err, p)
	}
	edited, unfinished := made[0], p.Done
	if err := os.WriteFile(edited, []byte(`{"ticket":"OS-1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := generate(t, o); p.Done != o.Count || p.Written != o.Count-unfinished {
		t.Errorf("%+v after %d", p, unfinished)
	}
	if text, _ := os.ReadFile(edited); string(text) != `{"ticket":"OS-1"}` {
		t.Errorf("the edit is lost: %s", text)
	}
}

// TestCannotWrite checks that a write error is returned.
func TestCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := gen.Generate(t.Context(), gen.Options{Dir: file, Count: 1}); err == nil {
		t.Error("no error")
	}
	if _, err := gen.Generate(t.Context(), gen.Options{Dir: t.TempDir(), Count: -1}); err == nil {
		t.Error("no error")
	}
}

// TestFill checks that filled dumps contain bytes instead of holes, and always the same bytes.
func TestFill(t *testing.T) {
	o := gen.Options{Dir: t.TempDir(), Count: 1, DumpSize: 3 << 20, Fill: true}
	generate(t, o)
	d, err := gen.Sample(o, 0)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(o.Dir, d.ID.String(), d.Name))
	if err != nil || len(data) != 3<<20 || bytes.Contains(data[4096:], make([]byte, 64)) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// TestShape checks the distribution of the corpus.
func TestShape(t *testing.T) {
	const n = 5000
	o := gen.Options{Seed: 1}
	cmds, signatures := map[string]int{}, map[string]int{}
	tickets, stacks, recent := 0, 0, 0
	for d, err := range gen.Samples(o, 0, n) {
		if err != nil {
			t.Fatal(err)
		}
		cmds[d.Fields.Cmd]++
		signatures[d.Fields.Properties["signature"]]++
		if d.Fields.Ticket != "" {
			tickets++
		}
		if d.Fields.Stack != nil {
			stacks++
		}
		if d.Fields.Time.Year() >= 2019 {
			recent++
		}
	}
	most := 0
	for _, count := range cmds {
		most = max(most, count)
	}
	if len(cmds) < 100 || most < n/10 || most > n/2 || len(signatures) < 200 || len(signatures) > n/2 ||
		tickets < n*4/10 || tickets > n*6/10 || stacks < n*9/10 || stacks == n || recent < n/2 {
		t.Errorf("%d programs, %d of the first, %d signatures, %d tickets, %d stacks, %d since 2019", len(cmds), most, len(signatures), tickets, stacks, recent)
	}
}

// TestServed checks that thothfs finds the dumps, in a directory and in a Manta.
func TestServed(t *testing.T) {
	root := t.TempDir()
	o := gen.Options{Dir: filepath.Join(root, "thoth/stor/thoth"), Count: 1100, Seed: 1}
	generate(t, o)
	local, err := dir.Open(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	server := mantatest.Start(t, mantatest.Options{Root: root})
	remote, err := manta.Open(manta.Options{URL: server.URL, Account: "thoth", NoAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	want := 0
	for d, err := range gen.Samples(o, 0, o.Count) {
		if err != nil {
			t.Fatal(err)
		}
		if d.Fields.Cmd == "node" && d.Fields.Ticket == "" {
			want++
		}
	}
	for name, s := range map[string]store.Store{"directory": local, "manta": remote} {
		t.Run(name, func(t *testing.T) {
			c, err := corpus.Open(t.Context(), corpus.Options{Store: s, Name: name, Root: "/thoth/stor/thoth", Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Sync(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			spec, err := query.Parse("cmd=node ticket=undefined")
			if err != nil {
				t.Fatal(err)
			}
			rows, err := c.Select(t.Context(), spec)
			if known, _, _ := c.SyncState(); err != nil || known != o.Count || len(rows) != want || want == 0 {
				t.Errorf("%d of %d, %d rows, want %d: %v", known, o.Count, len(rows), want, err)
			}
		})
	}
}
