package main

import (
	"errors"
	"iter"
	"os"
	"syscall"
	"testing"

	"thothfs/corpus/history"
)

// A history that cannot be printed is an error, as any list is.
func TestHistoryThatCannotBePrinted(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	a := &app{stdout: full}
	for name, print := range map[string]func(iter.Seq2[*history.Edit, error]) error{"table": a.historyTable, "JSON": a.historyAsJSON} {
		none := func(func(*history.Edit, error) bool) {}
		if err := print(none); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", name, err)
		}
		gone := errors.New("gone")
		failing := func(yield func(*history.Edit, error) bool) { yield(nil, gone) }
		if err := print(failing); !errors.Is(err, gone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
