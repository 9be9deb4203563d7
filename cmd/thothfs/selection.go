package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
)

// specHelp is the help text for verbs with a SPEC.
const specHelp = `
A dump is named by its hash, a unique prefix of at least 4 digits, a path in a mount
(the dump's directory, a file in it or a link to it), or the path of a local copy.
A specification is made of constraints that must all hold:
cmd=svc.startd, node=eb9c*, triage=bmc, ticket=undefined (not set), ticket=defined,
cmd!=node, cmd=node,cmd=java (one of them), stack=*abort*, size=1G..4G, 'size>=1G',
mtime=6h (newer than; m is a month), otime=1d (older than), time=2w..1w, limit=10,
dump=stdin. See thothfs-spec(7).`

// selection is the set of dumps selected by the words of a verb: those that match spec and, if byID
// is set, are also in ids.
type selection struct {
	corpus *corpus.Corpus
	opened *openedCorpus
	spec   query.Spec
	ids    []dump.ID
	byID   bool
	words  []string // other words, such as properties for ls and report
}

// selectDumps sorts the words of a verb into constraints (prop=value), dumps (see resolve) and others.
// For dump=stdin it reads dumps from standard input.
func (c *openedCorpus) selectDumps(ctx context.Context, args []string) (*selection, error) {
	sel := &selection{corpus: c.Corpus, opened: c}
	var constraints []string
	for _, arg := range args {
		if isConstraint(arg) {
			constraints = append(constraints, arg)
			continue
		}
		switch id, err := resolve(ctx, sel.corpus, arg); {
		case err == nil:
			sel.ids, sel.byID = append(sel.ids, id), true
		case errors.Is(err, errNoIdentifier):
			sel.words = append(sel.words, arg)
		default:
			return nil, err
		}
	}
	var err error
	if sel.spec, err = query.ParseArgs(constraints); err != nil {
		return nil, err
	}
	if word, ok := sel.spec.ID(); ok {
		return nil, usageErrorf("%q: give the dump as an argument of its own", word)
	}
	if err := c.warnOfMistakes(ctx, sel.spec); err != nil {
		return nil, err
	}
	if sel.spec.FromStdin() {
		return sel, sel.readIdentifiers(ctx, c.cli)
	}
	return sel, nil
}

// warnOfMistakes prints what is probably a mistake in a specification: properties that no dump has, and
// lists and sets of characters, which other languages have.
func (c *openedCorpus) warnOfMistakes(ctx context.Context, spec query.Spec) error {
	constraints := spec.Constraints()
	if len(constraints) == 0 {
		return nil
	}
	names, err := c.Names(ctx)
	if err != nil {
		return err
	}
	for _, con := range constraints {
		field := catalog.FieldAt(con.Path)
		isList := con.Op == query.OpEqual && strings.Contains(con.Value, ",") || con.Op == query.OpGlob && strings.ContainsAny(con.Value, "[,")
		switch {
		case names.Lack(con.Path):
			c.cli.say("no dump has a property %q%s", con.Path, didYouMean(quoted(names.Nearest(con.Path))))
		case field != nil && isList && !con.Not && con.Or == nil:
			alone, err := query.Parse(con.String())
			if err != nil {
				return err
			}
			if n, err := c.Count(ctx, alone); err != nil || n > 0 {
				return err
			}
			c.cli.say("no dump matches %s; commas and brackets are ordinary characters, and alternatives are written as %s=A,%[2]s=B", con.String(), con.Path)
		}
	}
	return nil
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return strconv.Quote(name)
}

// didYouMean returns the end of a message that suggests what was meant. Empty suggestions are left out.
func didYouMean(suggestions ...string) string {
	suggestions = slices.DeleteFunc(suggestions, func(s string) bool { return s == "" })
	if len(suggestions) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(suggestions, " or ") + "?"
}

// selectingVerb makes cmd a verb that runs f on the selected dumps, and adds --fresh to it.
func selectingVerb(cl *cli, cmd *cobra.Command, f func(ctx context.Context, sel *selection, args []string) error) *cobra.Command {
	var fresh bool
	freshFlag(cmd, &fresh)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := cl.openSynced(cmd.Context(), fresh)
		if err != nil {
			return err
		}
		sel, err := c.selectDumps(cmd.Context(), args)
		if err != nil {
			return err
		}
		return f(cmd.Context(), sel, args)
	}
	return cmd
}

// onlyDumps returns an error if a word was neither a constraint nor a dump.
func (sel *selection) onlyDumps(ctx context.Context) error {
	if len(sel.words) == 0 {
		return nil
	}
	return sel.unknownWord(ctx, sel.words[0], nil)
}

// properties returns the other words, which must all be properties of dumps.
func (sel *selection) properties(ctx context.Context) ([]string, error) {
	if len(sel.words) == 0 {
		return nil, nil
	}
	names, err := sel.corpus.Names(ctx)
	if err != nil {
		return nil, err
	}
	for _, word := range sel.words {
		if names.Lack(word) {
			return nil, sel.unknownWord(ctx, word, &names)
		}
	}
	return sel.words, nil
}

// unknownWord returns an error that says that a word is no dump and, if names is not nil, no property
// either. It suggests what may have been meant.
func (sel *selection) unknownWord(ctx context.Context, word string, names *catalog.Names) error {
	what, nearest := "a dump", ""
	if names != nil {
		what, nearest = "a dump or a property", quoted(names.Nearest(word))
	}
	if fi, err := os.Stat(word); err == nil && strings.Contains(word, "/") {
		if fi.IsDir() {
			return notFoundf("%s is a directory, but not that of a dump", word)
		}
		return notFoundf("%s is not a dump", word)
	}
	if strings.Trim(word, "=<>!") == "" {
		return usageErrorf("%q is not %s: write a constraint without blanks and in quotation marks, as in 'size>=1G'", word, what)
	}
	if len(word) < minPrefix && isHashPrefix(strings.ToLower(word)+"0000") {
		what += fmt.Sprintf(" (a prefix of a hash has at least %d digits)", minPrefix)
	}
	suggestions := []string{nearest, sel.nearestDump(ctx, word)}
	for i := range catalog.Fields {
		f := &catalog.Fields[i]
		if has, err := sel.corpus.HasValue(ctx, f, word); err == nil && has {
			suggestions = append(suggestions, query.Equal(f.Name, word).String())
		}
	}
	return fmt.Errorf("%q is not %s: %w%s", word, what, errNotInCorpus, didYouMean(suggestions...))
}

// nearestDump returns the hash of a dump that shares as many digits as possible with word, and at
// least minPrefix, or "".
func (sel *selection) nearestDump(ctx context.Context, word string) string {
	prefix := strings.ToLower(word)
	for isHashPrefix(prefix) {
		spec, err := query.Parse(prefix + " limit=1")
		if err != nil {
			return ""
		}
		if rows, err := sel.corpus.Select(ctx, spec); err != nil || len(rows) > 0 {
			if err != nil {
				return ""
			}
			return rows[0].ID.Short()
		}
		prefix = prefix[:len(prefix)-1]
	}
	return ""
}

// selectIDs returns the hashes of the dumps selected by words, oldest first.
func (c *openedCorpus) selectIDs(ctx context.Context, words []string) ([]dump.ID, error) {
	sel, err := c.selectDumps(ctx, words)
	if err == nil {
		err = sel.onlyDumps(ctx)
	}
	if err != nil {
		return nil, err
	}
	var ids []dump.ID
	for d, err := range sel.all(ctx) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, d.ID)
	}
	return ids, nil
}

// syncAndSelect updates the catalogue and returns the hashes of the dumps selected by words.
func (c *openedCorpus) syncAndSelect(ctx context.Context, words []string) ([]dump.ID, error) {
	if err := c.syncNow(ctx); err != nil {
		return nil, err
	}
	return c.selectIDs(ctx, words)
}

// readIdentifiers adds the dumps named by the words on standard input.
func (sel *selection) readIdentifiers(ctx context.Context, cl *cli) error {
	sel.byID = true
	cl.announceStdin("hashes of dumps")
	words := bufio.NewScanner(cl.stdin)
	words.Split(bufio.ScanWords)
	for {
		more, err := orInterrupted(ctx, func() (bool, error) { return words.Scan(), nil })
		if err != nil {
			return err
		}
		if !more {
			return words.Err()
		}
		id, err := resolve(ctx, sel.corpus, words.Text())
		if err != nil {
			return fmt.Errorf("%q on standard input: %w", words.Text(), err)
		}
		sel.ids = append(sel.ids, id)
	}
}

// all yields the selected dumps, oldest first. The sequence ends at the first error.
func (sel *selection) all(ctx context.Context) iter.Seq2[*corpus.Dump, error] {
	if !sel.byID {
		return sel.corpus.Dumps(ctx, sel.spec)
	}
	return func(yield func(*corpus.Dump, error) bool) {
		found, err := sel.named(ctx)
		for _, d := range found {
			if !yield(d, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// list yields the selected dumps as catalog.Reader.List does.
func (sel *selection) list(ctx context.Context, o catalog.ListOptions) iter.Seq2[*corpus.Dump, error] {
	if !sel.byID {
		return sel.corpus.List(ctx, sel.spec, o)
	}
	return func(yield func(*corpus.Dump, error) bool) {
		found, err := sel.named(ctx)
		for _, d := range catalog.Arrange(found, o) {
			if !yield(d, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// named returns the dumps in ids that match, oldest first.
func (sel *selection) named(ctx context.Context) (found []*corpus.Dump, err error) {
	// A Sync compares only some documents with the store, so refresh each one. If a document cannot
	// be read now, its known version is used.
	var asking errgroup.Group
	asking.SetLimit(32)
	for _, id := range sel.ids {
		asking.Go(func() error { sel.corpus.Dump(ctx, id); return nil })
	}
	asking.Wait()
	now := time.Now()
	seen := make(map[dump.ID]bool)
	for _, id := range sel.ids {
		d, err := sel.corpus.Cached(ctx, id)
		if errors.Is(err, store.ErrNotExist) {
			err = fmt.Errorf("%s is %w", id, errNotInCorpus)
		}
		if err != nil {
			return nil, err
		}
		if !seen[id] && sel.spec.Match(d.Fields(), now) {
			found = append(found, d)
		}
		seen[id] = true
	}
	slices.SortStableFunc(found, func(a, b *corpus.Dump) int {
		return cmp.Or(a.Time.Compare(b.Time), slices.Compare(a.ID[:], b.ID[:]))
	})
	if limit := sel.spec.Limit(); limit > 0 && len(found) > limit {
		found = found[len(found)-limit:]
	}
	return found, nil
}

func (sel *selection) count(ctx context.Context) (int, error) {
	if !sel.byID {
		return sel.corpus.Count(ctx, sel.spec)
	}
	found, err := sel.named(ctx)
	return len(found), err
}

// countBy returns, for each value of a property, the number of the selected dumps that have it.
func (sel *selection) countBy(ctx context.Context, path string) (map[string]int, error) {
	counts := map[string]int{}
	if !sel.byID {
		texts, err := sel.corpus.CountBy(ctx, path, sel.spec)
		for text, n := range texts {
			counts[strings.ToValidUTF8(text, "\ufffd")] += n
		}
		return counts, err
	}
	for d, err := range sel.all(ctx) {
		if err != nil {
			return nil, err
		}
		if v, ok := d.Value(path); ok {
			counts[strings.ToValidUTF8(v.Text(), "\ufffd")]++
		}
	}
	return counts, nil
}

// forEach calls f for each item, at most atOnce at a time, and returns the errors. It shows a progress bar,
// unless what is "".
func forEach[T comparable](cl *cli, what string, atOnce int, items []T, f func(T) error) map[T]error {
	var (
		mu    sync.Mutex // guards failed and done
		done  int
		group errgroup.Group
	)
	failed := make(map[T]error)
	group.SetLimit(atOnce)
	bar := &output.Progress{}
	if what != "" {
		bar = output.NewProgress(cl.stderr, what, false)
		bar.Set(0, len(items))
	}
	defer bar.Done()
	for _, item := range items {
		group.Go(func() error {
			err := f(item)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[item] = err
			}
			done++
			bar.Set(done, len(items))
			return nil
		})
	}
	group.Wait()
	return failed
}

// reportEach prints what was done to a number of dumps, and why some of them failed.
func reportEach(ctx context.Context, cl *cli, ids []dump.ID, done string, failed map[dump.ID]error) error {
	for _, id := range ids {
		if err := failed[id]; err != nil && !errors.Is(err, context.Canceled) {
			cl.say("%s: %v", id, err)
		}
	}
	if len(failed) > 0 {
		done += fmt.Sprintf("; %d of %d failed", len(failed), len(ids))
	}
	cl.say("%s", done)
	if len(failed) > 0 {
		return cmp.Or(ctx.Err(), output.ErrReported)
	}
	return ctx.Err()
}

// eachFile calls f for each file and prints the errors. It stops when ctx is done.
func eachFile(ctx context.Context, cl *cli, files []string, f func(path string) error) error {
	var failed error
	for _, file := range files {
		if err := f(file); err != nil {
			if ctx.Err() != nil {
				return err
			}
			if !errors.Is(err, output.ErrReported) {
				cl.say("%s: %s", file, withoutPath(err, file))
			}
			failed = output.ErrReported
		}
	}
	return failed
}

// withoutPath returns the text of an error about a file, without the path if that is its beginning, as the
// message names it.
func withoutPath(err error, path string) string {
	text := err.Error()
	if e := (*os.PathError)(nil); errors.As(err, &e) && e.Path == path {
		text = strings.Replace(text, e.Error(), e.Err.Error(), 1)
	}
	return strings.TrimPrefix(strings.TrimPrefix(text, path+": "), path+" is ")
}

func printEach[T any](cl *cli, items []T, line func(T) string) error {
	for _, item := range items {
		if _, err := fmt.Fprintln(cl.stdout, line(item)); err != nil {
			return err
		}
	}
	return nil
}
