package ingest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/store/mem"
)

func TestFactsAboutADump(t *testing.T) {
	data := core(t)
	boot := time.Now().Add(-time.Hour)
	const bootID, other = "4cb3a1a4f5a84c9a8f4ab0a4c5a4d5e6", "0cb3a1a4f5a84c9a8f4ab0a4c5a4d5e6"
	id, err := dump.ParseID(bootID)
	if err != nil {
		t.Fatal(err)
	}
	here := host{os: "linux", machine: "x86_64", node: "here", platform: "Linux_6.1", bootID: id, boot: boot}
	container, arm, unknown := here, here, here
	container.node, arm.machine, unknown.bootID = "", "aarch64", dump.ID{}
	const ours, foreign = "core.a\\x20b.0." + bootID + ".77.1700000000000000", "core.a.0." + other + ".77.1700000000000000"
	since := boot.Add(time.Minute)
	for _, tt := range []struct {
		name, file           string
		host                 host
		mtime                time.Time
		o                    Options
		node, platform, time string
		nodeFrom, timeFrom   string
	}{
		{"written since boot, by whom nobody knows", "core", here, since, Options{}, "", "", fmt.Sprint(since.Unix()), "", "mtime"},
		{"named by the kernel", "core.77", here, since, Options{}, "", "", fmt.Sprint(since.Unix()), "", "mtime"},
		{"before boot", "core", here, time.Unix(1e9, 0), Options{}, "", "", "1000000000", "", "mtime"},
		{"of this boot", ours, here, since, Options{}, "here", "Linux_6.1", "1700000000", "uname", "name"},
		{"of another boot", foreign, here, since, Options{}, "", "", "1700000000", "", "name"},
		{"of this boot, in a container", ours, container, since, Options{}, "", "Linux_6.1", "1700000000", "", "name"},
		{"of another machine type", ours, arm, since, Options{}, "", "", "1700000000", "", "name"},
		{"no boot is known", foreign, unknown, since, Options{}, "", "", "1700000000", "", "name"},
		{"options", foreign, here, since, Options{Node: "o", Platform: "p", Time: time.Unix(5, 0)}, "o", "p", "5", "option", "option"},
		{"a time before this boot", ours, here, since, Options{Time: time.Unix(5, 0)}, "", "", "5", "", "option"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, options(t, mem.New()))
			tt.o.host = func() host { return tt.host }
			path := local(t, tt.file, data)
			if err := os.Chtimes(path, time.Time{}, tt.mtime); err != nil {
				t.Fatal(err)
			}
			res, err := Upload(t.Context(), c, path, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			d, err := c.Cached(t.Context(), res.ID)
			if err != nil || d.Text(catalog.Node) != tt.node || d.Text(catalog.Platform) != tt.platform || fmt.Sprint(d.Time.Unix()) != tt.time ||
				d.Doc.String("properties.source.node") != tt.nodeFrom || d.Doc.String("properties.source.time") != tt.timeFrom {
				t.Errorf("%s %v", d.Doc.Raw(), err)
			}
		})
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"core": "core", "core.svc.startd.70377": "core.svc.startd.70377", "vmdump.3": "vmdump.3", "a b": "a b", "ü": "ü",
		"info.json": "core.info.json", "stack": "core.stack", "": "core", ".": "core", "..": "core", ".core": "core.core", "...x": "core.x", ".info.json": "core.info.json",
		"a\nb\x00c\x7f": "a_b_c_", "a\xff": "a_",
		strings.Repeat("ü", 200): strings.Repeat("ü", 127),
	} {
		if got := safeName(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		if again := safeName(want); again != want {
			t.Errorf("%q becomes %q", want, again)
		}
	}
}
