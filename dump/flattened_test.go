package dump

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"thothfs/dump/dumptest"
)

// rearranged returns the output of Rearrange for a stream.
func rearranged(t testing.TB, r io.Reader) ([]byte, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "dump"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := Rearrange(f, r)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b, nil
}

func TestRearrange(t *testing.T) {
	dumps := map[string][]byte{"ELF": synthVMCore().build().dense(), "one byte": {7}}
	for name, k := range kdumps() {
		dumps[name] = k.Build()
	}
	for name, want := range dumps {
		flat := dumptest.Flatten(want)
		if !Flattened(flat) || Flattened(want) {
			t.Errorf("%s: not told apart", name)
		}
		for _, r := range []io.Reader{
			bytes.NewReader(flat), iotest.DataErrReader(bytes.NewReader(append(flat, "behind the end"...))),
		} {
			if got, err := rearranged(t, r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
			}
		}
	}
}

// TestRearrangeOverlaps uses records that are out of order, overlap, and contain zeros.
func TestRearrangeOverlaps(t *testing.T) {
	ones, zeros := bytes.Repeat([]byte{1}, 5000), make([]byte, 5000)
	got, err := rearranged(t, bytes.NewReader(dumptest.Flattened(
		dumptest.Record{Off: 300000, Size: 5000, Data: zeros},
		dumptest.Record{Off: 6000, Size: 5000, Data: ones},
		dumptest.Record{Off: 8000, Size: 1000, Data: zeros[:1000]},
		dumptest.Record{Off: 0, Size: 100, Data: ones[:100]},
		dumptest.End)))
	want := make([]byte, 305000)
	copy(want[6000:], ones[:2000])
	copy(want[9000:], ones[:2000])
	copy(want, ones[:100])
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestRearrangeRefuses(t *testing.T) {
	whole := dumptest.Flatten(dumptest.Kdump{Pages: 50, Zeros: 2}.Build())
	for _, n := range []int{16, 100, 4095, 4096, 4100, 4112, 5000, len(whole) / 2, len(whole) - 16, len(whole) - 8, len(whole) - 1} {
		if _, err := rearranged(t, bytes.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
	data := []byte("data")
	for name, r := range map[string]dumptest.Record{
		"negative offset":       {Off: -2, Size: 4, Data: data},
		"end without its size":  {Off: -1, Size: 4, Data: data},
		"end without an offset": {Off: 0, Size: -1},
		"negative size":         {Off: 0, Size: -4},
		"no size":               {Off: 4096, Size: 0},
		"too far":               {Off: maxFlattened + 1, Size: 4, Data: data},
		"too long":              {Off: 4096, Size: 1<<63 - 1},
		"beyond all":            {Off: 1<<63 - 1, Size: 1<<63 - 1},
		"hole":                  {Off: 1 << 30, Size: 4, Data: data},
	} {
		if _, err := rearranged(t, bytes.NewReader(dumptest.Flattened(r, dumptest.End))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole[31] = 2
	if _, err := rearranged(t, bytes.NewReader(whole)); !errors.Is(err, ErrDamaged) {
		t.Errorf("version 2: %v", err)
	}
	broken := errors.New("broken")
	if _, err := rearranged(t, io.MultiReader(bytes.NewReader(dumptest.Flattened()), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
