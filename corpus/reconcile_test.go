package corpus

import (
	"errors"
	"fmt"
	"testing"

	"thothfs/dump"
	"thothfs/store"
	"thothfs/store/mem"
)

// TestListingInParts checks that a listing in parts finds the same as a serial one, with foreign
// entries and after changes.
func TestListingInParts(t *testing.T) {
	s := mem.New()
	id := func(i int) dump.ID { // distributed evenly over all digits
		d := ident(i)
		d[0] = byte(i)
		return d
	}
	const n = serialListing + 3000
	for i := range n {
		s.Set(infoKey(id(i)), info(id(i), fmt.Sprint("c", i%3), "", 1))
	}
	for _, name := range []string{"!", "4-unindexed.json", "5", "analyzers/x", "f", "fg", "g", "z/y", "~"} {
		s.Set(name, nil)
	}
	o := options(t, s)
	c := open(t, o)
	sync1(t, c)
	wantCount(t, c, "", n)
	for i := range 40 {
		s.Delete(id(i * 100).String())
		s.Set(infoKey(id(n+i)), info(id(n+i), "new", "", 1))
	}
	sync1(t, c)
	wantCount(t, c, "", n)
	wantCount(t, c, "cmd=new", 40)
	for i := range n {
		if _, err := c.Cached(t.Context(), id(i)); (err != nil) != (i%100 == 0 && i < 4000) {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

// TestListingInPartsFails checks that a listing in parts removes nothing if one part fails.
func TestListingInPartsFails(t *testing.T) {
	s := mem.New()
	seed(s, serialListing+500)
	c := open(t, options(t, s))
	sync1(t, c)
	for n := 1; ; n++ {
		s.Inject(mem.Fault{Op: mem.List, Nth: n, Kind: store.ErrUnavailable, Short: 1})
		_, err := c.mergeListing(t.Context())
		wantCount(t, c, "", serialListing+500)
		s.Heal()
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		if n > 40 {
			t.Fatal("it never succeeds")
		}
	}
}
