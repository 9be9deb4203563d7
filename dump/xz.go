package dump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz"
)

// xzFooter is the length of a stream's footer.
const xzFooter = 12

var errXZFooter = errors.New("stream without its footer")

// openXZ decodes xz and checks that the last stream is complete, since the library accepts some
// truncated streams as complete.
func openXZ(r io.Reader) (io.ReadCloser, error) {
	t := &tailReader{r: r}
	x, err := xz.NewReader(t)
	if err != nil {
		return nil, err
	}
	return &xzReader{x, t}, nil
}

type xzReader struct {
	*xz.Reader
	tail *tailReader
}

func (x *xzReader) Close() error { return nil }

func (x *xzReader) Read(p []byte) (int, error) {
	n, err := x.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
		if ferr := x.tail.checkFooter(); ferr != nil {
			err = ferr
		}
	}
	return n, err
}

// tailReader keeps the last bytes that were read, except for zeros that may pad streams.
type tailReader struct {
	r     io.Reader
	tail  []byte
	zeros int // number of zeros after tail
}

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.keep(p[:n])
	return n, err
}

func (t *tailReader) keep(p []byte) {
	content := bytes.TrimRight(p, "\x00")
	if len(content) == 0 {
		t.zeros += len(p)
		return
	}
	tail := append(t.tail, make([]byte, min(t.zeros, xzFooter))...)
	tail = append(tail, content[max(0, len(content)-xzFooter):]...)
	t.tail = tail[len(tail)-min(len(tail), xzFooter):]
	t.zeros = len(p) - len(content)
}

// checkFooter reads to the end and checks the last footer: CRC32, size of the index, flags, magic
// (The .xz File Format, 2.1.2).
func (t *tailReader) checkFooter() error {
	if _, err := io.Copy(io.Discard, t); err != nil {
		return err
	}
	f := t.tail
	if len(f) < xzFooter || string(f[10:]) != "YZ" || crc32.ChecksumIEEE(f[4:10]) != binary.LittleEndian.Uint32(f) {
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, errXZFooter)
	}
	return nil
}
