package dump

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// compress returns content as one stream of the given kind. For bzip2 it needs the bzip2 program.
func compress(t testing.TB, kind string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "gzip":
		w = gzip.NewWriter(&b)
	case "xz":
		w, err = xz.NewWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	case "bzip2":
		path, err := exec.LookPath("bzip2")
		if err != nil {
			t.Skip("bzip2 is not installed: the library cannot write its format")
		}
		cmd := exec.Command(path, "-c")
		cmd.Stdin = bytes.NewReader(content)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(content); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decompress(b []byte, kind string) ([]byte, error) {
	r, err := Decompress(bytes.NewReader(b), kind)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(r)
	return out, errors.Join(err, r.Close())
}

var compressionKinds = []string{"zstd", "gzip", "xz", "lz4", "bzip2"}

func TestDecompress(t *testing.T) {
	content := readCore(t, "lldb-linux-ppc64le.core")
	for _, kind := range compressionKinds {
		t.Run(kind, func(t *testing.T) {
			b := compress(t, kind, content)
			if got := Compression(b[:8]); got != kind {
				t.Fatalf("Compression: %q", got)
			}
			if got, err := decompress(b, kind); err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes of %d, %v", len(got), len(content), err)
			}
			two := append(bytes.Clone(b), compress(t, kind, content[:1000])...)
			got, err := decompress(two, kind)
			if err != nil || !bytes.Equal(got, append(bytes.Clone(content), content[:1000]...)) {
				t.Errorf("two streams: %d bytes, %v", len(got), err)
			}
			empty := compress(t, kind, nil)
			if got, err := decompress(empty, kind); err != nil || len(got) != 0 {
				t.Errorf("nothing: %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestDecompressTruncated checks that a compressed dump that was cut short is not treated as a
// shorter dump.
func TestDecompressTruncated(t *testing.T) {
	content := readCore(t, "lldb-linux-ppc64le.core")
	for _, kind := range compressionKinds {
		t.Run(kind, func(t *testing.T) {
			b := compress(t, kind, content)
			for _, n := range []int{0, 1, 4, 7, 11, 13, 17, len(b) / 2, len(b) - 9, len(b) - 5, len(b) - 4, len(b) - 1} {
				if n < 0 || n >= len(b) {
					continue
				}
				if got, err := decompress(b[:n], kind); err == nil {
					t.Errorf("%d of %d bytes: got %d bytes and no error", n, len(b), len(got))
				}
			}
		})
	}
}

// TestDecompressCutAnywhere cuts two small streams at every position except between them.
func TestDecompressCutAnywhere(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 20)
	for _, kind := range compressionKinds {
		t.Run(kind, func(t *testing.T) {
			b := compress(t, kind, content)
			first := len(b)
			b = append(b, compress(t, kind, content[:100])...)
			for n := range b {
				got, err := decompress(b[:n], kind)
				if (err == nil) != (n == first) {
					t.Errorf("%d of %d bytes: got %d bytes and %v", n, len(b), len(got), err)
				}
			}
		})
	}
}

func TestDecompressDamaged(t *testing.T) {
	content := readCore(t, "lldb-linux-x86_64.core")
	for _, kind := range compressionKinds {
		t.Run(kind, func(t *testing.T) {
			b := compress(t, kind, content)
			b[len(b)/2] ^= 0x55
			if got, err := decompress(b, kind); err == nil && !bytes.Equal(got, content) {
				t.Errorf("got %d wrong bytes and no error", len(got))
			}
		})
	}
	if _, err := Decompress(strings.NewReader("x"), "arj"); err == nil {
		t.Error("arj: no error")
	}
}

func TestZstdWindow(t *testing.T) {
	// The frame requires a window of 4 GiB and contains one raw byte.
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 22 << 3, 0x09, 0, 0, 'x'}
	if got, err := decompress(frame, "zstd"); err == nil {
		t.Errorf("got %q", got)
	}
	frame[5] = 17 << 3 // 128 MiB
	if got, err := decompress(frame, "zstd"); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCompressionNone(t *testing.T) {
	for _, head := range []string{"", "\x1f", "\x7fELF\x02\x01\x01\x00", "BZ", "(\xb5/"} {
		if got := Compression([]byte(head)); got != "" {
			t.Errorf("%q: %q", head, got)
		}
	}
}

func TestTrimCompressionSuffix(t *testing.T) {
	for _, c := range []struct{ name, kind, want string }{
		{"core.1.zst", "zstd", "core.1"}, {"core.1.zstd", "zstd", "core.1"}, {"core.gz", "gzip", "core"},
		{"core.xz", "xz", "core"}, {"core.lz4", "lz4", "core"}, {"core.bz2", "bzip2", "core"},
		{"core.gz", "xz", "core.gz"}, {".gz", "gzip", ".gz"}, {"core", "zstd", "core"}, {"core.zst", "", "core.zst"},
	} {
		if got := TrimCompressionSuffix(c.name, c.kind); got != c.want {
			t.Errorf("%s, %s: got %s", c.name, c.kind, got)
		}
	}
}
