package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cache"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/registry"
)

const statusLong = `Prints the state of this machine: the version, the corpus and whether its store answers,
the local catalogue, the cache, and the mounts of thothfs, all or those named. It works while the store is
unreachable, changes nothing, and does not wait for mounts that hang.

A mount is ok, dead (its process has ended: thothfs umount removes it), silent (it does
not answer), or closed (only the user who mounted it has access).`

// statusTimeout is how long status waits for the store.
const statusTimeout = 5 * time.Second

// status is what the verb status prints.
type status struct {
	Version   string          `json:"version"`
	Store     storeStatus     `json:"store"`
	Catalogue catalogueStatus `json:"catalogue"`
	Cache     cacheStatus     `json:"cache"`
	Mounts    []mountStatus   `json:"mounts"`
}

type storeStatus struct {
	Name      string  `json:"name"`
	Reachable bool    `json:"reachable"`
	Latency   float64 `json:"latencyMs,omitempty"` // of one request
	Error     string  `json:"error,omitempty"`
}

type catalogueStatus struct {
	Dumps    int        `json:"dumps"`
	Complete bool       `json:"complete"` // the catalogue covers the whole corpus
	AsOf     *time.Time `json:"asOf,omitempty"`
}

type cacheStatus struct {
	Dir      string `json:"dir"`
	Used     int64  `json:"used"`  // bytes
	Limit    int64  `json:"limit"` // bytes
	Versions int    `json:"versions"`
}

func statusCommand(cl *cli) *cobra.Command {
	var format jsonFlag
	cmd := &cobra.Command{
		Use:   "status [MOUNTPOINT...]",
		Short: "Print the state of store, catalogue, cache and mounts",
		Long:  statusLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := cl.status(cmd.Context(), args)
			if err != nil {
				return err
			}
			if format.json {
				return writeJSON(cl.stdout, s)
			}
			return s.write(cl.stdout)
		},
	}
	format.add(cmd)
	return cmd
}

func (cl *cli) status(ctx context.Context, mountpoints []string) (*status, error) {
	s := &status{Version: versionText(), Mounts: []mountStatus{}}
	cachePath, err := cl.cachePath()
	if err != nil {
		return nil, err
	}
	s.Cache.Dir = cachePath
	space, err := cache.Usage(ctx, filepath.Join(cachePath, "blocks"), int64(cl.cacheSize))
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	s.Cache.Used, s.Cache.Limit, s.Cache.Versions = space.Used, space.Limit, space.Versions
	l, err := registry.Locate(cl.store, cl.getenv)
	if err != nil {
		s.Store.Error = err.Error()
	} else if err := cl.corpusStatus(ctx, l, cachePath, s); err != nil {
		return nil, err
	}
	var paths []string
	for _, m := range mountpoints {
		path, err := filepath.Abs(m)
		if err != nil {
			return nil, err
		}
		paths = append(paths, mountedPath(path))
	}
	mounts, err := listMounts(paths)
	s.Mounts = append(s.Mounts, mounts...)
	for _, path := range paths {
		if err == nil && !slices.ContainsFunc(mounts, func(m mountStatus) bool { return m.Mountpoint == path }) {
			err = fmt.Errorf("%s is not mounted by thothfs", path)
		}
	}
	return s, err
}

// corpusStatus fills in the store and the catalogue.
func (cl *cli) corpusStatus(ctx context.Context, l registry.Corpus, cachePath string, s *status) error {
	s.Store.Name = l.Name
	log, err := cl.verbLogger()
	if err != nil {
		return err
	}
	var opened store.Store
	if bare, err := l.Open(ctx, cl.storeOptions(false, log)); err != nil {
		s.Store.Error = err.Error()
		opened = absentStore{&store.Error{Op: "open", Kind: store.ErrUnavailable, Err: err}}
	} else {
		cl.atExit(func() { bare.Close() })
		opened = bare
		s.Store.ask(ctx, bare)
	}
	set := &storeSet{location: l.Location, store: opened, requests: store.Count(opened), cache: cachePath}
	if !corpus.Exists(cl.corpusOptions(set, log)) {
		return nil
	}
	c, err := cl.openCatalogue(ctx, set, log)
	if err != nil {
		return err
	}
	everything, err := query.Parse("")
	if err != nil {
		return err
	}
	if s.Catalogue.Dumps, err = c.Count(ctx, everything); err != nil {
		return err
	}
	s.Catalogue.Complete = c.Synced()
	if at, err := c.AsOf(ctx); err == nil && !at.IsZero() {
		at = at.UTC()
		s.Catalogue.AsOf = &at
	}
	return nil
}

// ask makes one request to the store.
func (s *storeStatus) ask(ctx context.Context, opened store.Store) {
	limited, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	began := time.Now()
	_, err := orInterrupted(limited, func() (store.Attr, error) { return opened.Stat(limited, "") })
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		s.Error = fmt.Sprintf("no answer for %s", statusTimeout)
	case err != nil:
		s.Error = causeOf(err).Error()
	default:
		s.Reachable = true
		s.Latency = float64(time.Since(began).Microseconds()) / 1000
	}
}

func (s *status) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	line := func(label, format string, args ...any) {
		fmt.Fprintf(out, "%-10s %s\n", label, output.Printable(fmt.Sprintf(format, args...)))
	}
	line("version", "%s", s.Version)
	switch {
	case s.Store.Reachable:
		line("store", "%s: reachable (%.1f ms)", s.Store.Name, s.Store.Latency)
	case s.Store.Name == "":
		line("store", "none: %s", s.Store.Error)
	default:
		line("store", "%s: not reachable: %s", s.Store.Name, s.Store.Error)
	}
	switch c := s.Catalogue; {
	case c.AsOf == nil:
		line("catalogue", "none on this machine yet")
	case !c.Complete:
		line("catalogue", "incomplete: %s dumps so far", humanize.Comma(int64(c.Dumps)))
	default:
		line("catalogue", "%s %s, as of %s (%s)", humanize.Comma(int64(c.Dumps)), english.PluralWord(c.Dumps, "dump", ""), c.AsOf.Format(time.RFC3339), humanize.Time(*c.AsOf))
	}
	line("cache", "%s: %s of %s", s.Cache.Dir, humanize.IBytes(uint64(s.Cache.Used)), humanize.IBytes(uint64(s.Cache.Limit)))
	if len(s.Mounts) == 0 {
		line("mounts", "none")
	}
	for _, m := range s.Mounts {
		text := fmt.Sprintf("%s: %s, %s", m.Mountpoint, m.Store, m.State)
		if m.PID > 0 {
			text += fmt.Sprintf(", pid %d", m.PID)
		}
		if m.ReadOnly {
			text += ", read-only"
		}
		if m.Private {
			text += ", of a running verb"
		}
		if m.CacheDir != "" && m.CacheDir != s.Cache.Dir {
			text += ", cache " + m.CacheDir
		}
		if m.Version != "" && m.Version != s.Version {
			text += ", version " + m.Version
		}
		line("mount", "%s", text)
	}
	return out.Flush()
}

// jsonFlag adds -o to a verb that prints text or JSON.
type jsonFlag struct{ json bool }

func (f *jsonFlag) add(cmd *cobra.Command) {
	cmd.Flags().VarP(f, "output", "o", "print `FORMAT`: text or json")
}

func (f *jsonFlag) Type() string { return "FORMAT" }

func (f *jsonFlag) String() string {
	if f.json {
		return "json"
	}
	return "text"
}

func (f *jsonFlag) Set(text string) error {
	switch text {
	case "json":
		f.json = true
	case "text":
		f.json = false
	default:
		return fmt.Errorf("expected text or json")
	}
	return nil
}

// writeJSON prints v as indented JSON that is safe on a terminal.
func writeJSON(w io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return output.WriteJSON(w, raw)
}
