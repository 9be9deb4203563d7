package catalog

import (
	"context"
	"database/sql"
	"sync"
)

// stmtCache runs queries as prepared statements, which it keeps: preparing a short query is
// most of its work. The pool closes them.
type stmtCache struct {
	db *sql.DB
	mu sync.Mutex // guards m
	m  map[string]*sql.Stmt
}

// maxStatements limits the statements that are kept: a specification can have any number of
// conditions.
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
