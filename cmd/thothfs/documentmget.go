package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"thothfs/store"
	"thothfs/store/manta"
)

// mgetStep is how many bytes of an object are read at a time.
const mgetStep = 1 << 20

// mget is what analyzers use of the Manta tool of that name where it is not
// installed: it prints objects of Manta, whoever's they are.
func (a *app) mget(ctx context.Context, args []string) error {
	var paths []string
	for _, arg := range args {
		switch {
		case arg == "-q" || arg == "--quiet":
		case strings.HasPrefix(arg, "-"):
			return fmt.Errorf("mget: %s needs the mget of npm: npm install -g manta", arg)
		default:
			paths = append(paths, arg)
		}
	}
	if len(paths) == 0 {
		return errors.New("mget: which object?")
	}
	if a.getenv("MANTA_URL") == "" {
		return errors.New("mget: there is no Manta to get it from: MANTA_URL is not set")
	}
	for _, p := range paths {
		if err := a.mgetOne(ctx, p); err != nil {
			if a.getenv("THOTH_INIT") != "" && a.getenv("MANTA_KEY_ID") == "" {
				err = fmt.Errorf("%w (thothfs analyze --credentials passes the keys on to analyzers)", err)
			}
			return fmt.Errorf("mget: %s: %w", p, err)
		}
	}
	return nil
}

func (a *app) mgetOne(ctx context.Context, object string) error {
	if rest, ok := strings.CutPrefix(object, "~~/"); ok {
		object = "/" + a.getenv("MANTA_USER") + "/" + rest
	}
	log, err := a.verbLogger()
	if err != nil {
		return err
	}
	dir, name := path.Split(path.Clean(object))
	bare, err := manta.Open(a.mantaOptions(ctx, dir, log))
	if err != nil {
		return err
	}
	defer bare.Close()
	s := store.Retry(bare, store.RetryOptions{})
	attr, err := s.Stat(ctx, name)
	if err != nil {
		return err
	}
	if attr.Dir {
		return errors.New("it is a directory")
	}
	ref := store.Ref{Key: name, ETag: attr.ETag}
	piece := make([]byte, min(mgetStep, attr.Size))
	for off := int64(0); off < attr.Size; off += int64(len(piece)) {
		piece = piece[:min(int64(len(piece)), attr.Size-off)]
		if _, err := s.ReadAt(ctx, ref, piece, off); err != nil {
			return err
		}
		if _, err := a.stdout.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
