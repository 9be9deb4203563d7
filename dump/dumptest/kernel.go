package dumptest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Kernel returns a file of dump/testdata/vmcore, which scripts/reducedump made: the dump of a Linux
// kernel, or its log.
func Kernel(t testing.TB, name string) []byte {
	t.Helper()
	root := "." // of the module; tests run in the directory of their package
	for _, err := os.Stat("go.mod"); err != nil; _, err = os.Stat(filepath.Join(root, "go.mod")) {
		if abs, _ := filepath.Abs(root); abs == "/" {
			t.Fatal("not below the root of the module")
		}
		root = filepath.Join(root, "..")
	}
	packed, err := os.ReadFile(filepath.Join(root, "dump/testdata/vmcore", name+".zst"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
