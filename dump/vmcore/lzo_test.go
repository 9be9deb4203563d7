package vmcore

import (
	"bytes"
	"testing"
)

func TestUnpackLZO(t *testing.T) {
	t.Parallel()
	end := "\x11\x00\x00"
	for name, c := range map[string]struct{ packed, want string }{
		"nothing":               {end, ""},
		"literals":              {"\x16hello" + end, "hello"},
		"long literals":         {"\x00\x01" + "0123456789abcdefghi" + end, "0123456789abcdefghi"},
		"near match":            {"\x15abcd\x40\x00" + end, "abcdddd"},    // 3 bytes from 1 back
		"match, then a literal": {"\x15abcd\x6d\x00z" + end, "abcdabcdz"}, // 4 bytes from 4 back
		"long match":            {"\x13ab\x20\x03\x04\x00" + end, "ab" + string(bytes.Repeat([]byte("ab"), 18))},
	} {
		dst := make([]byte, 64)
		n, err := unpackLZO(dst, []byte(c.packed))
		if err != nil || string(dst[:n]) != c.want {
			t.Errorf("%s: %q, %v, want %q", name, dst[:n], err, c.want)
		}
		for i := range c.packed { // every byte counts
			if n, err := unpackLZO(dst, []byte(c.packed[:i])); err == nil {
				t.Errorf("%s cut to %d bytes: %q", name, i, dst[:n])
			}
		}
		if _, err := unpackLZO(dst, []byte(c.packed+"x")); err == nil {
			t.Errorf("%s with a tail was taken", name)
		}
		if c.want != "" {
			if _, err := unpackLZO(dst[:len(c.want)-1], []byte(c.packed)); err == nil {
				t.Errorf("%s was taken for a page that is too small", name)
			}
		}
	}
	for name, packed := range map[string]string{
		"distance before the start": "\x15abcd\x60\x01" + end, "endless length": "\x15abcd\x20" + string(make([]byte, 1000)),
	} {
		if n, err := unpackLZO(make([]byte, 64), []byte(packed)); err == nil {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}

func FuzzUnpackLZO(f *testing.F) {
	f.Add([]byte("\x15abcd\x40\x00\x11\x00\x00"), uint16(64))
	f.Add([]byte("\x13ab\x20\x03\x04\x00\x11\x00\x00"), uint16(64))
	f.Fuzz(func(t *testing.T, packed []byte, size uint16) {
		whole := make([]byte, int(size)+8)
		n, _ := unpackLZO(whole[:size], packed)
		if n > int(size) || !bytes.Equal(whole[size:], make([]byte, 8)) {
			t.Errorf("%d bytes were written to %d", n, size)
		}
	})
}
