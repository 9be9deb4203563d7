package manta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"thothfs/store"
)

// Scheme is the entry for this store in package registry.
var Scheme = store.Scheme{
	Name:  "manta",
	Usage: "manta:[/ACCOUNT/stor/thoth]",
	DefaultUsage: "Manta when MANTA_URL is set (with MANTA_USER, MANTA_KEY_ID, " +
		"MANTA_SUBUSER, MANTA_NO_AUTH, MANTA_TLS_INSECURE and THOTH_USER, as for thoth)",
	Default: func(getenv func(string) string) (string, bool) { return "", getenv("MANTA_URL") != "" },
	Locate:  locate,
	Open: func(ctx context.Context, l store.Location, o store.OpenOptions) (store.OpenStore, error) {
		s, err := Open(EnvOptions(ctx, l.Path, o))
		if err != nil {
			return nil, err
		}
		return s, nil
	},
}

// locate returns the corpus at path. The default is the corpus of THOTH_USER or MANTA_USER.
func locate(path string, getenv func(string) string) (store.Location, error) {
	if getenv("MANTA_URL") == "" {
		return store.Location{}, errors.New("the corpus is in Manta but MANTA_URL is not set: export MANTA_URL, MANTA_USER and MANTA_KEY_ID")
	}
	if path == "" {
		owner := getenv("THOTH_USER")
		if owner == "" {
			owner = getenv("MANTA_USER")
		}
		if owner == "" {
			return store.Location{}, errors.New("whose corpus? set MANTA_USER (or THOTH_USER), or give --store manta:/ACCOUNT/stor/thoth")
		}
		path = "/" + owner + "/stor/thoth"
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if !strings.HasPrefix(path, "/") || len(parts) < 3 || parts[0] == "" {
		return store.Location{}, fmt.Errorf("--store manta:%s: must be a path such as /ACCOUNT/stor/thoth", path)
	}
	return store.Location{Name: "manta:" + path, Path: path, Owner: parts[0]}, nil
}

// EnvOptions returns the options for the Manta directory dir as specified by the environment,
// which it interprets as node-manta and thoth do. When ctx is done, prompts for a passphrase are
// canceled.
func EnvOptions(ctx context.Context, dir string, o store.OpenOptions) Options {
	var sshDir string
	if home, err := os.UserHomeDir(); err == nil {
		sshDir = filepath.Join(home, ".ssh")
	}
	return Options{
		URL:         o.Getenv("MANTA_URL"),
		Account:     o.Getenv("MANTA_USER"),
		SubUser:     o.Getenv("MANTA_SUBUSER"),
		Dir:         dir,
		NoAuth:      isSet(o.Getenv("MANTA_NO_AUTH")),
		InsecureTLS: isSet(o.Getenv("MANTA_TLS_INSECURE")),
		Key: KeyOptions{
			ID:          o.Getenv("MANTA_KEY_ID"),
			Dir:         sshDir,
			AgentSocket: o.Getenv("SSH_AUTH_SOCK"),
			Passphrase:  func(keyFile string) ([]byte, error) { return o.Passphrase(ctx, keyFile) },
		},
		Log: o.Log,
	}
}

// isSet reports whether a switch is on, that is, neither empty nor false nor 0.
func isSet(value string) bool {
	on, err := strconv.ParseBool(value)
	return value != "" && (err != nil || on)
}
