package corpus

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"iter"
)

// partRows is how many rows All yields together.
const partRows = 4096

// All yields all dumps in the order of their hashes, from the catalogue: in parts,
// each as soon as it was read, for who has something to do with the first of a million
// while the others come. Every part is the consumer's. It yields one error and stops.
// While the consumer has a part, a connection to the catalogue is in use.
func (c *Corpus) All(ctx context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		var after []byte // the last hash that was yielded
		err := c.retryRebuilt(ctx, func() error {
			return c.cat.rowsAfter(ctx, after, func(part []Row) error {
				after = part[len(part)-1].ID[:]
				for i := range part {
					if part[i].Time == unknown {
						part[i].Time = 0
					}
				}
				if !yield(part, nil) {
					return errEnough
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

const rowsAfter = `SELECT id, time FROM dumps INDEXED BY dumps_list WHERE id > ? ORDER BY id`

// rowsAfter hands over the dumps with a greater hash than one, in parts, until fn
// answers an error. What takes long of a million is handing over the rows, so it goes
// past database/sql. It may end in errRebuilt.
func (c *catalogue) rowsAfter(ctx context.Context, id []byte, fn func([]Row) error) error {
	if id == nil {
		id = []byte{} // not NULL
	}
	return c.tryOnce(ctx, func(db *database) error {
		conn, err := db.readers.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close() // to the pool
		return conn.Raw(func(c any) error {
			found, err := c.(driver.QueryerContext).QueryContext(ctx, rowsAfter, []driver.NamedValue{{Ordinal: 1, Value: id}})
			if err != nil {
				return err
			}
			defer found.Close() // errors show in Next
			return readParts(found, fn)
		})
	})
}

// readParts reads rows of a hash and a time.
func readParts(found driver.Rows, fn func([]Row) error) error {
	values := make([]driver.Value, 2)
	var part []Row
	for {
		err := found.Next(values)
		if errors.Is(err, io.EOF) && len(part) > 0 {
			return fn(part)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := rowFrom(values)
		if err != nil {
			return err
		}
		if part == nil {
			part = make([]Row, 0, partRows)
		}
		if part = append(part, r); len(part) == partRows {
			if err := fn(part); err != nil {
				return err
			}
			part = nil
		}
	}
}

func rowFrom(values []driver.Value) (Row, error) {
	r := Row{Time: unknown}
	id, isBytes := values[0].([]byte)
	sec, isNumber := values[1].(int64)
	if !isBytes || values[1] != nil && !isNumber {
		return r, errForeign
	}
	if copy(r.ID[:], id); isNumber {
		r.Time = sec
	}
	return r, nil
}
