// Package docs holds the documents that are parts of the program.
package docs

import _ "embed"

// Specifications describes the language of dump specifications, in Markdown.
//
//go:embed specifications.md
var Specifications string
