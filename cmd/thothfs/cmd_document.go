package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"thothfs/dump/document"
	"thothfs/scripts"
)

// documentCommand is what scripts/thoth-init.sh does to an analyzer's copy of
// info.json. People have set, ticket and info.
func (a *app) documentCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "document",
		Short:              "For analyzers: read and edit a copy of info.json",
		Hidden:             true,
		DisableFlagParsing: true, // values may begin with a dash
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errDocumentUse
			}
			switch verb, rest := args[0], args[1:]; {
			case verb == "json":
				return a.printJSON(cmd.Context(), rest)
			case verb == "mget":
				return a.mget(cmd.Context(), rest)
			case verb == "stack" && len(rest) == 1:
				return a.documentStack(cmd.Context(), rest[0])
			case verb == "skip-list" && len(rest) == 0:
				_, err := a.stdout.Write(scripts.Skip)
				return err
			case verb == "signal" && len(rest) == 1:
				return a.documentSignal(rest[0])
			case verb == "signature" && len(rest) == 3:
				return a.documentSignature(cmd.Context(), rest[0], rest[1], rest[2])
			case verb == "set" && len(rest) == 2:
				return a.documentSet(cmd.Context(), rest[0], rest[1])
			case verb == "unset" && len(rest) == 2:
				return editDocument(rest[0], only(document.Unset(rest[1])))
			case verb == "merge" && len(rest) == 2:
				return mergeDocument(rest[0], rest[1])
			case verb == "check" && len(rest) == 1:
				return editDocument(rest[0], only())
			}
			return errDocumentUse
		},
	}
}

var errDocumentUse = errors.New("usage: document {set|unset} FILE PATH, merge FILE UPDATE, check FILE, json [-f FILE] [KEY...], mget PATH..., {stack|signal} DUMP, signature DUMP FILE LIST or skip-list")

// documentSet sets what is at path to what is on standard input.
// An analyzer may store what a program printed, so an empty input is an empty value here.
func (a *app) documentSet(ctx context.Context, file, path string) error {
	text, err := a.readValue(ctx, "the value of "+path)
	if err != nil && !errors.Is(err, errNoInput) {
		return err
	}
	if path == "ticket" && !isTicket(text) {
		return fmt.Errorf("%q is no ticket", text)
	}
	return editDocument(file, only(document.Set(path, text)))
}

func only(edits ...document.Edit) func(*document.Document) ([]document.Edit, error) {
	return func(*document.Document) ([]document.Edit, error) { return edits, nil }
}

func mergeDocument(file, update string) error {
	raw, err := readSmall(update)
	if err != nil {
		return err
	}
	added := document.Parse(raw)
	return editDocument(file, func(old *document.Document) ([]document.Edit, error) {
		if fields := document.ReadOnlyChanges(document.Parse([]byte("{}")), added); len(fields) > 0 {
			return nil, fmt.Errorf("%s cannot be set: only the ticket and properties can", strings.Join(fields, ", "))
		}
		return document.Merge(old, added)
	})
}

// editDocument makes edits to the document in a file, which is replaced as a whole.
// An analyzer may have several edits under way at once: one waits for another.
func editDocument(file string, edits func(*document.Document) ([]document.Edit, error)) error {
	unlock, err := lockDirectory(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer unlock()
	raw, err := readSmall(file)
	if err != nil {
		return err
	}
	doc := document.Parse(raw)
	if !doc.IsJSON() {
		return fmt.Errorf("%s is no longer JSON: %s", filepath.Base(file), doc.Damage())
	}
	list, err := edits(doc)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !document.Writable(e.Path) {
			return fmt.Errorf("%q cannot be set: only the ticket and properties can", e.Path)
		}
	}
	after, changed, err := doc.Apply(list...)
	if err != nil || !changed {
		return err
	}
	return replaceFile(file, after)
}

func lockDirectory(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { f.Close() }, nil
}

// readSmall reads a file that may have as many bytes as a document. What is no
// regular file is not waited for.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case fi.Size() > document.MaxSize:
		return nil, fmt.Errorf("%s has more than %d bytes", path, document.MaxSize)
	}
	raw := make([]byte, fi.Size())
	n, err := f.ReadAt(raw, 0)
	if n == len(raw) {
		err = nil
	}
	return raw[:n], err
}

func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".document-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
