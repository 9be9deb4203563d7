package corpus

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"thothfs/store/mem"
)

func TestFactsAboutADump(t *testing.T) {
	data := core(t)
	boot := time.Now().Add(-time.Hour)
	here := host{os: "linux", machine: "x86_64", node: "here", platform: "Linux_6.1", boot: boot}
	const systemd = "core.a\\x20b.0.4cb3a1a4f5a84c9a8f4ab0a4c5a4d5e6.77.1700000000000000"
	for _, tt := range []struct {
		name, file         string
		mtime              time.Time
		o                  UploadOptions
		node, time         string
		nodeFrom, timeFrom string
	}{
		{"here", "core", boot.Add(time.Minute), UploadOptions{}, "here", fmt.Sprint(boot.Add(time.Minute).Unix()), "uname", "mtime"},
		{"before boot", "core", time.Unix(1e9, 0), UploadOptions{}, "", "1000000000", "", "mtime"},
		{"systemd", systemd, boot.Add(time.Minute), UploadOptions{}, "here", "1700000000", "uname", "name"},
		{"options", systemd, boot.Add(time.Minute), UploadOptions{Node: "o", Time: time.Unix(5, 0)}, "o", "5", "option", "option"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, options(t, mem.New()))
			c.host = func() host { return here }
			path := local(t, tt.file, data)
			if err := os.Chtimes(path, time.Time{}, tt.mtime); err != nil {
				t.Fatal(err)
			}
			res, err := c.Upload(t.Context(), path, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			d, err := c.Cached(t.Context(), res.ID)
			if err != nil || d.Node != tt.node || fmt.Sprint(d.Time.Unix()) != tt.time ||
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
