package manta

import (
	"errors"
	"io"
	"strings"
	"testing"

	"thothfs/store"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestListEndlessLine checks that an endless line does not exhaust memory.
func TestListEndlessLine(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`{"name":"`), io.LimitReader(zeros{}, 1<<30))
	_, err := readEntries(endless)
	var bad *badAnswer
	if !errors.As(err, &bad) || bad.kind != store.ErrCorrupt {
		t.Errorf("got %v, want a corrupt answer", err)
	}
}
