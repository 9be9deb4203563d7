package cache

import (
	"path/filepath"
	"testing"
	"time"

	"thothfs/store"
)

// TestCleanKeepsWhatIsInUse cleans a cache while a version is open and others are not.
func TestCleanKeepsWhatIsInUse(t *testing.T) {
	const size = 1 << 20
	o := options(t, &source{size: size})
	c := open(t, o)
	inUse := openFile(t, c, "open", size)
	check(t, inUse, 0, size)
	for _, key := range []string{"one", "two"} {
		f := openFile(t, c, key, size)
		check(t, f, 0, size)
		f.Close()
	}
	settle(t, c)
	before, err := Usage(t.Context(), o.Dir, 5<<20)
	if err != nil || before.Versions != 3 || before.Used < size || before.Limit != 5<<20 {
		t.Fatalf("%+v, %v", before, err)
	}
	young := func(_ string, used time.Time) bool { return used.Before(time.Now().Add(-time.Hour)) }
	if done, err := Clean(t.Context(), o.Dir, young); done != (Cleaned{}) || err != nil {
		t.Errorf("older than an hour: %+v, %v", done, err)
	}
	one := FileName(store.Ref{Key: "one", ETag: inUse.o.Ref.ETag})
	if done, err := Clean(t.Context(), o.Dir, func(name string, _ time.Time) bool { return name == one }); done.Files != 1 || done.Bytes == 0 || err != nil {
		t.Errorf("by name: %+v, %v", done, err)
	}
	all := func(string, time.Time) bool { return true }
	if done, err := Clean(t.Context(), o.Dir, all); done.Files != 1 || done.Kept != 1 || err != nil {
		t.Errorf("all: %+v, %v", done, err)
	}
	check(t, inUse, 0, size)
	if after, err := Usage(t.Context(), o.Dir, 0); err != nil || after.Versions != 1 || after.Limit == 0 {
		t.Errorf("%+v, %v", after, err)
	}
	absent := filepath.Join(o.Dir, "absent")
	if s, err := Usage(t.Context(), absent, 1); err != nil || s.Versions != 0 {
		t.Errorf("absent: %+v, %v", s, err)
	}
	if done, err := Clean(t.Context(), absent, all); err != nil || done != (Cleaned{}) {
		t.Errorf("absent: %+v, %v", done, err)
	}
}
