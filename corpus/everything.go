package corpus

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"thothfs/dump"
)

// everything returns all dumps in the order of their hashes. What takes long of a
// million is handing over the rows, so parts of them are read side by side, and past
// database/sql. It may end in errRebuilt.
func (c *catalogue) everything(ctx context.Context) ([]Row, error) {
	var parts [scanParts][]Row
	err := c.tryOnce(ctx, func(db *database) error {
		group, gctx := errgroup.WithContext(ctx)
		for i := range parts {
			from, before := []byte{byte(i * 256 / scanParts)}, []byte{byte((i + 1) * 256 / scanParts)}
			if i == scanParts-1 {
				before = bytes.Repeat([]byte{0xff}, len(dump.ID{})+1)
			}
			group.Go(func() (err error) {
				parts[i], err = db.rowsBetween(gctx, from, before)
				return err
			})
		}
		return group.Wait()
	})
	return slices.Concat(parts[:]...), err
}

const rowsBetween = `SELECT id, time FROM dumps INDEXED BY dumps_list WHERE id >= ? AND id < ? ORDER BY id`

// rowsBetween returns the dumps whose hash is at or after from and before another.
func (d *database) rowsBetween(ctx context.Context, from, before []byte) (rows []Row, err error) {
	conn, err := d.readers.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // to the pool
	err = conn.Raw(func(c any) error {
		found, err := c.(driver.QueryerContext).QueryContext(ctx, rowsBetween, []driver.NamedValue{{Ordinal: 1, Value: from}, {Ordinal: 2, Value: before}})
		if err != nil {
			return err
		}
		defer found.Close() // errors show in Next
		rows, err = readRows(found)
		return err
	})
	return rows, err
}

// readRows reads rows of a hash and a time.
func readRows(found driver.Rows) (rows []Row, err error) {
	values := make([]driver.Value, 2)
	for {
		err := found.Next(values)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		r := Row{Time: unknown}
		id, isBytes := values[0].([]byte)
		sec, isNumber := values[1].(int64)
		if !isBytes || values[1] != nil && !isNumber {
			return rows, errForeign
		}
		if copy(r.ID[:], id); isNumber {
			r.Time = sec
		}
		rows = append(rows, r)
	}
}
