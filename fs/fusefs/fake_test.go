package fusefs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/mem"
)

// plainCorpus is a corpus without a catalogue: each call reads the store. Tests use it to check the
// tree against, and where the corpus must fail or block on demand.
type plainCorpus struct {
	store   *mem.Store
	editing sync.Mutex // serializes edits

	mu         sync.Mutex // guards what follows
	generation uint64
	known      map[dump.ID]*corpus.Dump
	subscriber func([]corpus.Change)
	fail       error                       // error returned by every call
	failOf     map[string]error            // errors returned by single methods
	block      func(context.Context) error // called at the start of every call
	calls      map[string]int

	betweenParts func(context.Context) error // called by All between two parts
}

var _ fs.Corpus = (*plainCorpus)(nil)

func newPlainCorpus(s *mem.Store) *plainCorpus {
	c := &plainCorpus{store: s, calls: map[string]int{}}
	c.refresh()
	return c
}

func (c *plainCorpus) begin(ctx context.Context, name string) error {
	c.mu.Lock()
	c.calls[name]++
	fail, block := cmp.Or(c.failOf[name], c.fail), c.block
	c.mu.Unlock()
	if block != nil {
		if err := block(ctx); err != nil {
			return err
		}
	}
	return fail
}

func (c *plainCorpus) called(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[name]
}

func (c *plainCorpus) break_(fail error, block func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail, c.block = fail, block
}

// failing makes calls of one method fail with err, or succeed again if err is nil.
func (c *plainCorpus) failing(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failOf = map[string]error{name: err}
}

// refresh reads the store and reports the changes to the subscriber.
func (c *plainCorpus) refresh() {
	now := map[dump.ID]*corpus.Dump{}
	for _, key := range c.store.Keys() {
		id, err := dump.ParseID(path.Dir(key))
		if err == nil && path.Base(key) == corpus.InfoName {
			now[id] = c.load(id)
		}
	}
	c.mu.Lock()
	var changes []corpus.Change
	for id, d := range now {
		if old := c.known[id]; old == nil || old.ETag != d.ETag {
			changes = append(changes, corpus.Change{ID: id, Old: old, New: d})
		}
	}
	for id, d := range c.known {
		if now[id] == nil {
			changes = append(changes, corpus.Change{ID: id, Old: d})
		}
	}
	c.known = now
	c.generation++
	tell := c.subscriber
	c.mu.Unlock()
	if tell != nil && len(changes) > 0 {
		tell(changes)
	}
}

func (c *plainCorpus) load(id dump.ID) *corpus.Dump {
	data, attr, err := c.store.Get(context.Background(), store.Ref{Key: id.String() + "/" + corpus.InfoName}, 1<<30)
	if err != nil {
		return nil
	}
	return catalog.NewDump(id, data, attr, "")
}

func absent(key string) error { return &store.Error{Op: "get", Key: key, Kind: store.ErrNotExist} }

func (c *plainCorpus) Dump(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	if err := c.begin(ctx, "dump"); err != nil {
		return nil, err
	}
	d := c.load(id)
	if d == nil {
		return nil, absent(id.String())
	}
	return d, nil
}

func (c *plainCorpus) Cached(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	if err := c.begin(ctx, "cached"); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.known[id]; d != nil {
		return d, nil
	}
	return nil, absent(id.String())
}

func (c *plainCorpus) all() []*corpus.Dump {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*corpus.Dump
	for _, d := range c.known {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *corpus.Dump) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return all
}

func (c *plainCorpus) Resolve(ctx context.Context, prefix string) (dump.ID, error) {
	if err := c.begin(ctx, "resolve"); err != nil {
		return dump.ID{}, err
	}
	var found []dump.ID
	for _, d := range c.all() {
		if strings.HasPrefix(d.ID.String(), prefix) {
			found = append(found, d.ID)
		}
	}
	switch len(found) {
	case 0:
		return dump.ID{}, absent(prefix)
	case 1:
		return found[0], nil
	}
	return dump.ID{}, corpus.ErrAmbiguous
}

func (c *plainCorpus) Select(ctx context.Context, spec query.Spec) ([]corpus.Row, error) {
	if err := c.begin(ctx, "select"); err != nil {
		return nil, err
	}
	var rows []corpus.Row
	for _, d := range c.all() {
		if spec.Match(d.Fields(), time.Now()) {
			rows = append(rows, corpus.Row{ID: d.ID, Time: unixOf(d)})
		}
	}
	if n := spec.Limit(); n > 0 && n < len(rows) {
		slices.SortStableFunc(rows, func(a, b corpus.Row) int { return cmp.Compare(b.Time, a.Time) })
		rows = rows[:n]
		slices.SortFunc(rows, func(a, b corpus.Row) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	}
	return rows, nil
}

func (c *plainCorpus) Whole(ctx context.Context) error { return c.begin(ctx, "whole") }

func (c *plainCorpus) IsWhole() bool { return true }

// All yields the dumps in small parts.
func (c *plainCorpus) All(ctx context.Context) iter.Seq2[[]corpus.Row, error] {
	return func(yield func([]corpus.Row, error) bool) {
		err := c.begin(ctx, "all")
		for part := range slices.Chunk(c.all(), 64) {
			var rows []corpus.Row
			for _, d := range part {
				rows = append(rows, corpus.Row{ID: d.ID, Time: unixOf(d)})
			}
			if err != nil || !yield(rows, nil) {
				break
			}
			err = c.nextPart(ctx)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (c *plainCorpus) nextPart(ctx context.Context) error {
	if err := c.begin(ctx, "part"); err != nil {
		return err
	}
	c.mu.Lock()
	between := c.betweenParts
	c.mu.Unlock()
	if between == nil {
		return nil
	}
	return between(ctx)
}

func (c *plainCorpus) HasValue(ctx context.Context, f *corpus.Field, text string) (bool, error) {
	all, err := c.Values(ctx, f)
	return slices.ContainsFunc(all, func(v corpus.Value) bool { return v.Text == text }), err
}

func (c *plainCorpus) Values(ctx context.Context, f *corpus.Field) ([]corpus.Value, error) {
	if err := c.begin(ctx, "values"); err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, d := range c.all() {
		if text, _, ok := d.Doc.Lookup(f.Path); ok {
			count[text]++
		}
	}
	var values []corpus.Value
	for text, n := range count {
		values = append(values, corpus.Value{Text: text, Count: n})
	}
	slices.SortFunc(values, func(a, b corpus.Value) int { return strings.Compare(a.Text, b.Text) })
	return values, nil
}

func (c *plainCorpus) Days(ctx context.Context, year, month int) ([]int, error) {
	if err := c.begin(ctx, "days"); err != nil {
		return nil, err
	}
	var found []int
	for _, d := range c.all() {
		y, m, day := d.Time.UTC().Date()
		switch {
		case d.Time.IsZero() || year != 0 && year != y || month != 0 && month != int(m):
		case year == 0:
			found = append(found, y)
		case month == 0:
			found = append(found, int(m))
		default:
			found = append(found, day)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func (c *plainCorpus) list(ctx context.Context, dir string) ([]store.Entry, error) {
	var entries []store.Entry
	for e, err := range c.store.List(ctx, dir, "") {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (c *plainCorpus) Files(ctx context.Context, id dump.ID) ([]store.Entry, error) {
	if err := c.begin(ctx, "files"); err != nil {
		return nil, err
	}
	return c.list(ctx, id.String())
}

func (c *plainCorpus) FilesNow(ctx context.Context, id dump.ID) ([]store.Entry, error) {
	if id == (dump.ID{}) {
		return c.Analyzers(ctx)
	}
	return c.Files(ctx, id)
}

func (c *plainCorpus) DumpFile(ctx context.Context, id dump.ID) (store.Entry, error) {
	d, err := c.Cached(ctx, id)
	if err != nil {
		return store.Entry{}, err
	}
	files, err := c.Files(ctx, id)
	if err != nil {
		return store.Entry{}, err
	}
	name := d.Doc.String("dump")
	name = name[strings.LastIndex(name, "/")+1:]
	for _, e := range files {
		if e.Name == name {
			return e, nil
		}
	}
	return store.Entry{}, absent(id.String() + "/" + name)
}

func (c *plainCorpus) Analyzers(ctx context.Context) ([]store.Entry, error) {
	if err := c.begin(ctx, "analyzers"); err != nil {
		return nil, err
	}
	entries, err := c.list(ctx, "analyzers")
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func (c *plainCorpus) CanStore(ctx context.Context, dir string) error {
	return c.begin(ctx, "can store")
}

func (c *plainCorpus) Edit(ctx context.Context, id dump.ID, edits ...document.Edit) (*corpus.Dump, error) {
	if err := c.begin(ctx, "edit"); err != nil {
		return nil, err
	}
	for _, e := range edits {
		if !document.Writable(e.Path) {
			return nil, corpus.ErrReadOnlyField
		}
	}
	c.editing.Lock()
	defer c.editing.Unlock()
	d := c.load(id)
	if d == nil {
		return nil, absent(id.String())
	}
	raw, changed, err := d.Doc.Apply(edits...)
	if err != nil {
		return nil, err
	}
	if changed {
		if _, err := c.store.Put(ctx, d.Ref(), bytes.NewReader(raw), int64(len(raw))); err != nil {
			return nil, err
		}
	}
	c.refresh()
	return c.load(id), nil
}

func (c *plainCorpus) PutAnalyzer(ctx context.Context, name string, data []byte) error {
	if err := c.begin(ctx, "put analyzer"); err != nil {
		return err
	}
	c.store.Set("analyzers"+"/"+name, data)
	return nil
}

func (c *plainCorpus) RemoveAnalyzer(ctx context.Context, name string) error {
	if err := c.begin(ctx, "remove analyzer"); err != nil {
		return err
	}
	return c.store.Remove(ctx, store.Ref{Key: "analyzers" + "/" + name})
}

func (c *plainCorpus) RenameAnalyzer(ctx context.Context, from, to string) error {
	data, ok := c.store.Data("analyzers" + "/" + from)
	if !ok {
		return absent(from)
	}
	return errors.Join(c.PutAnalyzer(ctx, to, data), c.RemoveAnalyzer(ctx, from))
}

func (c *plainCorpus) Generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation
}

func (c *plainCorpus) Subscribe(fn func([]corpus.Change)) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscriber = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.subscriber = nil
	}
}

// putDump stores a dump. members are the members of its document, as JSON.
func putDump(t testing.TB, s *mem.Store, id, object string, content []byte, members string) {
	t.Helper()
	if object != "" {
		s.SetTime(id+"/"+object, content, time.Unix(1600000000, 0))
	}
	name := ""
	if object != "" {
		name = fmt.Sprintf("\"dump\": %q, ", "/u/stor/thoth/"+id+"/"+object)
	}
	s.SetTime(id+"/"+corpus.InfoName, []byte("{ "+name+members+" }"), time.Unix(1600000001, 0))
}

// hashOf returns a hash with the given prefix.
func hashOf(prefix string) string { return prefix + strings.Repeat("0", 2*len(dump.ID{})-len(prefix)) }

// Stale does nothing, since every list is read from the store.
func (c *plainCorpus) Stale(dump.ID) {}

// unixOf returns the time of a dump in the form that corpus.Row uses.
func unixOf(d *corpus.Dump) int64 {
	if d.Time.IsZero() {
		return 0
	}
	return d.Time.Unix()
}
