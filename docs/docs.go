// Package docs holds the documents that are parts of the program.
package docs

import _ "embed"

// Specifications describes the language of dump specifications, in Markdown.
//
//go:embed specifications.md
var Specifications string

// Manual is the text of thothfs(1), in Markdown, without the lists of verbs and options.
//
//go:embed manual.md
var Manual string
