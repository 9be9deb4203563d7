package catalog

import (
	"context"
	"database/sql"
	"sync"
)

// stmtCache runs queries as prepared statements and caches them, since most of the cost of a short
// query is preparing it. The pool closes them.
type stmtCache struct {
	db *sql.DB
	mu sync.Mutex // guards m
	m  map[string]*sql.Stmt
}

// maxStatements is the maximum number of cached statements. Specifications can have any number of
// conditions, so there is no limit to the number of different queries.
const maxStatements = 64

var _ querier = (*stmtCache)(nil)

// get returns the statement for a query, or nil if it should run unprepared.
func (s *stmtCache) get(ctx context.Context, query string) *sql.Stmt {
	s.mu.Lock()
	stmt, full := s.m[query], len(s.m) >= maxStatements
	s.mu.Unlock()
	if stmt != nil || full {
		return stmt
	}
	stmt, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil // running the query fails in the same way
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.m[query]; have != nil {
		stmt.Close()
		return have
	}
	s.m[query] = stmt
	return stmt
}

func (s *stmtCache) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := s.get(ctx, query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return s.db.QueryContext(ctx, query, args...)
}

func (s *stmtCache) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := s.get(ctx, query); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return s.db.QueryRowContext(ctx, query, args...)
}
