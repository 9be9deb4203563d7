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
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
)

// selection is which dumps a verb's words mean: those that match spec and, when
// identifiers were given, are among them.
type selection struct {
	corpus *corpus.Corpus
	spec   query.Spec
	ids    []dump.ID
	byID   bool     // only ids are meant, were there none of them
	words  []string // what was neither: properties, for ls and report
}

// selectDumps sorts a verb's words into constraints (prop=value), dumps (a hash,
// a unique prefix, a local dump) and the rest. With `dump=stdin` among them the
// identifiers come from standard input.
func (cl *cli) selectDumps(ctx context.Context, c *corpus.Corpus, args []string) (*selection, error) {
	sel := &selection{corpus: c}
	var constraints []string
	for _, arg := range args {
		if strings.Contains(arg, "=") {
			constraints = append(constraints, arg)
		} else if err := sel.addWord(ctx, arg); err != nil {
			return nil, err
		}
	}
	var err error
	if sel.spec, err = query.ParseArgs(constraints); err != nil {
		return nil, err
	}
	if word, ok := sel.spec.ID(); ok {
		return nil, fmt.Errorf("%q: give the dump as an argument of its own", word)
	}
	if sel.spec.FromStdin() {
		return sel, readIdentifiers(ctx, cl, sel)
	}
	return sel, nil
}

func (sel *selection) addWord(ctx context.Context, word string) error {
	id, err := resolve(ctx, sel.corpus, word)
	switch {
	case err == nil:
		sel.ids, sel.byID = append(sel.ids, id), true
		return nil
	case errors.Is(err, errNoIdentifier):
		sel.words = append(sel.words, word)
		return nil
	}
	return err
}

// readIdentifiers takes the words of standard input as dumps.
func readIdentifiers(ctx context.Context, cl *cli, sel *selection) error {
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

// dumps yields the selected dumps, oldest first.
func (sel *selection) dumps(ctx context.Context) iter.Seq2[output.Dump, error] {
	return func(yield func(output.Dump, error) bool) {
		seq := sel.corpus.Dumps(ctx, sel.spec)
		if sel.byID {
			seq = sel.named(ctx)
		}
		for d, err := range seq {
			if err != nil {
				yield(output.Dump{}, err)
				return
			}
			if !yield(output.Dump{ID: d.ID.String(), Doc: d.Doc}, nil) {
				return
			}
		}
	}
}

// count is how many dumps are selected.
func (sel *selection) count(ctx context.Context) (n int, err error) {
	if !sel.byID {
		return sel.corpus.Count(ctx, sel.spec)
	}
	for _, err := range sel.dumps(ctx) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// countBy is how many of the selected dumps have each value of a property.
func (sel *selection) countBy(ctx context.Context, path string) (output.Counts, error) {
	counts := output.Counts{}
	if !sel.byID {
		texts, err := sel.corpus.CountBy(ctx, path, sel.spec)
		for text, n := range texts {
			counts.Add(text, n)
		}
		return counts, err
	}
	for l, err := range sel.dumps(ctx) {
		if err != nil {
			return nil, err
		}
		counts.AddDump(l, path)
	}
	return counts, nil
}

// named yields those of the identified dumps that match.
func (sel *selection) named(ctx context.Context) iter.Seq2[*corpus.Dump, error] {
	return func(yield func(*corpus.Dump, error) bool) {
		var found []*corpus.Dump
		now := time.Now()
		seen := make(map[dump.ID]bool)
		sel.refresh(ctx)
		for _, id := range sel.ids {
			d, err := sel.corpus.Cached(ctx, id)
			if errors.Is(err, store.ErrNotExist) {
				err = fmt.Errorf("%s is %w", id, errNotInCorpus)
			}
			if err != nil {
				yield(nil, err)
				return
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
		for _, d := range found {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// refresh asks the store for the documents of the identified dumps: a Sync asks for
// some only. What cannot be had stays as it is known.
func (sel *selection) refresh(ctx context.Context) {
	var asking errgroup.Group
	asking.SetLimit(32)
	for _, id := range sel.ids {
		asking.Go(func() error {
			sel.corpus.Dump(ctx, id)
			return nil
		})
	}
	asking.Wait()
}

// errNoIdentifier is a word that can be neither a hash nor a local dump.
var errNoIdentifier = errors.New("neither a dump's hash nor a local dump")

// minPrefix is the length from which a word of hex digits that names no dump is
// an error rather than the name of a property.
const minPrefix = 8

// resolve finds the dump that a word names: by hash or unique prefix of one, or
// by the hash of the local dump at that path.
func resolve(ctx context.Context, c *corpus.Corpus, word string) (dump.ID, error) {
	unknown := errNoIdentifier
	if isHex(word) {
		id, err := c.Resolve(ctx, word)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, store.ErrNotExist) {
			return dump.ID{}, fmt.Errorf("%s: %w", word, err)
		}
		if len(word) >= minPrefix {
			unknown = fmt.Errorf("%s is %w", word, errNotInCorpus)
		}
	}
	fi, err := os.Stat(word)
	if err != nil || !fi.Mode().IsRegular() {
		return dump.ID{}, unknown
	}
	id, err := corpus.HashFile(ctx, word, "")
	if err != nil {
		return dump.ID{}, fmt.Errorf("%s: %w", word, err)
	}
	if _, err := c.Cached(ctx, id); errors.Is(err, store.ErrNotExist) {
		return dump.ID{}, fmt.Errorf("%s (%s) is %w", word, id, errNotInCorpus)
	}
	return id, err
}

func isHex(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// selectIDs returns the hashes of the dumps that words select. Every word must be a
// constraint or a dump.
func (cl *cli) selectIDs(ctx context.Context, c *corpus.Corpus, words []string) ([]dump.ID, error) {
	sel, err := cl.selectDumps(ctx, c, words)
	if err != nil {
		return nil, err
	}
	if err := sel.noWords(); err != nil {
		return nil, err
	}
	return sel.collect(ctx)
}

// collect returns the hashes of the selected dumps, oldest first.
func (sel *selection) collect(ctx context.Context) ([]dump.ID, error) {
	var ids []dump.ID
	for l, err := range sel.dumps(ctx) {
		if err != nil {
			return nil, err
		}
		id, err := dump.ParseID(l.ID)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// forEach calls f for each item, atOnce at a time, with a progress bar, and returns the
// errors.
func forEach[T comparable](cl *cli, what string, atOnce int, items []T, f func(T) error) map[T]error {
	var (
		mu    sync.Mutex // guards failed and done
		done  int
		group errgroup.Group
	)
	failed := make(map[T]error)
	group.SetLimit(atOnce)
	bar := output.NewProgress(cl.stderr, what, false)
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

// reportEach prints what was done to many dumps, and why some of them failed.
func reportEach(ctx context.Context, cl *cli, ids []dump.ID, done string, failed map[dump.ID]error) error {
	for _, id := range ids {
		if err := failed[id]; err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(cl.stderr, "thothfs: %s: %s\n", id, output.Printable(err.Error()))
		}
	}
	if len(failed) > 0 {
		done += fmt.Sprintf("; %d of %d failed", len(failed), len(ids))
	}
	fmt.Fprintf(cl.stderr, "thothfs: %s\n", done)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(failed) > 0 {
		return output.ErrReported
	}
	return nil
}
