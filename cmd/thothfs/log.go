package main

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"path/filepath"
)

// logger opens the log that --log names; fallback is what an empty --log means.
func (a *app) logger(fallback string) (*slog.Logger, error) {
	where := a.log
	if where == "" {
		where = fallback
	}
	w, err := a.logWriter(where)
	if err != nil {
		return nil, err
	}
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}

func (a *app) logWriter(where string) (io.Writer, error) {
	switch where {
	case "stderr":
		return a.stderr, nil
	case "none":
		return io.Discard, nil
	case "syslog", "journal":
		w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "thothfs")
		if err != nil {
			return nil, fmt.Errorf("no syslog or journal to log to (%w): give --log FILE", err)
		}
		a.atExit(func() { w.Close() })
		return w, nil
	}
	if err := os.MkdirAll(filepath.Dir(where), 0o700); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	f, err := os.OpenFile(where, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	a.atExit(func() { f.Close() })
	return f, nil
}

// verbLogger is the log of a verb that ends by itself: quiet unless asked.
func (a *app) verbLogger() (*slog.Logger, error) {
	if a.verbose {
		return a.logger("stderr")
	}
	return a.logger("none")
}
