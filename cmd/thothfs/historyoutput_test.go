package main

import (
	"errors"
	"io"
	"iter"
	"os"
	"syscall"
	"testing"

	"thothfs/corpus/history"
)

// TestHistoryThatCannotBePrinted checks that failing to print the history is an error.
func TestHistoryThatCannotBePrinted(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for name, print := range map[string]func(io.Writer, iter.Seq2[*history.Edit, error]) error{"table": printHistoryTable, "JSON": printHistoryJSON} {
		none := func(func(*history.Edit, error) bool) {}
		if err := print(full, none); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", name, err)
		}
		gone := errors.New("gone")
		failing := func(yield func(*history.Edit, error) bool) { yield(nil, gone) }
		if err := print(full, failing); !errors.Is(err, gone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
