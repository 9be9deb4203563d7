package fs

import (
	"regexp"
	"strconv"
	"strings"
)

// sedName is how sed -i calls the file that it renames over the other.
var sedName = regexp.MustCompile(`^sed[A-Za-z0-9]{6}$`)

// isEditors tells the names that editors give to the files which they put beside the
// one that they save: .NAME.swp, .#NAME, .NAME.XXXX, NAME~, #NAME#, and 4913, by
// which vim finds out what a directory lets it do.
func isEditors(name string) bool {
	switch {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), sedName.MatchString(name):
		return true
	case len(name) > 2 && strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return true
	}
	n, err := strconv.Atoi(name)
	return err == nil && n >= 4913 && (n-4913)%123 == 0
}
