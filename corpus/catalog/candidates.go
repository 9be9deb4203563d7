package catalog

import (
	"context"
	"database/sql/driver"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
)

// OpenReadOnly opens the catalogue of a corpus in dir for a few quick queries. It fails if there is none.
// It creates no files, and waits only a moment for other processes. The caller must close the catalogue.
func OpenReadOnly(ctx context.Context, dir, identity string) (*Catalog, error) {
	path := Path(dir, identity)
	for _, check := range []func(string) error{checkOwn, checkHeader} {
		if err := check(path); err != nil {
			return nil, err
		}
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	// While the file is not in use it has no log, and SQLite would make one even to read.
	params := "mode=ro&readonly_shm=1&_pragma=busy_timeout(50)"
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		params += "&immutable=1"
	}
	pool, err := pool(ctx, path, params, 1)
	if err != nil {
		return nil, err
	}
	db := &database{readers: pool, file: fi, prepared: newStmtCache(pool)}
	c := &Catalog{path: path, identity: identity, readOnly: true, log: slog.New(slog.DiscardHandler), db: db}
	if err := db.checkIdentity(ctx, identity); err != nil {
		db.close()
		return nil, err
	}
	return c, nil
}

// Newest returns up to limit dumps whose hashes begin with prefix, the newest first. They are without
// documents, and have the texts of fields.
func (r *Reader) Newest(ctx context.Context, prefix string, fields []*Field, limit int) ([]*Dump, error) {
	newest, args := `SELECT d.id, d.time FROM dumps d INDEXED BY dumps_time`, []any{limit}
	if prefix != "" {
		low, high, ok := Span(prefix)
		if !ok {
			return nil, nil
		}
		newest, args = `SELECT d.id, d.time FROM dumps d INDEXED BY dumps_list WHERE d.id BETWEEN ? AND ?`, []any{low[:], high[:], limit}
	}
	var rows []Row
	err := r.Catalog.readRaw(ctx, newest+orderNewest+` LIMIT ?`, args, func(values []driver.Value) error {
		row, err := rowFrom(values)
		rows = append(rows, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	l := &list{o: ListOptions{Fields: fields, Reverse: true}, fields: fields}
	part := l.newPart()
	if err := r.readColumns(ctx, part, rows); err != nil {
		return nil, err
	}
	if err := r.readUnusual(ctx, part); err != nil {
		return nil, err
	}
	l.sort()
	var dumps []*Dump
	err = l.yield(ctx, r.Catalog, func(d *Dump, err error) bool {
		own := *d
		dumps = append(dumps, &own)
		return true
	})
	return dumps, err
}

// ValuesFrom returns up to limit values of a field that begin with prefix, in byte order. It leaves out
// values of dumps with unusual documents, and those of fields of numbers.
func (r *Reader) ValuesFrom(ctx context.Context, f *Field, prefix string, limit int) ([]string, error) {
	column := `d.` + f.column()
	where, args := ` < x''`, []any(nil)
	if end, ok := after(prefix); ok {
		where, args = ` < ?`, []any{end}
	}
	var texts []string
	operator, last := ` >= ?`, prefix
	for len(texts) < limit && !f.Number {
		var next *string
		query := `SELECT min(` + column + `) FROM dumps d WHERE ` + column + operator + ` AND ` + column + where
		if err := r.Catalog.one(ctx, &next, query, slices.Concat([]any{last}, args)...); err != nil {
			return nil, err
		}
		if next == nil {
			break
		}
		texts = append(texts, *next)
		operator, last = ` > ?`, *next
	}
	return texts, nil
}
