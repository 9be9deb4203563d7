package output

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

// OpenLog opens a log: a file, "stderr", "syslog", "journal" or "none". The caller must call
// closeLog when done.
func OpenLog(where string, verbose bool, stderr io.Writer) (log *slog.Logger, closeLog func() error, err error) {
	var w io.Writer
	closeLog = func() error { return nil }
	switch where {
	case "stderr":
		w = stderr
	case "none":
		w = io.Discard
	case "syslog", "journal":
		s, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "thothfs")
		if err != nil {
			return nil, nil, fmt.Errorf("no syslog or journal to log to (%w): give --log FILE", err)
		}
		w, closeLog = s, s.Close
	default:
		f, err := openLogFile(where)
		if err != nil {
			return nil, nil, fmt.Errorf("log: %w", err)
		}
		w, closeLog = f, f.Close
	}
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), closeLog, nil
}

// openLogFile opens a log file for appending. It does not follow a symbolic link or wait for a
// FIFO: otherwise others with write access to the directory could make root append to any file.
func openLogFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
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
