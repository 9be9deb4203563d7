package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thothfs/cache"
	"thothfs/cmd/thothfs/config"
	"thothfs/cmd/thothfs/output"
	"thothfs/store/registry"
)

const configLong = `Prints the values of the global flags in effect and where each comes from: a flag on the
command line, a variable of the environment, a line of the configuration file, or the
default; then the flags that the file sets for single verbs. Keys and passwords are never
printed.

The configuration file is $XDG_CONFIG_HOME/thothfs/config.toml, by default
~/.config/thothfs/config.toml. Its keys are names of flags. Those before the first table
are global; a table has the flags of one verb:

  store = "manta:/thoth/stor/thoth"
  cache-size = "20GiB"

  [mount]
  complete = "always"
  options = ["allow_other"]

A flag on the command line counts before the environment, and that before the file. An
unknown key is an error.`

// setting is a value in effect.
type setting struct {
	Verb   string `json:"verb,omitempty"` // "" for a global flag
	Flag   string `json:"flag"`
	Value  string `json:"value"`
	Source string `json:"source"` // "flag", a variable, "line N" of the file, or "default"
}

// effective is what the verb config prints.
type effective struct {
	File     string    `json:"file"`
	Exists   bool      `json:"exists"`
	Settings []setting `json:"settings"`
}

func configCommand(cl *cli) *cobra.Command {
	var format jsonFlag
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the settings in effect and where they come from",
		Long:  configLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := cl.effective(cmd)
			if err != nil {
				return err
			}
			if format.json {
				return writeJSON(cl.stdout, e)
			}
			return e.write(cl.stdout)
		},
	}
	format.add(cmd)
	return cmd
}

func (cl *cli) effective(cmd *cobra.Command) (*effective, error) {
	e := &effective{File: cl.configPath()}
	if e.File == "" {
		return nil, errNoConfig
	}
	file, err := config.Read(e.File)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(e.File); err == nil {
		e.Exists = true
	}
	cmd.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) {
		s := setting{Flag: f.Name, Value: f.Value.String(), Source: "default"}
		switch source := cl.sources[f.Name]; {
		case source != "":
			s.Source = source
		case f.Changed:
			s.Source = "flag"
		default:
			s.Value = cl.defaultOf(f)
		}
		e.Settings = append(e.Settings, s)
	})
	for _, variable := range []string{"MANTA_URL", "MANTA_USER", "THOTH_USER"} {
		if value := cl.getenv(variable); value != "" {
			if variable == "MANTA_URL" {
				value = cl.mantaURL()
			}
			e.Settings = append(e.Settings, setting{Flag: variable, Value: value, Source: "environment"})
		}
	}
	for _, s := range file.Settings {
		if s.Verb == "" {
			continue
		}
		for _, value := range s.Values {
			e.Settings = append(e.Settings, setting{Verb: s.Verb, Flag: s.Flag, Value: value, Source: fmt.Sprintf("line %d", s.Line)})
		}
	}
	return e, nil
}

// defaultOf returns the value that a flag has in effect if it is not set.
func (cl *cli) defaultOf(f *pflag.Flag) string {
	switch f.Name {
	case "store":
		if l, err := registry.Locate("", cl.getenv); err == nil {
			return l.Name
		}
	case "cache-dir":
		if dir, err := cl.cachePath(); err == nil {
			return dir
		}
	case "cache-size":
		if dir, err := cl.cachePath(); err == nil {
			limit := byteSize(cache.Limit(filepath.Join(dir, "blocks"), 0))
			return limit.String()
		}
	}
	return f.Value.String()
}

func (e *effective) write(stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tSOURCE")
	for _, s := range e.Settings {
		name, value := s.Flag, output.Cell(s.Value)
		if s.Verb != "" {
			name = "[" + s.Verb + "] " + name
		}
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", output.Cell(name), value, s.Source)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	absent := ""
	if !e.Exists {
		absent = " (there is none)"
	}
	_, err := fmt.Fprintf(stdout, "\nfile: %s%s\n", output.Printable(e.File), absent)
	return err
}
