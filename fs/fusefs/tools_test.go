package fusefs

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/store/mem"
)

const cores = "../../dump/testdata/cores"

// run runs a program and returns its output.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, name+" is not installed")
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// coreFiles returns the available real cores by made-up hashes.
func coreFiles(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(cores + "/*.core")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cores in %s: %v", cores, err)
	}
	all := map[string]string{}
	for _, f := range files {
		abs, _ := filepath.Abs(f)
		sum := md5.Sum([]byte(filepath.Base(f)))
		all[hex.EncodeToString(sum[:])] = abs
	}
	return all
}

// mountCores mounts the cores twice: from memory through the block cache, and from a local
// directory.
func mountCores(t testing.TB) map[string]string {
	t.Helper()
	s, root := mem.New(), t.TempDir()
	for hash, file := range coreFiles(t) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		putDump(t, s, hash, filepath.Base(file), content, `"type": "core", "cmd": "x"`)
		putFile(t, root, hash, filepath.Base(file), content)
	}
	needFUSE(t)
	return map[string]string{"cache": mountAny(t, s, openCache(t, s)), "local": mountDir(t, root)}
}

func TestCores(t *testing.T) {
	for kind, mnt := range mountCores(t) {
		for hash, file := range coreFiles(t) {
			t.Run(kind+" "+filepath.Base(file), func(t *testing.T) {
				there := filepath.Join(mnt, "by-cmd/x", hash, "core")
				run(t, "cmp", there, file)
				copied := filepath.Join(t.TempDir(), "copy")
				run(t, "cp", "--sparse=auto", there, copied)
				run(t, "cmp", copied, file)
			})
		}
	}
}

// TestGDB checks that gdb prints the same for a core in the mount as for the original file.
func TestGDB(t *testing.T) {
	if _, err := exec.LookPath("gdb"); err != nil {
		missing(t, "gdb is not installed")
	}
	gdb := func(core string) string {
		out, _ := exec.Command("gdb", "-nx", "-batch", "-ex", "bt", "-ex", "thread apply all bt", "-ex", "info registers",
			filepath.Join(cores, "lldb-linux-x86_64.exe"), core).CombinedOutput()
		// The object in the store has a different modification time.
		said := strings.Replace(string(out), "\nwarning: exec file is newer than core file.\n", "", 1)
		return strings.ReplaceAll(said, core, "CORE")
	}
	for kind, mnt := range mountCores(t) {
		for hash, file := range coreFiles(t) {
			t.Run(kind+" "+filepath.Base(file), func(t *testing.T) {
				want, got := gdb(file), gdb(filepath.Join(mnt, "by-hash", hash, "core"))
				if got != want {
					t.Errorf("in the mount: %s\nthe file itself: %s", got, want)
				}
			})
		}
	}
}

func TestTar(t *testing.T) {
	for kind, mnt := range mountCores(t) {
		for hash, file := range coreFiles(t) {
			to := t.TempDir()
			archive := filepath.Join(to, "a.tar")
			run(t, "tar", "-S", "-C", filepath.Join(mnt, "by-hash", hash), "-cf", archive, filepath.Base(file))
			run(t, "tar", "-C", to, "-xf", archive)
			want, _ := os.ReadFile(file)
			if got, err := os.ReadFile(filepath.Join(to, filepath.Base(file))); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %s out of a sparse archive differs: %v", kind, filepath.Base(file), err)
			}
			break
		}
	}
}

func TestShell(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	for name, tt := range map[string]struct{ script, want string }{
		"glob":       {"cd $M && echo by-cmd/*/*/core", "by-cmd/node/" + hashA + "/core\n"},
		"prefix":     {"cat $M/by-hash/6433c1ccfb41929d0000000000000001/core", "the dump of A"},
		"short":      {"cat $M/by-hash/abcdef/vmcore", "the dump of C"},
		"ambiguous":  {"cat $M/by-hash/6433c1cc/core 2>&1", "cat: " + m.path("by-hash/6433c1cc/core") + ": Name not unique on network\n"},
		"unknown":    {"cat $M/by-hash/ffff/core 2>&1", "cat: " + m.path("by-hash/ffff/core") + ": No such file or directory\n"},
		"query":      {"ls $M/query/'type=core cmd=n*'/", hashA + "\n"},
		"malformed":  {"ls $M/query/limit=many 2>&1", "ls: cannot access '" + m.path("query/limit=many") + "': No such file or directory\n"},
		"narrow":     {"ls $M/by-cmd/node/ticket=undefined/; ls $M/by-cmd/node/ticket=OS-*", hashA + "\n"},
		"hostile":    {"cat $M/by-node/..%2F..%2Fetc/*/properties/triage", "bmc\n"},
		"find":       {"find $M -name 'core.*' | wc -l", "1\n"},
		"getfattr":   {"getfattr --only-values -n user.thoth.ticket $M/by-cmd/node/" + hashA, "OS-1"},
		"getfattr d": {"getfattr -d $M/by-hash/" + hashC + "/dump | grep -c =", "4\n"},
		"ls -l":      {"TZ=UTC ls -l --time-style=+%s $M/by-cmd/node | awk 'NR > 1 {print $1, $6, $9}'", "lrwxrwxrwx 1373566304 ../../by-hash/" + hashA + "\n"},
		"ls -a":      {"ls -a $M/by-cmd | tr '\\n' ' '", ". .. node "},
		"run":        {"cd / && $M/analyzers/fmri 2>&1 || sh $M/analyzers/fmri", "\n"},
		"pwd":        {"cd $M/by-cmd/node/" + hashA + " && pwd -P", m.path("by-hash", hashA) + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(tt.script, "getfattr") {
				if _, err := exec.LookPath("getfattr"); err != nil {
					missing(t, "getfattr is not installed")
				}
			}
			cmd := exec.Command("bash", "-c", tt.script)
			cmd.Env = append(os.Environ(), "M="+m.dir, "LC_ALL=C", "THOTH_DUMP=")
			cmd.Dir = "/"
			out, _ := cmd.Output()
			if string(out) != tt.want {
				t.Errorf("got %q, want %q", out, tt.want)
			}
		})
	}
}
