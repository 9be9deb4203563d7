package main

import (
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thothfs/cmd/thothfs/manual"
	"thothfs/docs"
)

// manualPages returns the manual pages of the program root: one for itself, one for each verb, and
// thothfs-spec(7).
func manualPages(root *cobra.Command, date time.Time) []*manual.Page {
	pages := []*manual.Page{programPage(root), specificationPage()}
	for _, verb := range root.Commands() {
		if verb.IsAvailableCommand() || verb.Name() == "help" {
			pages = append(pages, verbPage(verb))
		}
	}
	for _, p := range pages {
		p.Date, p.Source = date, root.Name()+" "+versionText()
	}
	return pages
}

// programPage returns thothfs(1): the text of docs/manual.md with the verbs and the flags after the
// description.
func programPage(root *cobra.Command) *manual.Page {
	written := manual.ParseMarkdown(docs.Manual)
	sections := []manual.Section{synopsisSection(root), written[0], {Title: "Verbs", Level: 1, Blocks: manual.ParseHelp(
		"Each verb has a page, such as thothfs-ls(1), and prints a summary of it with --help.", nil)}}
	for _, g := range root.Groups() {
		verbs := manual.Section{Title: strings.TrimSuffix(g.Title, ":"), Level: 2}
		var list []manual.Item
		for _, cmd := range root.Commands() {
			if cmd.GroupID == g.ID && (cmd.IsAvailableCommand() || cmd.Name() == "help") {
				list = append(list, item(manual.Text{{Font: manual.Bold, Text: cmd.Name()}}, manual.Plain(cmd.Short)))
			}
		}
		verbs.Blocks = []manual.Block{{List: list, Compact: true}}
		sections = append(sections, verbs)
	}
	sections = append(sections, flagsSection(root, "These options can be given to every verb."))
	sections = append(sections, written[1:]...)
	sections = append(sections, seeAlso(pageReference("thothfs-spec", 7), pageReference("coredumpctl", 1), pageReference("gdb", 1),
		pageReference("lldb", 1), pageReference("core", 5), pageReference("mount.fuse3", 8)))
	return &manual.Page{Name: root.Name(), Section: 1, Summary: summary(root), Sections: sections}
}

func verbPage(verb *cobra.Command) *manual.Page {
	sections := []manual.Section{synopsisSection(verb), {Title: "Description", Level: 1, Blocks: description(verb)}}
	for _, sub := range verb.Commands() {
		if sub.IsAvailableCommand() {
			sections = append(sections, subcommandSection(sub))
		}
	}
	sections = append(sections, flagsSection(verb, ""))
	if verb.HasExample() {
		sections = append(sections, manual.Section{Title: "Examples", Level: 1, Blocks: manual.ParseHelp(verb.Example, nil)})
	}
	sections = append(sections, manual.Section{Title: "Exit status", Level: 1, Blocks: manual.ParseHelp(exitStatus, nil)})
	others := []manual.Text{pageReference("thothfs", 1)}
	for _, other := range verb.Root().Commands() {
		if other.GroupID == verb.GroupID && other != verb && other.IsAvailableCommand() {
			others = append(others, pageReference(verbPageName(other), 1))
		}
	}
	if strings.Contains(verb.Use, "SPEC") || strings.Contains(verb.Use, "DUMP") {
		others = append(others, pageReference("thothfs-spec", 7))
	}
	sections = append(sections, seeAlso(others...))
	return &manual.Page{Name: verbPageName(verb), Section: 1, Summary: summary(verb), Sections: sections}
}

const exitStatus = `0 if it succeeds, 1 if it fails, also if only for some dumps, 2 if the arguments are wrong, 3 if a dump is not in the
corpus, and 128 plus the number of the signal after a signal: see thothfs(1).`

// specificationPage returns thothfs-spec(7), made of docs/specifications.md.
func specificationPage() *manual.Page {
	sections := append(manual.ParseMarkdown(docs.Specifications), seeAlso(pageReference("thothfs", 1), pageReference("thothfs-ls", 1)))
	return &manual.Page{Name: "thothfs-spec", Section: 7, Summary: "the language of dump specifications", Sections: sections}
}

// subcommandSection describes a command below a verb.
func subcommandSection(cmd *cobra.Command) manual.Section {
	s := manual.Section{Title: strings.Join(synopsis(cmd), ", "), Level: 2, Blocks: description(cmd)}
	if list := flagItems(cmd); list != nil {
		s.Blocks = append(s.Blocks, manual.Block{List: list})
	}
	if cmd.HasExample() {
		s.Blocks = append(s.Blocks, manual.ParseHelp(cmd.Example, nil)...)
	}
	return s
}

func description(cmd *cobra.Command) []manual.Block {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	blocks := manual.ParseHelp(text, valueNames(cmd))
	if len(cmd.Aliases) > 0 {
		blocks = append(blocks, manual.Block{Paragraph: manual.Plain("Also called " + strings.Join(cmd.Aliases, ", ") + ".")})
	}
	return blocks
}

func synopsisSection(cmd *cobra.Command) manual.Section {
	var blocks []manual.Block
	for _, line := range synopsis(cmd) {
		name := cmd.CommandPath()
		text := manual.Text{{Font: manual.Bold, Text: name}}
		text = append(text, manual.HelpText(strings.TrimPrefix(line, name), valueNames(cmd))...)
		blocks = append(blocks, manual.Block{Paragraph: text})
	}
	return manual.Section{Title: "Synopsis", Level: 1, Blocks: blocks}
}

// flagsSection returns the section of the flags of cmd, after the paragraph intro.
func flagsSection(cmd *cobra.Command, intro string) manual.Section {
	s := manual.Section{Title: "Options", Level: 1}
	if intro != "" {
		s.Blocks = append(s.Blocks, manual.Block{Paragraph: manual.Plain(intro)})
	}
	if list := flagItems(cmd); list != nil {
		s.Blocks = append(s.Blocks, manual.Block{List: list})
	}
	if cmd.HasParent() {
		s.Blocks = append(s.Blocks, manual.ParseHelp("The options of thothfs(1), such as --store, can be given too.", nil)...)
	}
	return s
}

func flagItems(cmd *cobra.Command) (items []manual.Item) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		term := manual.HelpText(strings.TrimSpace(flagText(f)), []string{flagValue(f)})
		items = append(items, item(term, manual.HelpText(flagUsage(f), valueNames(cmd))))
	})
	return items
}

func seeAlso(pages ...manual.Text) manual.Section {
	var text manual.Text
	for i, page := range pages {
		if i > 0 {
			text = append(text, manual.Plain(", ")...)
		}
		text = append(text, page...)
	}
	return manual.Section{Title: "See also", Level: 1, Blocks: []manual.Block{{Paragraph: text}}}
}

func item(term, body manual.Text) manual.Item {
	return manual.Item{Term: term, Body: []manual.Block{{Paragraph: body}}}
}

func verbPageName(cmd *cobra.Command) string { return cmd.Root().Name() + "-" + cmd.Name() }

func pageReference(name string, section int) manual.Text {
	return manual.Text{{Font: manual.Bold, Text: name}, {Font: manual.Roman, Text: "(" + string(rune('0'+section)) + ")"}}
}

// summary returns the short description of cmd as half a sentence.
func summary(cmd *cobra.Command) string {
	first, size := utf8.DecodeRuneInString(cmd.Short)
	return string(unicode.ToLower(first)) + cmd.Short[size:]
}

var valueName = regexp.MustCompile(`\b[A-Z][A-Z]+\b`)

// valueNames returns the words in the usage of cmd that stand for values.
func valueNames(cmd *cobra.Command) []string {
	names := append(valueName.FindAllString(cmd.Use, -1), "OPTION", "VERB")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { names = append(names, flagValue(f)) })
	return names
}
