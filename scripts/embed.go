// Package scripts embeds the scripts that thothfs needs: the functions for analyzers, and the
// bundled analyzers. The rest of the directory is for development.
package scripts

import (
	"embed"
	"io/fs"
)

//go:embed thoth-init.sh
var forAll string

//go:embed thoth-linux.sh
var forLinux string

// Init is the script that bash sources before an analyzer: thoth-init.sh, and functions for
// analyzers of Linux cores.
var Init = forAll + forLinux

// Skip is the list of functions that the analyzer signature ignores, because they are not
// specific to a bug.
//
//go:embed analyzers/signature.skip
var Skip []byte

//go:embed analyzers
var files embed.FS

// Analyzers returns the analyzers, one file each. Files with a dot in their names are not
// analyzers.
func Analyzers() fs.FS {
	sub, err := fs.Sub(files, "analyzers")
	if err != nil {
		panic(err) // the name is a valid constant
	}
	return sub
}
