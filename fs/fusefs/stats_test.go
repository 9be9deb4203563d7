package fusefs

import (
	"context"
	"fmt"
	"strings"

	"thothfs/fs"
)

// stat returns a counter of .thothfs/stats, or -1 if there is none of that name.
func stat(b *bridge, name string) (value int64) {
	n, err := b.tree.Walk(context.Background(), ".thothfs/stats")
	if err != nil {
		return -1
	}
	h, err := n.(fs.File).Open(context.Background(), fs.OpenFlags{})
	if err != nil {
		return -1
	}
	text, _, err := h.Read(context.Background(), make([]byte, 1<<16), 0)
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			fmt.Sscan(rest, &value)
			return value
		}
	}
	return -1
}
