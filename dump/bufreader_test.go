package dump

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

var errStore = errors.New("store is down")

// faultyReader fails at its fail-th read and at all later ones.
type faultyReader struct {
	r     io.ReaderAt
	reads int
	fail  int
	err   error
}

func (f *faultyReader) ReadAt(p []byte, off int64) (int, error) {
	f.reads++
	if f.reads >= f.fail {
		return 0, f.err
	}
	return f.r.ReadAt(p, off)
}

// TestReadErrors checks that a failed read is never treated as the end of the file, since the
// zeros would change the hash.
func TestReadErrors(t *testing.T) {
	files := map[string][]byte{
		"core":   readCore(t, "pyelftools-linux64.core"),
		"crash":  readCore(t, "synthetic-vmdump.0"),
		"kdump":  synthKdump(le, 8),
		"vmcore": synthVMCore().build().dense(),
	}
	for name, b := range files {
		for fail := 1; ; fail++ {
			f := &faultyReader{r: bytes.NewReader(b), fail: fail, err: errStore}
			_, err := Inspect(f, int64(len(b)))
			if f.reads < fail {
				break
			}
			if !errors.Is(err, errStore) {
				t.Fatalf("%s: read %d failed, Inspect said %v", name, fail, err)
			}
			h := &faultyReader{r: bytes.NewReader(b), fail: fail, err: errStore}
			if _, err := Hash(h, int64(len(b))); h.reads >= fail && !errors.Is(err, errStore) {
				t.Fatalf("%s: read %d failed, Hash said %v", name, fail, err)
			}
		}
	}
}

// TestShorterThanSaid checks that a file that is shorter than the given size is an error and not
// a truncated dump.
func TestShorterThanSaid(t *testing.T) {
	b := readCore(t, "pyelftools-linux64.core")
	if _, err := Inspect(bytes.NewReader(b[:1000]), int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// TestReads checks that a typical core takes few reads, and its hash only one.
func TestReads(t *testing.T) {
	b := readCore(t, "pyelftools-linux64.core")
	f := &sparseFile{}
	f.put(0, b)
	if _, err := Hash(f, f.size); err != nil || f.reads != 1 {
		t.Errorf("hash: %d reads, %v", f.reads, err)
	}
	f.reads, f.bytes = 0, 0
	if _, err := Inspect(f, f.size); err != nil || f.reads > 6 {
		t.Errorf("inspect: %d reads, %v", f.reads, err)
	}
}

// TestSourceBudget checks that hold stays within its limits and still returns data beyond them.
func TestSourceBudget(t *testing.T) {
	f := &sparseFile{}
	f.put(1<<30, []byte("end"))
	s, err := newBufReader(f, f.size)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(3 * maxHeldRanges) {
		if b, err := s.hold(i<<24, 8<<20); err != nil || len(b) != 8<<20 {
			t.Fatalf("%d: %d bytes, %v", i, len(b), err)
		}
	}
	if len(s.held) > maxHeldRanges || s.heldBytes > maxHeld {
		t.Errorf("%d ranges, %d bytes", len(s.held), s.heldBytes)
	}
	p := []byte("xxxxxx")
	if n, err := s.fill(p, 1<<30); n != 3 || err != nil || string(p) != "end\x00\x00\x00" {
		t.Errorf("got %d, %v, %q", n, err, p)
	}
	if n, err := s.fill(p, -5); n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}
