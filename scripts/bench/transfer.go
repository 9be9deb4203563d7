package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// transferName is the command that reads from the start of a dump, compared with curl.
const transferName = "transfer"

// Transfer is the speed at which the start of a dump is read over a link.
type Transfer struct {
	Link, Tool string
	To         string // "null" or "file"
	MiB, Runs  int
	Rate       float64 // MB/s of the median run
}

// transfer measures thothfs (cold) and curl alternately, to /dev/null and to a file.
func transfer(ctx context.Context, b *bench, l link) error {
	c := b.cores[0]
	mib := int(min(int64(b.sequential), c.Size>>20))
	if l.Bandwidth > 0 {
		mib = int(min(int64(mib), 8*l.Bandwidth>>20)) // eight seconds
	}
	walls := map[Transfer][]time.Duration{}
	file := filepath.Join(b.dir, "transferred")
	defer os.Remove(file)
	for began, round := time.Now(), 0; round < b.runs && (round == 0 || time.Since(began) < b.patience); round++ {
		for _, name := range []string{thothfsName, "curl"} {
			for what, to := range map[string]string{"null": os.DevNull, "file": file} {
				wall, err := b.transferOnce(ctx, l, c, name, mib, to)
				if err != nil {
					return fmt.Errorf("%s to %s: %w", name, to, err)
				}
				key := Transfer{Link: l.Name, Tool: name, To: what, MiB: mib}
				walls[key] = append(walls[key], wall)
			}
		}
	}
	for t, all := range walls {
		slices.Sort(all)
		t.Runs, t.Rate = len(all), float64(t.MiB<<20)/1e6/all[len(all)/2].Seconds()
		b.rep.Transfers = append(b.rep.Transfers, t)
		b.say("%s %s: %s to %s %.0f MB/s", l.Name, transferName, t.Tool, t.To, t.Rate)
	}
	slices.SortStableFunc(b.rep.Transfers, func(x, y Transfer) int { return strings.Compare(x.To, y.To) })
	return nil
}

func (b *bench) transferOnce(ctx context.Context, l link, c *Core, name string, mib int, to string) (wall time.Duration, err error) {
	if to != os.DevNull {
		_ = os.Remove(to)
	}
	if name == "curl" {
		begin := time.Now()
		err := b.place().curl(ctx, c, int64(mib)<<20, to)
		return time.Since(begin), err
	}
	s, err := b.open(ctx, tool{open: openThothfs(account, noLearn)})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	b.site.settle(l)
	begin := time.Now()
	err = dd(ctx, s.path(c), to, mib)
	return time.Since(begin), err
}

// dd copies the first mib MiB of a file.
func dd(ctx context.Context, from, to string, mib int) error {
	out, err := exec.CommandContext(ctx, "dd", "if="+from, "of="+to, "bs=1M", "count="+strconv.Itoa(mib), "status=none").CombinedOutput()
	if err != nil {
		return fmt.Errorf("dd: %w: %s", err, out)
	}
	return nil
}

func (r *report) transferRate(l link, tool, to string) (Transfer, bool) {
	i := slices.IndexFunc(r.Transfers, func(t Transfer) bool { return t.Link == l.Name && t.Tool == tool && t.To == to })
	if i < 0 {
		return Transfer{}, false
	}
	return r.Transfers[i], true
}

// summarizeTransfers compares thothfs with curl.
func (r *report) summarizeTransfers(w *strings.Builder) {
	if len(r.Transfers) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### Cold sequential beside curl\n\nMB/s of the first MiB of %s, medians; curl as a plain client of the same server.\n\n"+
		"| link | MiB | to | thothfs | curl | of curl's | runs |\n|---|--:|---|--:|--:|--:|--:|\n", r.Cores[0].Name)
	for _, l := range r.Links {
		for _, to := range []string{"null", "file"} {
			ours, ok := r.transferRate(l, thothfsName, to)
			curl, ok2 := r.transferRate(l, "curl", to)
			if ok && ok2 {
				fmt.Fprintf(w, "| %s | %d | %s | %.0f | %.0f | %.2f | %d |\n", l.Name, ours.MiB, to, ours.Rate, curl.Rate, ours.Rate/curl.Rate, ours.Runs)
			}
		}
	}
}
