package cache

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatOthersLeftInTheCache plants links and files in the cache directory, as other users
// could while they had write access. It checks that nothing is written through them and that
// reads return the right data.
func TestWhatOthersLeftInTheCache(t *testing.T) {
	const size = 1 << 20
	_, sum := whole(size)
	give := func(path string) {
		if os.Lchown(path, 12345, 12345) != nil {
			t.Skip("only root can give a file away")
		}
	}
	for _, tc := range []struct {
		name  string
		plant func(t *testing.T, pair, victim string) // pair is the path of the two files, without suffix
	}{
		{"namespace is a link", func(t *testing.T, pair, victim string) {
			ns := filepath.Dir(filepath.Dir(pair))
			must(t, os.RemoveAll(ns), os.Symlink(victim, ns))
		}},
		{"directory is a link", func(t *testing.T, pair, victim string) {
			must(t, os.RemoveAll(filepath.Dir(pair)), os.Symlink(victim, filepath.Dir(pair)))
		}},
		{"directory is a file", func(t *testing.T, pair, _ string) {
			must(t, os.RemoveAll(filepath.Dir(pair)), os.WriteFile(filepath.Dir(pair), nil, 0o600))
		}},
		{"directory of another", func(t *testing.T, pair, _ string) { give(filepath.Dir(pair)) }},
		{"namespace of another", func(t *testing.T, pair, _ string) { give(filepath.Dir(filepath.Dir(pair))) }},
		{"directory that others write to", func(t *testing.T, pair, _ string) { must(t, os.Chmod(filepath.Dir(pair), 0o777)) }},
		{"map is a link", func(t *testing.T, pair, victim string) {
			must(t, os.Remove(pair+".map"), os.Symlink(victim+"/file", pair+".map"))
		}},
		{"data is a link", func(t *testing.T, pair, victim string) {
			must(t, os.Remove(pair+".data"), os.Symlink(victim+"/file", pair+".data"))
		}},
		{"data is a link, and there is no map", func(t *testing.T, pair, victim string) {
			must(t, os.Remove(pair+".data"), os.Symlink(victim+"/file", pair+".data"), os.Remove(pair+".map"))
		}},
		{"map of another", func(t *testing.T, pair, _ string) { give(pair + ".map") }},
		{"data of another", func(t *testing.T, pair, _ string) { give(pair + ".data") }},
		{"data that others write to", func(t *testing.T, pair, _ string) { must(t, os.Chmod(pair+".data", 0o666)) }},
		{"map that the group writes to", func(t *testing.T, pair, _ string) { must(t, os.Chmod(pair+".map", 0o660)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			victim := t.TempDir()
			must(t, os.WriteFile(filepath.Join(victim, "file"), []byte("precious"), 0o600))
			o := options(t, &source{size: size})
			var said bytes.Buffer
			o.Log = slog.New(slog.NewTextHandler(&said, nil))
			c := open(t, o)
			f := openFile(t, c, "a", size)
			f.Expect(sum)
			must(t, f.Complete(t.Context()))
			settle(t, c)
			c.Close()
			tc.plant(t, localPath(c, "a"), victim)
			for _, quota := range []int64{1 << 30, 1} { // the second evicts everything
				o.Quota = quota
				c = open(t, o)
				f = openFile(t, c, "a", size)
				noFile(t, f, tc.name)
				for range 2 {
					check(t, f, 0, size)
					settle(t, c)
				}
				c.Close()
				if s := c.Stats(); s.State != "normal" {
					t.Errorf("the disk counts as failing: %+v", s)
				}
			}
			left, err := os.ReadDir(victim)
			must(t, err)
			text, err := os.ReadFile(filepath.Join(victim, "file"))
			if err != nil || string(text) != "precious" || len(left) != 1 {
				t.Errorf("%q, %v; %v", text, err, left)
			}
			if n := strings.Count(said.String(), "not private"); n > 2 { // once per cache

				t.Errorf("told %d times:\n%s", n, said.String())
			}
		})
	}
}
