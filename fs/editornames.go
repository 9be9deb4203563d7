package fs

import (
	"regexp"
	"strconv"
	"strings"
)

// sedName matches the name of the file that sed -i renames over the original.
var sedName = regexp.MustCompile(`^sed[A-Za-z0-9]{6}$`)

// isEditorName reports whether editors use a name for a file beside the one they save:
// .NAME.swp, .#NAME, .NAME.XXXX, NAME~, #NAME#, and 4913, which vim creates to test
// whether the directory is writable.
func isEditorName(name string) bool {
	switch {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), sedName.MatchString(name):
		return true
	case len(name) > 2 && strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return true
	}
	n, err := strconv.Atoi(name)
	return err == nil && n >= 4913 && (n-4913)%123 == 0
}
