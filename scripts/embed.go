// Package scripts carries the scripts that the program brings along: what an
// analyzer finds when it begins, and the analyzers that come with it. The rest of
// the directory is for working on the project.
package scripts

import (
	"embed"
	"io/fs"
)

//go:embed thoth-init.sh
var forAll string

//go:embed thoth-linux.sh
var forLinux string

// Init is what bash sources before an analyzer: thoth-init.sh, and what analyzers of
// Linux cores share.
var Init = forAll + forLinux

// Skip is the list of functions that say nothing about a bug, for the analyzer signature.
//
//go:embed analyzers/signature.skip
var Skip []byte

//go:embed analyzers
var files embed.FS

// Analyzers holds the analyzers, each a file under its name; those with a dot in
// their names are none.
func Analyzers() fs.FS {
	sub, err := fs.Sub(files, "analyzers")
	if err != nil {
		panic(err) // the name is a constant, and valid
	}
	return sub
}
