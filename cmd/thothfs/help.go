package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the number of columns of help messages.
const helpWidth = 80

// printUsage prints the part of a help message below the description: how the verb is called, its
// examples, and its verbs or flags.
func printUsage(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintln(w, "Usage:")
	for _, line := range synopsis(cmd) {
		fmt.Fprintf(w, "  %s\n", line)
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(w, "\nAlso called %s.\n", strings.Join(cmd.Aliases, ", "))
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableSubCommands() {
		for _, g := range cmd.Groups() {
			printVerbs(w, cmd, g.Title, g.ID)
		}
		printVerbs(w, cmd, "Verbs:", "")
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintln(w, "\nOptions:")
		printFlags(w, cmd.LocalFlags())
	}
	switch {
	case cmd.HasAvailableSubCommands():
		fmt.Fprintf(w, "\nSee %s VERB --help for more about a verb.\n", cmd.CommandPath())
	case cmd.HasAvailableInheritedFlags() && !needsNoCorpus[cmd.Name()]:
		fmt.Fprintf(w, "\nOptions of all verbs, such as --store: see %s --help.\n", cmd.Root().Name())
	}
}

// needsNoCorpus has the verbs on which the options of all verbs have no effect.
var needsNoCorpus = map[string]bool{"object": true, "umount": true, "man": true, "version": true}

func printVerbs(w io.Writer, parent *cobra.Command, title, group string) {
	width, shown := 0, []*cobra.Command(nil)
	for _, cmd := range parent.Commands() {
		if cmd.GroupID == group && cmd.IsAvailableCommand() {
			width, shown = max(width, len(cmd.Name())), append(shown, cmd)
		}
	}
	if len(shown) > 0 {
		fmt.Fprintf(w, "\n%s\n", title)
	}
	for _, cmd := range shown {
		fmt.Fprintf(w, "  %-*s  %s\n", width, cmd.Name(), cmd.Short)
	}
}

// printFlags prints flags and their descriptions in two columns.
func printFlags(w io.Writer, flags *pflag.FlagSet) {
	width := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			width = max(width, len(flagText(f)))
		}
	})
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		term, indent := flagText(f), strings.Repeat(" ", width+4)
		for i, line := range wrapText(flagUsage(f), helpWidth-len(indent)) {
			if i > 0 {
				term = ""
			}
			fmt.Fprintf(w, "  %-*s  %s\n", width, term, line)
		}
	})
}

// synopsis returns the lines of the usage of a command. Its Use may have several, separated by " | ",
// which all begin with its name.
func synopsis(cmd *cobra.Command) []string {
	separator := " | " + cmd.Name() + " "
	lines := strings.Split(cmd.Use, separator)
	for i := range lines {
		if i > 0 {
			lines[i] = cmd.Name() + " " + lines[i]
		}
		if cmd.HasAvailableSubCommands() {
			lines[i] = cmd.Name() + " VERB"
		}
		if cmd.HasAvailableLocalFlags() && !cmd.DisableFlagsInUseLine {
			lines[i] += " [OPTION...]"
		}
		if cmd.HasParent() {
			lines[i] = cmd.Parent().CommandPath() + " " + lines[i]
		}
	}
	return lines
}

// flagText returns a flag as it is given, such as "-n, --limit N".
func flagText(f *pflag.Flag) string {
	short, value := "    ", ""
	if f.Shorthand != "" {
		short = "-" + f.Shorthand + ", "
	}
	if name := flagValue(f); name != "" {
		value = " " + name
	}
	return short + "--" + f.Name + value
}

// flagValue returns the name of the value of a flag, or "" if it has none.
func flagValue(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	switch {
	case f.NoOptDefVal != "":
		return ""
	case name == "int", name == "uint":
		return "N"
	}
	return strings.ToUpper(name)
}

// flagUsage returns the description of a flag and its default.
func flagUsage(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	switch def := f.DefValue; {
	case f.NoOptDefVal == "true" && def == "true":
		return fmt.Sprintf("%s (on unless --%s=false is given)", usage, f.Name)
	case def == "", def == "0", def == "0s", def == "false", def == "[]":
		return usage
	default:
		return fmt.Sprintf("%s (default %s)", usage, def)
	}
}

// wrapText breaks text at blanks into lines of at most width bytes. A longer word has its own line.
func wrapText(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
