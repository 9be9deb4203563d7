package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/analyze"
	"thothfs/cmd/thothfs/complete"
	"thothfs/cmd/thothfs/debugger"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/store/registry"
)

// completionTimeout is how long a completion may take. The shell waits for it.
const completionTimeout = 500 * time.Millisecond

// candidates finds what the word of a verb may be completed to. words are those before it. The reader is nil
// if there is no catalogue.
type candidates func(ctx context.Context, r *catalog.Reader, words []string, word string) ([]complete.Candidate, error)

// completedArgs has the completions of the arguments of verbs. Words of other verbs are names of files.
var completedArgs = map[string][]candidates{
	"ls":          {dumps, constraints, properties},
	"report":      {dumps, constraints, properties},
	"set":         {dumps, constraints, properties},
	"unset":       {dumps, constraints, properties},
	"ticket":      {dumps, constraints, tickets},
	"unticket":    {dumps, constraints},
	"info":        {dumps, constraints},
	"show":        {dumps, constraints},
	"rm":          {dumps, constraints},
	"refresh":     {dumps, constraints},
	"warm":        {dumps, constraints},
	"check":       {dumps, constraints},
	"history":     {dumps, constraints},
	"cache clean": {dumps, constraints},
	"analyze":     {dumps, constraints, analyzers},
	"debug":       {first(dumps), first(constraints), second(analyzers)},
	"get":         {first(dumps), first(constraints)},
	"executable":  {first(dumps), first(constraints)},
	"modules":     {first(dumps), first(constraints)},
	"attach":      {first(dumps), first(constraints)},
	"analyzer":    {first(analyzers)},
	"umount":      {mountpoints},
	"status":      {mountpoints},
}

func dumps(ctx context.Context, r *catalog.Reader, _ []string, word string) ([]complete.Candidate, error) {
	if strings.Trim(strings.ToLower(word), "0123456789abcdef") != "" {
		return nil, nil
	}
	return complete.Dumps(ctx, r, word)
}

func constraints(ctx context.Context, r *catalog.Reader, _ []string, word string) ([]complete.Candidate, error) {
	return complete.Constraints(ctx, r, word)
}

func properties(ctx context.Context, r *catalog.Reader, words []string, word string) ([]complete.Candidate, error) {
	if len(words) == 0 && word == "" {
		return nil, nil // they are among the constraints
	}
	return complete.Properties(ctx, r, word)
}

func tickets(ctx context.Context, r *catalog.Reader, words []string, word string) ([]complete.Candidate, error) {
	if len(words) == 0 || r == nil {
		return nil, nil
	}
	values, err := r.ValuesFrom(ctx, catalog.Ticket, word, complete.Most)
	return complete.Words(values...), err
}

// analyzers returns the analyzers that are built in, and those of the corpus when they were last listed.
func analyzers(ctx context.Context, r *catalog.Reader, _ []string, word string) ([]complete.Candidate, error) {
	names := analyze.Builtins()
	if r == nil {
		return complete.Matching(word, names...), nil
	}
	own, _, err := r.Catalog.Listing(ctx, corpus.AnalyzersDir)
	for _, e := range own {
		names = append(names, e.Name)
	}
	return complete.Matching(word, names...), err
}

func mountpoints(_ context.Context, _ *catalog.Reader, _ []string, word string) ([]complete.Candidate, error) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.FSType != "fuse.thothfs", false })
	var paths []string
	for _, m := range mounts {
		paths = append(paths, m.Mountpoint)
		if here, err := filepath.Abs("."); err == nil && word != "" && !filepath.IsAbs(word) {
			if rel, err := filepath.Rel(here, m.Mountpoint); err == nil {
				paths = append(paths, rel)
			}
		}
	}
	return complete.Matching(word, paths...), err
}

// first limits candidates to the first word, second to the second one.
func first(f candidates) candidates { return nth(0, f) }

func second(f candidates) candidates { return nth(1, f) }

func nth(n int, f candidates) candidates {
	return func(ctx context.Context, r *catalog.Reader, words []string, word string) ([]complete.Candidate, error) {
		if len(words) != n {
			return nil, nil
		}
		return f(ctx, r, words, word)
	}
}

// addCompletions adds the completions of arguments and flags to all verbs.
func addCompletions(cl *cli, root *cobra.Command) {
	for _, cmd := range everyCommand(root) {
		name := strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")
		if all := completedArgs[name]; all != nil {
			cmd.ValidArgsFunction = cl.completeArgs(all)
		}
		for flag, words := range map[string][]string{
			"sort":     sortNames(),
			"since":    {"today", "yesterday", "1h", "1d", "7d"},
			"until":    {"today", "yesterday", "1h", "1d", "7d"},
			"complete": {"idle", "always", "never"},
			"debugger": debugger.Installed(),
		} {
			if cmd.Flags().Lookup(flag) != nil {
				cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
			}
		}
		if f := cmd.Flags().Lookup("by"); f != nil && f.Value.Type() == "PERIOD" {
			cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{"hour", "day", "week", "month", "year"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
		}
		if f := cmd.Flags().Lookup("output"); f != nil {
			if format, ok := f.Value.(*format); ok {
				cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(format.names(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
			}
		}
	}
}

// everyCommand returns the verbs, and the verbs below them.
func everyCommand(root *cobra.Command) (all []*cobra.Command) {
	for _, cmd := range root.Commands() {
		all = append(append(all, cmd), everyCommand(cmd)...)
	}
	return all
}

// completeArgs returns a completion that never asks the store. Without a catalogue on this machine there are
// only the candidates that need none.
func (cl *cli) completeArgs(all []candidates) cobra.CompletionFunc {
	return func(cmd *cobra.Command, words []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		r, closeCatalogue, err := cl.knownCatalogue(ctx, cmd)
		if err == nil {
			defer closeCatalogue()
		}
		var found []cobra.Completion
		directive := cobra.ShellCompDirectiveKeepOrder
		seen := map[string]bool{}
		for _, f := range all {
			some, _ := f(ctx, r, words, word) // what was found before an error is of use
			for _, c := range some {
				if seen[c.Word] {
					continue
				}
				seen[c.Word] = true
				found = append(found, cobra.CompletionWithDesc(c.Word, c.About))
				if strings.HasSuffix(c.Word, "=") {
					directive |= cobra.ShellCompDirectiveNoSpace
				}
			}
		}
		return found, directive
	}
}

// knownCatalogue opens the catalogue of the corpus for reading, if this machine has one.
func (cl *cli) knownCatalogue(ctx context.Context, cmd *cobra.Command) (*catalog.Reader, func() error, error) {
	if err := cl.configure(cmd); err != nil {
		return nil, nil, err
	}
	l, err := registry.Locate(cl.store, cl.getenv)
	if err != nil {
		return nil, nil, err
	}
	dir, err := cl.cacheLocation()
	if err != nil {
		return nil, nil, err
	}
	return corpus.OpenKnown(ctx, cl.corpusOptions(&storeSet{location: l.Location, cache: dir}, nil))
}
