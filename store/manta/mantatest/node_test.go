package mantatest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"thothfs/internal/testenv"

	"golang.org/x/crypto/ssh"
)

const nodeManta = "5.4.2" // the version of the npm package manta

// TestNodeManta runs the independent client node-manta against mantatestd.
func TestNodeManta(t *testing.T) {
	tools := installNodeManta(t)
	home := t.TempDir()
	id := writeSSHKey(t, home)
	url := startDaemon(t, "--listen", "127.0.0.1:0", "--root", t.TempDir(), "--account", "alice",
		"--key", filepath.Join(home, ".ssh", "id_ed25519.pub"), "--latency", "1ms")
	n := node{t: t, bin: filepath.Join(tools, "node_modules", "manta", "bin"), env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "MANTA_URL=" + url, "MANTA_USER=alice", "MANTA_KEY_ID=" + id,
	}}
	data := strings.Repeat("0123456789abcdef", 20000)
	file := filepath.Join(home, "data.txt")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}

	n.ok("", "mmkdir", "-p", "/alice/stor/a/b c/d")
	n.ok("", "mput", "--md5", "-f", file, "/alice/stor/a/b c/d/data.txt")
	n.ok("", "mput", "-H", "m-color: red", "-f", file, "/alice/stor/a/é")
	n.want("b c/\né\n", "mls", "/alice/stor/a")
	n.want("data.txt\n", "mls", "--type", "o", "/alice/stor/a/b c/d")
	n.wantPart("data.txt", "mls", "-l", "/alice/stor/a/b c/d")
	found := strings.Fields(strings.ReplaceAll(n.ok("", "mfind", "/alice/stor/a"), "b c", "b_c"))
	slices.Sort(found) // mfind lists directories in parallel
	if got := strings.Join(found, " "); got != "/alice/stor/a/b_c /alice/stor/a/b_c/d /alice/stor/a/b_c/d/data.txt /alice/stor/a/é" {
		t.Errorf("mfind: %s", got)
	}
	for _, want := range []string{"HTTP/1.1 200", "content-length: 320000", "content-type: text/plain", "etag: ", "durability-level: 2"} {
		n.wantPart(want, "minfo", "/alice/stor/a/b c/d/data.txt")
	}
	n.wantPart("m-color: red", "minfo", "/alice/stor/a/é")
	n.want(data, "mget", "-q", "/alice/stor/a/b c/d/data.txt")
	n.wantPart("/alice/stor/a/é", "mmd5", "/alice/stor/a/é")
	n.ok("", "mchattr", "-H", "m-color: blue", "/alice/stor/a/é")
	n.wantPart("m-color: blue", "minfo", "/alice/stor/a/é")
	n.want(data, "mget", "-q", "/alice/stor/a/é")
	n.ok("from a pipe", "mput", "/alice/stor/a/piped")
	n.want("from a pipe", "mget", "-q", "/alice/stor/a/piped")

	n.fails("ResourceNotFound", "mget", "/alice/stor/none")
	n.fails("ResourceNotFound", "mls", "/alice/stor/none")
	n.fails("DirectoryDoesNotExist", "mput", "-f", file, "/alice/stor/none/x")
	n.fails("precondition not met", "mput", "-H", `if-match: ""`, "-f", file, "/alice/stor/a/é")
	n.fails("SnaplinksDisabled", "mln", "/alice/stor/a/é", "/alice/stor/a/link")
	n.fails("DirectoryNotEmpty", "mrmdir", "/alice/stor/a")

	n.ok("", "mrm", "/alice/stor/a/é")
	n.ok("", "mrm", "-r", "/alice/stor/a")
	n.want("", "mls", "/alice/stor")

	stranger := n
	stranger.env = append([]string{"MANTA_NO_AUTH=true"}, n.env...)
	stranger.fails("AuthorizationFailed", "mls", "/alice/stor")
	n.ok("", "mput", "-f", file, "/alice/public/open")
	stranger.want(data, "mget", "-q", "/alice/public/open")
}

// installNodeManta installs the npm package outside the source tree and returns its directory.
func installNodeManta(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		testenv.Missing(t, "npm is not installed, with which an independent client would be: %v", err)
	}
	tools := os.Getenv("THOTHFS_TEST_TOOLS")
	if tools == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			testenv.Missing(t, "no directory to install the npm package manta in: %v", err)
		}
		tools = filepath.Join(cache, "thothfs-test")
	}
	dir := filepath.Join(tools, "node-manta-"+nodeManta)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(tools, "installing-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", tmp, "--no-audit", "--no-fund", "manta@"+nodeManta)
	if out, err := cmd.CombinedOutput(); err != nil {
		testenv.Missing(t, "the npm package manta could not be installed: %v\n%s", err, out)
	}
	// If two tests install it at the same time, the first one wins.
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		t.Fatal(err)
	}
	return dir
}

// writeSSHKey writes a new key to home and returns its fingerprint.
func writeSSHKey(t *testing.T, home string) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, ".ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"id_ed25519": pem.EncodeToMemory(block), "id_ed25519.pub": ssh.MarshalAuthorizedKey(key)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return ssh.FingerprintLegacyMD5(key)
}

// startDaemon builds and runs mantatestd and returns its URL. At the end of the test mantatestd
// must exit cleanly on SIGTERM.
func startDaemon(t *testing.T, args ...string) (url string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mantatestd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./mantatestd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("mantatestd: %v\n%s", err, &stderr)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://127.0.0.1:") {
		t.Fatalf("mantatestd printed %q, %v", line, err)
	}
	return strings.TrimSpace(line)
}

// node runs the tools of node-manta.
type node struct {
	t   *testing.T
	bin string
	env []string
}

func (n node) run(stdin, tool string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(n.bin, tool), args...)
	cmd.Env = n.env
	cmd.Stdin = strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// ok runs a tool that must succeed.
func (n node) ok(stdin, tool string, args ...string) string {
	n.t.Helper()
	stdout, stderr, err := n.run(stdin, tool, args...)
	if err != nil {
		n.t.Errorf("%s %q: %v\n%s%s", tool, args, err, stdout, stderr)
	}
	return stdout
}

// want runs a tool and checks that it prints exactly want.
func (n node) want(want, tool string, args ...string) {
	n.t.Helper()
	if got := n.ok("", tool, args...); got != want {
		n.t.Errorf("%s %q printed %.300q, want %.300q", tool, args, got, want)
	}
}

func (n node) wantPart(want, tool string, args ...string) {
	n.t.Helper()
	if got := n.ok("", tool, args...); !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
		n.t.Errorf("%s %q printed %.600q, want %q in it", tool, args, got, want)
	}
}

// fails runs a tool and checks that it fails with the given error.
func (n node) fails(why, tool string, args ...string) {
	n.t.Helper()
	stdout, stderr, err := n.run("", tool, args...)
	if err == nil || !strings.Contains(stdout+stderr, why) {
		n.t.Errorf("%s %q: %v, want %s\n%s%s", tool, args, err, why, stdout, stderr)
	}
}
