package main

import (
	"slices"

	"github.com/spf13/cobra"
)

// verbGroups are the groups in which help and the manual list the verbs.
var verbGroups = []struct {
	id, title string
	verbs     []string
}{
	{"store", "Store dumps", []string{"upload", "attach", "refresh", "rm", "trash"}},
	{"find", "Find and read dumps", []string{"ls", "show", "info", "report", "get", "object"}},
	{"edit", "Tickets and properties", []string{"ticket", "unticket", "set", "unset", "history", "undo"}},
	{"debug", "Debug and analyze", []string{"debug", "analyze", "analyzers", "analyzer", "executable", "modules", "warm"}},
	{"corpus", "The file system and the corpus", []string{"mount", "umount", "status", "cache", "index", "check"}},
	{"help", "The program", []string{"config", "completion", "help", "version"}},
}

// groupVerbs puts the commands of root into the groups of verbGroups.
func groupVerbs(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, _ := root.Find([]string{"completion"})
	completion.Short = "Generate a script that completes command lines in a shell"
	for _, g := range verbGroups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title + ":"})
		for _, cmd := range root.Commands() {
			if slices.Contains(g.verbs, cmd.Name()) {
				cmd.GroupID = g.id
			}
		}
	}
	root.SetHelpCommandGroupID("help")
	root.SetCompletionCommandGroupID("help")
}
