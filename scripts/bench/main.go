// Command bench reads one dump locally, through a mount of a directory corpus,
// and through a mount of a Manta on loopback (cold, then from the cache), and
// prints each beside the local file of the same run. It needs bin/thothfs.
//
//	go run ./scripts/bench [--size 268435456] [--latency 20ms] [--thothfs bin/thothfs]
package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"thothfs/store/manta/mantatest"
)

func main() {
	size := pflag.Int64("size", 256<<20, "bytes of the dump")
	latency := pflag.Duration("latency", 20*time.Millisecond, "added to each request to the Manta")
	program := pflag.String("thothfs", "bin/thothfs", "the program to measure")
	pflag.Parse()
	if err := run(*program, *size, *latency); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// subject is a path to read the dump at.
type subject struct{ name, path string }

func run(program string, size int64, latency time.Duration) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "thothfs-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	core := filepath.Join(dir, "core.bench")
	if err := makeCore(core, size); err != nil {
		return err
	}
	url, stop, err := startManta(filepath.Join(dir, "manta"), latency)
	if err != nil {
		return err
	}
	defer stop()
	local := host{program, dir, "dir", []string{"THOTHFS_STORE=" + filepath.Join(dir, "corpus")}}
	manta := host{program, dir, "manta", []string{"THOTHFS_STORE=manta:", "MANTA_URL=" + url, "MANTA_USER=bench", "MANTA_NO_AUTH=true"}}
	subjects := []subject{{"local file", core}}
	for _, h := range []host{local, manta} {
		path, err := h.mount(core)
		if err != nil {
			return err
		}
		defer h.thothfs("umount", h.mnt())
		subjects = append(subjects, subject{"mounted " + h.name, path})
	}
	subjects = append(subjects, subject{"mounted manta, held", subjects[2].path})
	return measure(subjects, size)
}

// makeCore makes a dump of size bytes: a real header and then what does not compress.
func makeCore(path string, size int64) error {
	head, err := os.ReadFile("dump/testdata/cores/lldb-linux-x86_64.core")
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{1})
	_, err = io.CopyN(f, noise, size-int64(len(head)))
	return err
}

func startManta(root string, latency time.Duration) (url string, stop func(), err error) {
	srv, err := mantatest.New(mantatest.Options{Root: root, Latency: latency})
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	h := srv.HTTPServer()
	go h.Serve(l) // ended by stop
	return "http://" + l.Addr().String(), func() { h.Close() }, nil
}

// host is one corpus, mounted.
type host struct {
	program, dir, name string
	env                []string
}

func (h host) mnt() string { return filepath.Join(h.dir, "mnt-"+h.name) }

func (h host) thothfs(args ...string) (string, error) {
	cmd := exec.Command(h.program, args...)
	cmd.Env = append(os.Environ(), append(h.env, "THOTHFS_CACHE_DIR="+filepath.Join(h.dir, "cache"))...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("thothfs %s: %w\n%s", args[0], err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (h host) mount(core string) (string, error) {
	id, err := h.thothfs("upload", "--no-stack", core)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(h.mnt(), 0o755); err != nil {
		return "", err
	}
	_, err = h.thothfs("mount", h.mnt())
	return filepath.Join(h.mnt(), "by-hash", id, "core"), err
}

func measure(subjects []subject, size int64) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nreading\trandom 4 KiB x 200\tof local\tsequential\tof local")
	var base [2]time.Duration
	for i, s := range subjects {
		random, err := timed(func() error { return readRandom(s.path, size, 200) })
		if err != nil {
			return err
		}
		sequential, err := timed(func() error { return readAll(s.path) })
		if err != nil {
			return err
		}
		if i == 0 {
			base = [2]time.Duration{random, sequential}
		}
		fmt.Fprintf(w, "%s\t%v\t%.2f\t%.0f MB/s\t%.2f\n", s.name, random.Round(time.Microsecond), float64(base[0])/float64(random),
			float64(size)/1e6/sequential.Seconds(), float64(base[1])/float64(sequential))
	}
	return w.Flush()
}

func timed(f func() error) (time.Duration, error) {
	begin := time.Now()
	err := f()
	return time.Since(begin), err
}

func readRandom(path string, size int64, n int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 4096)
	for range n {
		if _, err := f.ReadAt(p, r.Int64N(size/4096-1)*4096); err != nil {
			return err
		}
	}
	return nil
}

func readAll(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return err
}
