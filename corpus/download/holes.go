package download

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// DataOf returns the parts of a file that are not holes, for Source.Data, or nil if the file system
// does not tell. It moves the file's offset.
func DataOf(f *os.File, size int64) []Range {
	data := []Range{}
	for off := int64(0); off < size; {
		begin, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // only a hole is left
			return data
		}
		if err != nil {
			return nil
		}
		end, err := unix.Seek(int(f.Fd()), begin, unix.SEEK_HOLE)
		if err != nil || end <= begin {
			return nil
		}
		data = append(data, Range{begin, end - begin})
		off = end
	}
	return data
}
