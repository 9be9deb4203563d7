package corpus

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"thothfs/corpus/catalog"
	"thothfs/store/mem"
)

// packed returns a snapshot of an arbitrary database.
func packed(t *testing.T, db []byte, change func(head []byte)) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, catalog.SnapshotHeader)
	copy(head, "thothfs index 1\n")
	binary.LittleEndian.PutUint64(head[24:], uint64(time.Now().UnixMilli()))
	binary.LittleEndian.PutUint64(head[32:], 1)
	binary.LittleEndian.PutUint64(head[40:], uint64(len(db)))
	if change != nil {
		change(head)
	}
	b := z.EncodeAll(db, head)
	binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(b[24:]))
	return b
}

// databaseOf exports a catalogue of three dumps and modifies it with an SQL statement.
func databaseOf(t *testing.T, change string) []byte {
	t.Helper()
	s := mem.New()
	seed(s, 3)
	c := open(t, options(t, s))
	sync1(t, c)
	path := filepath.Join(t.TempDir(), "x.db")
	if err := c.Export(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, change)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestHostileSnapshots checks that a snapshot that is damaged, hostile or in another format is
// ignored, and that the corpus is read instead.
func TestHostileSnapshots(t *testing.T) {
	good := packed(t, databaseOf(t, ""), nil)
	cut := func(n int) []byte { return slices.Clone(good[:n]) }
	flipped := slices.Clone(good)
	flipped[len(good)-9] ^= 1
	for name, b := range map[string][]byte{
		"empty":           nil,
		"short":           cut(10),
		"header":          cut(catalog.SnapshotHeader),
		"cut":             cut(len(good) - 1),
		"flipped":         flipped,
		"another version": append([]byte("thothfs index 2\n"), good[16:]...),
		"claims more":     packed(t, databaseOf(t, ""), func(h []byte) { h[40]++ }),
		"claims less":     packed(t, databaseOf(t, ""), func(h []byte) { h[41]-- }),
		"claims all":      packed(t, databaseOf(t, ""), func(h []byte) { h[47] = 0x7f }),
		"no database":     packed(t, bytes.Repeat([]byte("x"), 9000), nil),
		"trigger":         packed(t, databaseOf(t, `CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM dumps; END`), nil),
		"view":            packed(t, databaseOf(t, `CREATE VIEW v AS SELECT 1`), nil),
		"table":           packed(t, databaseOf(t, `CREATE TABLE evil (x)`), nil),
		"without a table": packed(t, databaseOf(t, `DROP TABLE listings`), nil),
		"generated":       packed(t, databaseOf(t, `ALTER TABLE docs ADD COLUMN y GENERATED ALWAYS AS (1)`), nil),
		"odd id":          packed(t, databaseOf(t, `UPDATE dumps SET id = x'00' WHERE id = (SELECT min(id) FROM dumps)`), nil),
		"odd number":      packed(t, databaseOf(t, `UPDATE dumps SET mtime = 'yesterday'`), nil),
		"odd document":    packed(t, databaseOf(t, `UPDATE docs SET doc = 7`), nil),
		"no document":     packed(t, databaseOf(t, `DELETE FROM docs`), nil),
	} {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			seed(s, 3)
			s.Set(snapshotKey, b)
			c := elsewhere(t, s)
			if taken, err := c.TakeSnapshot(t.Context(), nil); taken || err != nil {
				t.Errorf("taken: %v, %v", taken, err)
			}
			sync1(t, c)
			wantCount(t, c, "", 3)
		})
	}
	s := mem.New()
	s.Set(snapshotKey, good)
	c := elsewhere(t, s)
	take(t, c)
	wantCount(t, c, "", 3)
}
