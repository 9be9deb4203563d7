package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// logger opens the log that --log names; fallback is what an empty --log means.
func (cl *cli) logger(fallback string) (*slog.Logger, error) {
	where := cl.log
	if where == "" {
		where = fallback
	}
	w, err := cl.logWriter(where)
	if err != nil {
		return nil, err
	}
	level := slog.LevelInfo
	if cl.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}

func (cl *cli) logWriter(where string) (io.Writer, error) {
	switch where {
	case "stderr":
		return cl.stderr, nil
	case "none":
		return io.Discard, nil
	case "syslog", "journal":
		w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "thothfs")
		if err != nil {
			return nil, fmt.Errorf("no syslog or journal to log to (%w): give --log FILE", err)
		}
		cl.atExit(func() { w.Close() })
		return w, nil
	}
	if err := os.MkdirAll(filepath.Dir(where), 0o700); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	f, err := openLogFile(where)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	cl.atExit(func() { f.Close() })
	return f, nil
}

// openLogFile opens a log for appending. A symbolic link is not followed, nor a FIFO waited
// for: whoever may write to the directory could have root append to any file.
func openLogFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link, which is not followed: remove it, or give the path of its target with --log", path)
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() && fi.Mode()&os.ModeCharDevice == 0 {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// verbLogger is the log of a verb that ends by itself: quiet unless asked.
func (cl *cli) verbLogger() (*slog.Logger, error) {
	if cl.verbose {
		return cl.logger("stderr")
	}
	return cl.logger("none")
}
