package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thothfs/internal/testenv"

	"go.uber.org/goleak"
)

const (
	beginMark = "<!-- bench: begin -->\n"
	endMark   = "<!-- bench: end -->\n"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBench runs a small benchmark and checks that the output of every tool is the same as for
// the local file, and that a report is written. It does not check times.
func TestBench(t *testing.T) {
	if testing.Short() {
		t.Skip("makes cores and mounts them with every tool")
	}
	testenv.NeedTools(t, "gcc", "gdb", "eu-stack", "dd", "fusermount3")
	testenv.NeedFUSE(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "thothfs")
	if out, err := exec.Command("go", "build", "-o", program, "thothfs/cmd/thothfs").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	doc := filepath.Join(dir, "doc.md")
	if err := os.WriteFile(doc, []byte("before\n"+beginMark+"old\n"+endMark+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	rep, err := run(t.Context(), options{
		runs: 1, patience: time.Second, longest: 10 * time.Minute, budget: time.Second, sequential: 4, small: true, links: []string{"lan"}, dir: dir, thothfs: program,
		tools:    []string{downloadName, thothfsName, originalName, learnedName, heldName, completeName, "rclone-full-128k"},
		commands: []string{"gdb-all", "eu-stack", "random-4k", heldSequential, heldRandom, transferName, getName, crowdName},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range rep.failed() {
		t.Errorf("%s %s %s: %s", x.Core, x.Command, x.Tool, x.Error)
	}
	for _, c := range rep.Cores {
		for _, tool := range []string{localName, thothfsName, originalName, learnedName} {
			for _, state := range []string{cold, warm} {
				if rep.find(links[0], c, "gdb-all", tool, state) == nil {
					t.Errorf("no %s %s result on %s", state, tool, c.Name)
				}
			}
		}
		if x := rep.find(links[0], c, "gdb-all", thothfsName, cold); x != nil && (x.Requests == 0 || x.Bytes == 0) {
			t.Errorf("cold thothfs asked the store for nothing: %v", x)
		}
		if x := rep.find(links[0], c, downloadName, downloadName, cold); x == nil || x.Bytes < c.Size {
			t.Errorf("download of %s: %v", c.Name, x)
		}
	}
	if x := rep.find(links[0], rep.Cores[0], heldSequential, heldName, cold); x == nil || x.Bytes > 1<<20 {
		t.Errorf("a dump that is held is fetched: %v", x)
	}
	if x := rep.find(links[0], rep.Cores[0], "gdb-all", downloadName, cold); x == nil || x.Bytes < rep.Cores[0].Size {
		t.Errorf("a backtrace of a downloaded dump costs no download: %v", x)
	}
	if x, y := rep.find(links[0], rep.Cores[0], "gdb-all", downloadName, warm), rep.find(links[0], rep.Cores[0], "eu-stack", downloadName, warm); x == nil || y == nil || x.Bytes+y.Bytes != 0 {
		t.Errorf("the download is not kept: %v, %v", x, y)
	}
	if len(rep.Gets) != len(rep.Cores) || rep.Gets[0].Thothfs <= 0 || rep.Gets[0].Data <= 0 || rep.Gets[0].Fetched < rep.Gets[0].Data {
		t.Errorf("%+v", rep.Gets)
	}
	if len(rep.Transfers) != 4 {
		t.Errorf("%+v", rep.Transfers)
	}
	if len(rep.Crowds) != 1 || rep.Crowds[0].Readers != 4 || rep.Crowds[0].Resident == 0 {
		t.Errorf("%+v", rep.Crowds)
	}
	checkReport(t, rep, filepath.Join(dir, "out"), doc)
}

// checkReport writes the report and checks the files.
func checkReport(t *testing.T, rep *report, out, doc string) {
	t.Helper()
	if err := rep.write(out, doc); err != nil {
		t.Fatal(err)
	}
	svg, err := os.Open(filepath.Join(out, "bench.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer svg.Close()
	for d := xml.NewDecoder(svg); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("bench.svg: %v", err)
		}
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); !strings.HasPrefix(s, "before\n"+beginMark) || !strings.HasSuffix(s, endMark+"after\n") ||
		strings.Contains(s, "old\n") || !strings.Contains(s, "| small | gdb-all |") {
		t.Errorf("the document is now\n%s", s)
	}
}

func TestSummarizeTakesTheMedianRun(t *testing.T) {
	var samples []sample
	for _, ms := range []int{50, 10, 30, 20, 40} {
		samples = append(samples, sample{time.Duration(ms) * time.Millisecond, int64(ms), int64(1000 * ms)})
	}
	want := Result{Runs: 5, Median: 30, Min: 10, Max: 50, Requests: 30, Bytes: 30_000}
	if got := summarize(samples); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := summarize(nil); got != (Result{}) {
		t.Errorf("nothing: %+v", got)
	}
}

func TestPick(t *testing.T) {
	got, err := pick("link", links, []string{"far", "lan"})
	if err != nil || !slices.Equal(got, []link{links[2], links[0]}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := pick("link", links, []string{"moon"}); err == nil || !strings.Contains(err.Error(), `no link "moon": there are lan, wan, far`) {
		t.Errorf("%v", err)
	}
}
