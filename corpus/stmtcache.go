package corpus

import (
	"context"
	"database/sql"
	"sync"
)

// stmtCache runs queries as prepared ones: of a short query, preparing it is most of
// the work. They live as long as the pool.
type stmtCache struct {
	db *sql.DB
	mu sync.Mutex // guards m
	m  map[string]*sql.Stmt
}

// maxStatements is how many are kept. There are few queries, but specifications can
// have any number of conditions.
const maxStatements = 64

var _ querier = (*stmtCache)(nil)

// get returns the statement for a query, or nil for one that is to be run as it is.
func (s *stmtCache) get(ctx context.Context, query string) *sql.Stmt {
	s.mu.Lock()
	stmt, full := s.m[query], len(s.m) >= maxStatements
	s.mu.Unlock()
	if stmt != nil || full {
		return stmt
	}
	stmt, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil // running it says the same
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
