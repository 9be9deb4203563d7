package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thothfs/cmd/thothfs/config"
)

// configure sets the flags of cmd that were not given on the command line: from the environment, and then
// from the configuration file.
func (cl *cli) configure(cmd *cobra.Command) error {
	cl.sources = map[string]string{}
	if err := cl.flagsFromEnv(cmd); err != nil {
		return err
	}
	path := cl.configPath()
	if path == "" || cmd.Name() == "version" {
		return nil
	}
	file, err := config.Read(path)
	if err != nil {
		return fmt.Errorf("the configuration: %w", err)
	}
	if file.WorldWritable {
		cl.say("%s is writable by everybody (chmod o-w it)", path)
	}
	for _, s := range file.Settings {
		if err := checkSetting(cmd.Root(), s); err != nil {
			return usageErrorf("%s:%d: %w", path, s.Line, err)
		}
	}
	return cl.flagsFromFile(cmd, file)
}

// configPath returns the path of the configuration file, or "" if there is no place for it.
func (cl *cli) configPath() string {
	dir := cl.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "thothfs", "config.toml")
}

// envNames returns the environment variables that set a flag of cmd, the first of which counts: THOTHFS_FLAG for
// a global flag, and THOTHFS_VERB_FLAG for one of a verb, since --output, --limit or --yes mean something else,
// or are dangerous, in another verb. The flags of mount, which has settings of a machine, are also set by
// THOTHFS_FLAG.
func envNames(cmd *cobra.Command, f *pflag.Flag) []string {
	variable := func(words string) string {
		return "THOTHFS_" + strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(words))
	}
	switch verb := verbName(cmd); {
	case verb == "" || cmd.Root().PersistentFlags().Lookup(f.Name) == f:
		return []string{variable(f.Name)}
	case verb == "mount":
		return []string{variable(verb + " " + f.Name), variable(f.Name)}
	default:
		return []string{variable(verb + " " + f.Name)}
	}
}

// flagsFromEnv sets flags that were not given on the command line from the environment.
func (cl *cli) flagsFromEnv(cmd *cobra.Command) error {
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" {
			return
		}
		for _, name := range envNames(cmd, f) {
			v := cl.getenv(name)
			if v == "" {
				continue
			}
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				first = cmp.Or(first, usageErrorf("%s=%q in the environment: %w", name, v, err))
			}
			cl.sources[f.Name] = name
			return
		}
	})
	return first
}

// flagsFromFile sets the flags that have not been set yet. The table of the verb counts before the global
// flags.
func (cl *cli) flagsFromFile(cmd *cobra.Command, file *config.File) error {
	verb := verbName(cmd)
	for _, table := range []string{verb, ""} {
		set := map[string]bool{}
		for _, s := range file.Settings {
			f := cmd.Flags().Lookup(s.Flag)
			if s.Verb != table || f == nil || f.Changed && !set[s.Flag] {
				continue
			}
			set[s.Flag] = true
			for _, value := range s.Values {
				if err := cmd.Flags().Set(s.Flag, value); err != nil {
					return usageErrorf("%s:%d: %s = %q: %w", file.Path, s.Line, s.Flag, value, err)
				}
			}
			cl.sources[s.Flag] = fmt.Sprintf("line %d", s.Line)
		}
	}
	return nil
}

// verbName returns the words after the program's name that call cmd.
func verbName(cmd *cobra.Command) string {
	_, verb, _ := strings.Cut(cmd.CommandPath(), " ")
	return verb
}

// checkSetting returns an error that names the nearest known verb or flag if there is none of that name.
func checkSetting(root *cobra.Command, s config.Setting) error {
	cmd := root
	if s.Verb != "" {
		found, rest, err := root.Find(strings.Fields(s.Verb))
		if err != nil || len(rest) > 0 || verbName(found) != s.Verb {
			var verbs []string
			for _, c := range root.Commands() {
				verbs = append(verbs, c.Name())
			}
			return fmt.Errorf("unknown verb %q%s", s.Verb, didYouMean(quoted(nearest(s.Verb, verbs))))
		}
		cmd = found
	}
	known := map[string]bool{}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	delete(known, "help")
	delete(known, "version")
	if known[s.Flag] {
		return nil
	}
	if s.Verb == "" {
		for _, c := range root.Commands() {
			if c.LocalNonPersistentFlags().Lookup(s.Flag) != nil && s.Flag != "help" {
				return fmt.Errorf("%q is not a global flag: put it into the table of its verb, as [%s]", s.Flag, c.Name())
			}
		}
	}
	return fmt.Errorf("unknown key %q%s", s.Flag, didYouMean(quoted(nearest(s.Flag, slices.Sorted(maps.Keys(known))))))
}

// nearest returns the candidate that is most like word, or "" if none is much like it.
func nearest(word string, candidates []string) (best string) {
	least := max(2, len(word)/3) + 1
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), c); d < least {
			least, best = d, c
		}
	}
	return best
}

var errNoConfig = errors.New("there is no place for a configuration file: set HOME or XDG_CONFIG_HOME")
