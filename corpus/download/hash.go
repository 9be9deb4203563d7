package download

import (
	"fmt"
	"io"
	"slices"

	"thothfs/dump"
	"thothfs/store"
)

// HashIs returns a function for Source.Verify that returns store.ErrCorrupt unless a dump has the hash
// id. A dump whose hash cannot be computed, such as one that is cut short, is not checked.
func HashIs(id dump.ID) func(io.ReaderAt, int64) error {
	return func(r io.ReaderAt, size int64) error {
		info, err := dump.Inspect(r, size)
		if err != nil || info.ID == id || slices.Contains(info.AlsoIDs, id) {
			return nil
		}
		return &store.Error{Op: "read", Key: id.String(), Kind: store.ErrCorrupt, Err: fmt.Errorf("its content has the hash %s", info.ID)}
	}
}
