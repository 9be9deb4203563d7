package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// keptFile returns the path of a downloaded dump.
func keptFile(p place, c *Core) string {
	return filepath.Join(filepath.Dir(p.cache), "download", c.Name)
}

// openKept opens the downloaded file.
func openKept(_ context.Context, p place) (*session, error) {
	return &session{path: func(c *Core) string { return keptFile(p, c) }, close: func() error { return nil }}, nil
}

// fetched returns the result of downloading a dump over a link. The download is done once, and
// all commands use the file.
func (b *bench) fetched(ctx context.Context, l link, c *Core, t tool) Result {
	for _, r := range b.rep.Results {
		if r.Tool == t.name && r.Command == downloadName && r.Link == l.Name && r.Core == c.Name {
			return r
		}
	}
	var samples []sample
	kept := keptFile(b.place(), c)
	err := errors.Join(os.RemoveAll(filepath.Dir(kept)), os.MkdirAll(filepath.Dir(kept), 0o700))
	for began := time.Now(); err == nil && len(samples) < b.runs && (len(samples) == 0 || time.Since(began) < b.patience); {
		before, begin := b.site.Counters(), time.Now()
		err = b.place().curl(ctx, c, c.Size, kept)
		wall, after := time.Since(begin), b.site.Counters()
		samples = append(samples, sample{wall, after.Total - before.Total, after.BodyBytes - before.BodyBytes})
	}
	r := summarize(samples)
	r.Link, r.Core, r.Command, r.Tool, r.State = l.Name, c.Name, downloadName, t.name, cold
	if err != nil {
		r.Error = err.Error()
	}
	if ctx.Err() == nil {
		b.say("%s %s: %v", l.Name, c.Name, r)
		b.rep.Results = append(b.rep.Results, r)
	}
	return r
}

// after returns r with the time, requests and bytes of the download added.
func (r Result) after(fetched Result) Result {
	r.Median += fetched.Median
	r.Min += fetched.Min
	r.Max += fetched.Max
	r.Requests += fetched.Requests
	r.Bytes += fetched.Bytes
	return r
}

// curl fetches the first n bytes of a dump to a file, with curl or, if it is not installed, with
// Go's HTTP client (which the report mentions).
func (p place) curl(ctx context.Context, c *Core, n int64, to string) error {
	url := p.site.manta + "/" + account + "/stor/thoth/" + c.ID + "/" + filepath.Base(c.Path)
	if _, err := exec.LookPath("curl"); err != nil {
		f, err := os.Create(to)
		if err != nil {
			return err
		}
		_, err = fetch(http.DefaultClient, url, n, f)
		return errors.Join(err, f.Close())
	}
	args := []string{"-sS", "--fail", "-o", to, url}
	if n < c.Size {
		args = append(args, "--range", fmt.Sprintf("0-%d", n-1))
	}
	out, err := exec.CommandContext(ctx, "curl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("curl: %w: %s", err, out)
	}
	return nil
}
