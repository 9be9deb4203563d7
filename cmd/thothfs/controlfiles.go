package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"

	"thothfs/cache"
	"thothfs/fs"
	"thothfs/fs/fusefs"
	"thothfs/store"
)

func (c *openedCorpus) mountOptions(blocks *cache.Cache, m mountFlags, options []string) fusefs.Options {
	return fusefs.Options{
		Tree: fs.Options{
			Corpus:      c.Corpus,
			Cache:       blocks,
			Store:       c.store,
			AttrTimeout: c.cli.attrTimeout,
			Stats:       func() []fs.Stat { return c.stats(blocks) },
			Config:      func() []byte { return c.config(m) },
			Log:         c.log,
		},
		FsName:        "thothfs#" + c.location.Name,
		MountOptions:  options,
		NoPassthrough: !m.passthrough,
	}
}

// config returns the contents of .thothfs/config: the settings in effect, as flags.
func (c *openedCorpus) config(m mountFlags) []byte {
	cl := c.cli
	var b bytes.Buffer
	limit := byteSize(cache.Limit(filepath.Join(c.cache, "blocks"), int64(cl.cacheSize)))
	for _, line := range [][2]string{
		{"version", versionText()},
		{"store", c.location.Name},
		{"manta-url", cl.mantaURL()},
		{"manta-user", cl.getenv("MANTA_USER")},
		{"cache-dir", c.cache},
		{"cache-size", limit.String()},
		{"poll", cl.poll.String()},
		{"attr-timeout", cl.attrTimeout.String()},
		{"complete", m.complete.String()},
		{"learn", fmt.Sprint(m.learn)},
		{"passthrough", fmt.Sprint(m.passthrough)},
		{"log", cmp.Or(cl.logPath(), cl.log, cl.defaultLog)},
		{"verbose", fmt.Sprint(cl.verbose)},
		{"private", fmt.Sprint(cl.privateMount)},
	} {
		fmt.Fprintf(&b, "%s=%s\n", line[0], line[1])
	}
	return b.Bytes()
}

// mantaURL returns $MANTA_URL without a password.
func (cl *cli) mantaURL() string {
	u, err := url.Parse(cl.getenv("MANTA_URL"))
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}

// logPath returns the absolute path of the log file given with --log, or "" if the log is not a
// file.
func (cl *cli) logPath() string {
	switch cl.log {
	case "", "stderr", "none", "syslog", "journal":
		return ""
	}
	if path, err := filepath.Abs(cl.log); err == nil {
		return path
	}
	return cl.log
}

// stats returns the counters of the corpus, the cache and the store for .thothfs/stats.
func (c *openedCorpus) stats(blocks *cache.Cache) []fs.Stat {
	known, total, _ := c.SyncState()
	out := []fs.Stat{{Name: "corpus.dumps.read", Value: int64(known)}, {Name: "corpus.dumps.listed", Value: int64(total)}}
	for name, value := range blocks.Stats().All {
		out = append(out, fs.Stat{Name: "cache." + name, Value: value})
	}
	n := c.requests.Snapshot() // includes retries
	for _, op := range []struct {
		name  string
		count store.OpCounts
	}{{"read", n.Read}, {"get", n.Get}, {"stat", n.Stat}, {"list", n.List}, {"put", n.Put}, {"remove", n.Remove}} {
		out = append(out,
			fs.Stat{Name: "store." + op.name + ".calls", Value: op.count.Calls},
			fs.Stat{Name: "store." + op.name + ".errors", Value: op.count.Errors},
			fs.Stat{Name: "store." + op.name + ".bytes", Value: op.count.Bytes})
	}
	return out
}
