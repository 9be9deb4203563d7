package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/moby/sys/mountinfo"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/corpus/ingest"
	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
)

// errNoIdentifier means that a word names no dump.
var errNoIdentifier = errors.New("not the hash or path of a dump")

const (
	// minPrefix is the minimum length of a prefix of a hash.
	minPrefix = 4
	// certainPrefix is the length at which a word of hexadecimal digits is taken for a prefix of a hash
	// rather than the name of a property.
	certainPrefix = 8
	// maxCandidates is the maximum number of dumps that are listed for an ambiguous prefix.
	maxCandidates = 10
)

// findDump returns the single dump that a word names. It updates the catalogue only if the word
// names no known dump.
func (c *openedCorpus) findDump(ctx context.Context, word string) (dump.ID, error) {
	if !isConstraint(word) {
		id, err := resolve(ctx, c.Corpus, word)
		if err == nil || !errors.Is(err, errNotInCorpus) && !errors.Is(err, errNoIdentifier) {
			return id, err
		}
	}
	if err := c.syncNow(ctx); err != nil {
		return dump.ID{}, err
	}
	return c.findKnownDump(ctx, word)
}

// findKnownDump returns the single dump in the catalogue that a word names.
func (c *openedCorpus) findKnownDump(ctx context.Context, word string) (dump.ID, error) {
	if !isConstraint(word) {
		id, err := resolve(ctx, c.Corpus, word)
		if errors.Is(err, errNoIdentifier) {
			err = (&selection{corpus: c.Corpus}).unknownWord(ctx, word, nil)
		}
		return id, err
	}
	ids, err := c.selectIDs(ctx, strings.Fields(word))
	switch {
	case err != nil:
		return dump.ID{}, err
	case len(ids) == 0:
		return dump.ID{}, notFoundf("no dump matches %q", word)
	case len(ids) > 1:
		return dump.ID{}, c.severalMatch(ctx, word, ids)
	}
	return ids[0], nil
}

// severalMatch returns a usage error that lists the newest of ids, which are in the order of time.
func (c *openedCorpus) severalMatch(ctx context.Context, word string, ids []dump.ID) error {
	which, shown := ":", ids
	if len(ids) > maxCandidates {
		which, shown = "; the newest:", ids[len(ids)-maxCandidates:]
	}
	var lines strings.Builder
	for _, id := range slices.Backward(shown) {
		d, err := c.Cached(ctx, id)
		if err != nil {
			return err
		}
		lines.WriteString("\n  " + dumpLine(d))
	}
	return usageErrorf("%s dumps match %q: name one, or add limit=1 for the newest%s%s", humanize.Comma(int64(len(ids))), word, which, lines.String())
}

// resolve returns the dump that a word names: a hash, a unique hash prefix, a path in a mount or in
// the directory of the corpus, or the path of a local dump.
func resolve(ctx context.Context, c *corpus.Corpus, word string) (dump.ID, error) {
	unknown := errNoIdentifier
	if prefix := strings.ToLower(word); isHashPrefix(prefix) {
		id, err := c.Resolve(ctx, prefix)
		switch {
		case err == nil:
			return id, nil
		case errors.Is(err, corpus.ErrAmbiguous):
			return dump.ID{}, ambiguous(ctx, c, prefix)
		case !errors.Is(err, store.ErrNotExist):
			return dump.ID{}, fmt.Errorf("%s: %w", word, err)
		case len(prefix) >= certainPrefix:
			unknown = fmt.Errorf("%s is %w", word, errNotInCorpus)
		}
	}
	// A path may lead to a mount that hangs.
	id, err := orInterrupted(ctx, func() (dump.ID, error) { return identify(ctx, c, word) })
	if errors.Is(err, errNoIdentifier) {
		return id, unknown
	}
	if err != nil {
		return id, err
	}
	if _, err := c.Resolve(ctx, id.String()); err != nil {
		if errors.Is(err, store.ErrNotExist) {
			err = fmt.Errorf("%s (%s) is %w", word, id, errNotInCorpus)
		}
		return id, err
	}
	return id, nil
}

// identify returns the hash of the dump that is, or whose directory holds, the file at path. It returns
// errNoIdentifier if there is no such file, or it belongs to no dump.
func identify(ctx context.Context, c *corpus.Corpus, path string) (dump.ID, error) {
	real, err := filepath.Abs(path)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return dump.ID{}, errNoIdentifier
	}
	if id, ok := dumpAt(real, hashDirs(c, real)); ok {
		return id, nil
	}
	if fi, err := os.Stat(real); err != nil || !fi.Mode().IsRegular() {
		return dump.ID{}, errNoIdentifier
	}
	id, err := ingest.HashFile(ctx, path, "")
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return id, err
}

// hashDirs returns the directories that may hold the file at path and have a directory for each dump:
// the corpus itself, if it is a local directory, and by-hash of the mount that path is in.
func hashDirs(c *corpus.Corpus, path string) (dirs []string) {
	if _, local := store.AsLocal(c.Options().Store); local {
		dirs = append(dirs, realPath(c.Options().Root))
	}
	mounts, err := mountinfo.GetMounts(mountinfo.ParentsFilter(path))
	if err != nil {
		return dirs
	}
	for _, m := range mounts {
		if m.FSType == "fuse.thothfs" {
			dirs = append(dirs, filepath.Join(m.Mountpoint, "by-hash"))
		}
	}
	return dirs
}

// dumpAt returns the hash that follows one of dirs in a path.
func dumpAt(path string, dirs []string) (dump.ID, bool) {
	for _, dir := range dirs {
		rest, ok := strings.CutPrefix(path, dir+"/")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, "/")
		if id, err := dump.ParseID(name); err == nil {
			return id, true
		}
	}
	return dump.ID{}, false
}

// isConstraint reports whether a word is a constraint, and not the path of a file: paths in a mount may
// contain an equals sign.
func isConstraint(word string) bool { return query.IsConstraint(word) && !isPath(word) }

// isPath reports whether a word has a slash and is the path of a file.
func isPath(word string) bool {
	if !strings.Contains(word, "/") {
		return false
	}
	_, err := os.Lstat(word)
	return err == nil
}

// ambiguous returns an error that lists the newest dumps whose hashes begin with prefix.
func ambiguous(ctx context.Context, c *corpus.Corpus, prefix string) error {
	spec, err := query.Parse(prefix)
	if err != nil {
		return err
	}
	n, err := c.Count(ctx, spec)
	if err != nil {
		return err
	}
	lines, err := newestDumps(ctx, c, prefix)
	if err != nil {
		return err
	}
	which := ":"
	if int(n) > len(lines) {
		which = "; the newest:"
	}
	return usageErrorf("hash prefix %s is %w (%s dumps)%s\n%s", prefix, corpus.ErrAmbiguous, humanize.Comma(int64(n)), which, strings.Join(lines, "\n"))
}

// newestDumps returns a line for each of the newest dumps that match spec, the newest first: hash, time
// and command.
func newestDumps(ctx context.Context, c *corpus.Corpus, spec string) (lines []string, err error) {
	newest, err := query.Parse(fmt.Sprintf("%s limit=%d", spec, maxCandidates))
	if err != nil {
		return nil, err
	}
	for d, err := range c.Dumps(ctx, newest) {
		if err != nil {
			return nil, err
		}
		lines = append(lines, "  "+dumpLine(d))
	}
	slices.Reverse(lines)
	return lines, nil
}

// dumpLine describes a dump by hash, time and command.
func dumpLine(d *corpus.Dump) string {
	when := "-"
	if !d.Time.IsZero() {
		when = d.Time.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s  %s  %s", d.ID.Short(), when, output.Cell(cmp.Or(d.Text(catalog.Cmd), d.Text(catalog.Node), "-")))
}

// isHashPrefix reports whether s is a hash, or long enough for a prefix of one. Digits are in lower
// case.
func isHashPrefix(s string) bool {
	return len(s) >= minPrefix && len(s) <= 32 && strings.Trim(s, "0123456789abcdef") == ""
}
