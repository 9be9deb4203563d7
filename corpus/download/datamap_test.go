package download

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"thothfs/store"
)

// mapped encodes the map of an object, and decodes it again.
func mapped(t *testing.T, o *object) (*Map, []byte, error) {
	t.Helper()
	b, err := EncodeMap(t.Context(), o.Ref, bytes.NewReader(o.data), o.Size)
	if err != nil {
		return nil, nil, err
	}
	m, err := DecodeMap(o.Ref, o.Size, b)
	if err != nil {
		t.Fatal(err)
	}
	return m, b, nil
}

func TestMap(t *testing.T) {
	t.Parallel()
	dense := bytes.Repeat([]byte{1, 2, 3}, pieceSize)
	for _, c := range []struct {
		name    string
		data    []byte
		ranges  []Range
		content bool
		err     error
	}{
		{"all zeros", make([]byte, 3*pieceSize), []Range{}, true, nil},
		{"little data", append(make([]byte, 40*pieceSize), 1), []Range{{40 * pieceSize, 1}}, true, nil},
		{"much data", append(append(bytes.Clone(dense), make([]byte, 2*pieceSize)...), dense...), []Range{{0, 3 * pieceSize}, {5 * pieceSize, 3 * pieceSize}}, false, nil},
		{"dense", dense, nil, false, ErrNoMap},
		{"small gaps", bytes.Repeat(append(make([]byte, minGap-page), bytes.Repeat([]byte{7}, minGap)...), 8), nil, false, ErrNoMap},
		{"empty", nil, []Range{}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newObject(0)
			o.data, o.Size, o.MD5 = c.data, int64(len(c.data)), nil
			m, _, err := mapped(t, o)
			if !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			total := int64(0)
			for i, r := range m.Data {
				if total += r.Len; i >= len(c.ranges) || r != c.ranges[i] {
					t.Errorf("%+v, want %+v", m.Data, c.ranges)
				}
			}
			if len(m.Data) != len(c.ranges) || (m.Content != nil) != c.content {
				t.Errorf("%+v and %d bytes, want %+v", m.Data, len(m.Content), c.ranges)
			}
			m.Apply(&o.Source)
			path := filepath.Join(t.TempDir(), "core")
			if _, err := ToFile(t.Context(), &o.Source, path, false, nil); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, c.data)
			if n := o.read.Load(); c.content && n > 0 || n > total {
				t.Errorf("%d bytes were read", n)
			}
			var b bytes.Buffer
			if err := ToWriter(t.Context(), &o.Source, &b, nil); err != nil || !bytes.Equal(b.Bytes(), c.data) {
				t.Error(err)
			}
		})
	}
}

// TestMapOfAFile checks that the holes of a file are found, and that a copy by a map is continued and
// verified.
func TestMapOfAFile(t *testing.T) {
	t.Parallel()
	o := newObject(20 * pieceSize)
	clear(o.data[pieceSize : 15*pieceSize])
	for i := 15 * pieceSize; i < 19*pieceSize; i++ {
		o.data[i] = byte(i>>8) | 1
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(o.data[:pieceSize], 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(o.data[15*pieceSize:], 15*pieceSize); err != nil {
		t.Fatal(err)
	}
	b, err := EncodeMap(t.Context(), o.Ref, f, o.Size)
	if err != nil {
		t.Fatal(err)
	}
	m, err := DecodeMap(o.Ref, o.Size, b)
	if err != nil {
		t.Fatal(err)
	}
	m.Apply(&o.Source)
	path := filepath.Join(t.TempDir(), "core")
	o.failAt = 17 * pieceSize
	if _, err := ToFile(t.Context(), &o.Source, path, false, nil); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	o.failAt = 0
	if _, err := ToFile(t.Context(), &o.Source, path, false, nil); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, o.data)
	o.data[16*pieceSize]++
	if _, err := ToFile(t.Context(), &o.Source, path, true, nil); !errors.Is(err, store.ErrCorrupt) {
		t.Error("a wrong byte:", err)
	}
}

func TestHostileMaps(t *testing.T) {
	t.Parallel()
	o := newObject(4 * pieceSize)
	clear(o.data)
	o.data[5] = 1
	_, good, err := mapped(t, o)
	if err != nil {
		t.Fatal(err)
	}
	other := o.Ref
	other.ETag = "2"
	if _, err := DecodeMap(other, o.Size, good); !errors.Is(err, ErrNoMap) {
		t.Error("another version:", err)
	}
	if _, err := DecodeMap(o.Ref, o.Size+1, good); !errors.Is(err, ErrNoMap) {
		t.Error("another size:", err)
	}
	for i := range len(good) {
		if _, err := DecodeMap(o.Ref, o.Size, good[:i]); !errors.Is(err, ErrNoMap) {
			t.Fatal("cut:", i, err)
		}
	}
	for name, line := range map[string]string{
		"outside": `"data":[[4194303,2]]`, "negative": `"data":[[-1,2]]`, "empty": `"data":[[0,0]]`, "backwards": `"data":[[4096,1],[0,1]]`,
		"overflow": `"data":[[1,9223372036854775807]]`, "content": `"content":99,"data":[[0,1]]`, "no sum": `"sha256":"AA==","data":[]`,
	} {
		text := `{"key":"abc/core","etag":"1","size":4194304,"sha256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",` + line + "}\n"
		if m, err := DecodeMap(o.Ref, o.Size, compressed(t, text)); !errors.Is(err, ErrNoMap) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := EncodeMap(ctx, o.Ref, bytes.NewReader(o.data), o.Size); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func compressed(t *testing.T, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}
