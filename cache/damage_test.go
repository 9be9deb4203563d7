package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/cache/blockfile"
	"thothfs/store"
)

// The layout of a block map; see package blockfile.
const (
	headerSize  = 4 << 10
	markOffset  = headerSize - 56
	recordFixed = 16
	stateOffset = 8
)

func recordSize(block int64) int64 { return recordFixed + 8*block/page }

func recordOffset(block, b int64) int64 { return headerSize + b*recordSize(block) }

// localPath returns the path of the files of key, without suffix.
func localPath(c *Cache, key string) string {
	v := blockfile.NewVersion(store.Ref{Key: key, ETag: "v1"}, 0, c.block)
	return strings.TrimSuffix(c.disk.files.DataPath(&v), ".data")
}

func flip(t *testing.T, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamage damages the local files of a complete version, between two runs or during one, and
// reads everything.
func TestDamage(t *testing.T) {
	const size = 1<<20 + 100
	record := func(b int64) int64 { return recordOffset(128*kib, b) }
	for _, tc := range []struct {
		name    string
		do      func(t *testing.T, path string)
		corrupt int64 // blocks counted as corrupt
		fetched int64 // maximum, in bytes
	}{
		{"nothing", func(*testing.T, string) {}, 0, 0},
		{"flipped bit", func(t *testing.T, p string) { flip(t, p+".data", 300*kib) }, 1, 128 * kib},
		{"last byte", func(t *testing.T, p string) { flip(t, p+".data", size-1) }, 1, 128 * kib},
		{"data truncated", func(t *testing.T, p string) { must(t, os.Truncate(p+".data", 200*kib)) }, 7, size - 128*kib},
		{"data empty", func(t *testing.T, p string) { must(t, os.Truncate(p+".data", 0)) }, 8, size},
		{"data longer", func(t *testing.T, p string) { must(t, os.Truncate(p+".data", 2*size)) }, 0, 0},
		{"flipped state", func(t *testing.T, p string) { flip(t, p+".map", record(2)+stateOffset) }, 0, 128 * kib},
		{"flipped record", func(t *testing.T, p string) { flip(t, p+".map", record(2)+1) }, 0, 128 * kib},
		{"flipped sum", func(t *testing.T, p string) { flip(t, p+".map", record(2)+recordFixed+3) }, 0, 128 * kib},
		{"map truncated", func(t *testing.T, p string) { must(t, os.Truncate(p+".map", record(3)+20)) }, 0, size - 3*128*kib},
		{"records exchanged", func(t *testing.T, p string) {
			b, err := os.ReadFile(p + ".map")
			must(t, err)
			size := recordSize(128 * kib)
			swapped := append(append([]byte(nil), b[record(3):record(3)+size]...), b[record(2):record(2)+size]...)
			must(t, os.WriteFile(p+".map", append(append(b[:record(2)], swapped...), b[record(4):]...), 0o600))
		}, 0, 2 * 128 * kib},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, mode := range []string{"running", "between runs"} {
				t.Run(mode, func(t *testing.T) {
					src := &source{size: size}
					o := options(t, src)
					c := open(t, o)
					f := openFile(t, c, "a", size)
					check(t, f, 0, size)
					settle(t, c)
					if mode == "between runs" {
						c.Close()
						c = open(t, o)
						f = openFile(t, c, "a", size)
					}
					tc.do(t, localPath(c, "a"))
					before := c.Stats()
					check(t, f, 0, size)
					settle(t, c)
					s := c.Stats()
					if s.Corrupt != tc.corrupt || s.BytesFetched-before.BytesFetched > tc.fetched {
						t.Errorf("%d corrupt, %d fetched; want %d, %d", s.Corrupt, s.BytesFetched-before.BytesFetched, tc.corrupt, tc.fetched)
					}
					check(t, f, 0, size)
					if again := c.Stats(); again.Fetches != s.Fetches {
						t.Error("not mended")
					}
				})
			}
		})
	}
}

// TestFilesFromElsewhere reads a version whose files have been replaced by other files.
func TestFilesFromElsewhere(t *testing.T) {
	const size = 1 << 20
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, mine, other string)
	}{
		{"both of another", func(t *testing.T, mine, other string) {
			must(t, os.Rename(other+".map", mine+".map"), os.Rename(other+".data", mine+".data"))
		}},
		{"map of another", func(t *testing.T, mine, other string) { must(t, os.Rename(other+".map", mine+".map")) }},
		{"data of another", func(t *testing.T, mine, other string) { must(t, os.Rename(other+".data", mine+".data")) }},
		{"no data", func(t *testing.T, mine, _ string) { must(t, os.Remove(mine+".data")) }},
		{"no map", func(t *testing.T, mine, _ string) { must(t, os.Remove(mine+".map")) }},
		{"garbage", func(t *testing.T, mine, _ string) { must(t, os.WriteFile(mine+".map", make([]byte, 10000), 0o600)) }},
		{"empty", func(t *testing.T, mine, _ string) { must(t, os.WriteFile(mine+".map", nil, 0o600)) }},
		{"symbolic link", func(t *testing.T, mine, other string) {
			must(t, os.Remove(mine+".map"), os.Symlink(other+".map", mine+".map"))
		}},
		{"a directory", func(t *testing.T, mine, _ string) {
			must(t, os.Remove(mine+".map"), os.Mkdir(mine+".map", 0o700))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(t, &source{size: size})
			c := open(t, o)
			for _, key := range []string{"a", "b"} {
				check(t, openFile(t, c, key, size), 0, size)
			}
			settle(t, c)
			c.Close()
			tc.do(t, localPath(c, "a"), localPath(c, "b"))
			c = open(t, o)
			for range 2 {
				check(t, openFile(t, c, "a", size), 0, size)
				settle(t, c)
			}
			check(t, openFile(t, c, "b", size), 0, size)
			settle(t, c)
		})
	}
}

func TestWrongSizeStartsAnew(t *testing.T) {
	o := options(t, &source{size: 2 << 20})
	c := open(t, o)
	small, large := openFile(t, c, "a", 1<<20), openFile(t, c, "a", 2<<20)
	for range 3 { // one version with two sizes: one size is wrong, but no byte may be
		check(t, small, 0, 1<<20)
		check(t, large, 0, 2<<20)
		settle(t, c)
	}
}

func TestDirectory(t *testing.T) {
	base := t.TempDir()
	for _, tc := range []struct {
		name string
		make func(dir string)
		ok   bool
	}{
		{"absent", func(string) {}, true},
		{"private", func(d string) { must(t, os.Mkdir(d, 0o700)) }, true},
		{"open and empty", func(d string) { must(t, os.Mkdir(d, 0o755)) }, true},
		{"others may read, and ours", func(d string) {
			must(t, os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "CACHEDIR.TAG"), nil, 0o600))
		}, true},
		{"others may write, and empty", func(d string) { must(t, os.Mkdir(d, 0o700), os.Chmod(d, 0o777)) }, true},
		{"others may write, and ours", func(d string) {
			must(t, os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "CACHEDIR.TAG"), nil, 0o600), os.Chmod(d, 0o777))
		}, false},
		{"the group may write, and ours", func(d string) {
			must(t, os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "CACHEDIR.TAG"), nil, 0o600), os.Chmod(d, 0o770))
		}, false},
		{"open with other files", func(d string) {
			must(t, os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "thesis"), nil, 0o600))
		}, false},
		{"private with other files", func(d string) {
			must(t, os.Mkdir(d, 0o700), os.WriteFile(filepath.Join(d, "thesis"), nil, 0o600))
		}, true},
		{"a link to a private directory", func(d string) { must(t, os.Mkdir(d+".real", 0o700), os.Symlink(d+".real", d)) }, true},
		{"a file", func(d string) { must(t, os.WriteFile(d, nil, 0o600)) }, false},
		{"somebody else's", func(d string) {
			must(t, os.Mkdir(d, 0o700))
			if os.Chown(d, 12345, 12345) != nil {
				t.Skip("only root can give a directory away")
			}
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(t, &source{size: 10})
			o.Dir = filepath.Join(base, tc.name)
			tc.make(o.Dir)
			c, err := Open(o)
			if (err == nil) != tc.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				t.Log(err)
				return
			}
			defer c.Close()
			check(t, openFile(t, c, "a", 10), 0, 10)
			settle(t, c)
			must(t, filepath.Walk(o.Dir+"/", func(path string, st os.FileInfo, err error) error {
				if st.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s has mode %v", path, st.Mode())
				}
				return err
			}))
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, change := range []func(*Options){
		func(o *Options) { o.Source = nil },
		func(o *Options) { o.Dir = "" },
		func(o *Options) { o.BlockSize = 5000 },
		func(o *Options) { o.BlockSize = 2 << 20 },
		func(o *Options) { o.Quota = -1 },
	} {
		o := options(t, &source{})
		change(&o)
		if c, err := Open(o); err == nil {
			c.Close()
			t.Errorf("%+v was taken", o)
		}
	}
}
