package catalog

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
)

// TestLongList checks that a list which is longer than its early beginning has every dump once, in order.
func TestLongList(t *testing.T) {
	t.Parallel()
	const dumps = 2*early + 300
	c, err := Open(t.Context(), t.TempDir(), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, random := Reader{Catalog: c, Now: time.Now}, rand.New(rand.NewPCG(1, 2))
	var all []*Dump
	var seen []Observation
	for i := range dumps {
		raw := fmt.Sprintf(`{"cmd":"c%d","size":%d,"time":%d,"type":"core"}`, random.IntN(20), random.IntN(100_000), random.IntN(2000))
		if i%50 == 0 {
			raw = fmt.Sprintf(`{"cmd":["a","%d"],"size":"x","type":"core","time":%d}`, i, random.IntN(2000))
		}
		d := NewDump(dump.ID{byte(random.Uint32()), byte(i >> 8), byte(i)}, []byte(raw), store.Attr{ETag: "e"}, "")
		all = append(all, d)
		seen = append(seen, Observation{ID: d.ID, Kind: Found, At: time.Now(), Dump: d})
	}
	if _, err := c.Record(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	line := func(d *Dump) string {
		if d.Doc == nil {
			return d.ID.String() + " " + d.Text(Cmd)
		}
		v, _ := d.Value("cmd")
		return d.ID.String() + " " + v.Text()
	}
	for _, o := range []ListOptions{{}, {Reverse: true}, {Sort: FieldAt("size")}, {Sort: FieldAt("size"), Reverse: true}, {Sort: Cmd}, {Sort: Cmd, Reverse: true},
		{Sort: Signature}, {Documents: true, Sort: Cmd}, {Last: 1500, Sort: Cmd}} {
		o.Fields = []*Field{Cmd}
		var want, got []string
		for _, d := range Arrange(all, o) {
			want = append(want, line(d))
		}
		for d, err := range r.List(t.Context(), query.Spec{}, o) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line(d))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v\n%.2000s", o, diff)
		}
		got = nil
		for d, err := range r.List(t.Context(), query.Equal("type", "core"), o) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, line(d))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("of a type: %+v\n%.2000s", o, diff)
		}
		for d, err := range r.List(t.Context(), query.Spec{}, o) {
			if err != nil || line(d) != want[0] {
				t.Errorf("%+v: the first is %v, %v", o, d, err)
			}
			break
		}
	}
}
