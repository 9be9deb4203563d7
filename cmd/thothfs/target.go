package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// target is which corpus a command works on.
type target struct {
	dir   string // a local directory; "" when it is Manta
	manta string // the path in Manta, /ACCOUNT/stor/thoth
}

// String is how --store names it.
func (t target) String() string {
	if t.dir != "" {
		return t.dir
	}
	return "manta:" + t.manta
}

// pickTarget applies the rules of --store: the flag (or THOTHFS_STORE), else
// Manta when MANTA_URL is set, else the user's own directory.
func (cl *cli) pickTarget() (target, error) {
	switch path, isManta := strings.CutPrefix(cl.store, "manta:"); {
	case isManta:
		return cl.mantaTarget(path)
	case cl.store != "":
		dir, err := filepath.Abs(strings.TrimPrefix(cl.store, "dir:"))
		return target{dir: dir}, err
	case cl.getenv("MANTA_URL") != "":
		return cl.mantaTarget("")
	}
	dir, err := cl.defaultCorpus()
	return target{dir: dir}, err
}

func (cl *cli) defaultCorpus() (string, error) {
	if data := cl.getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "thothfs", "corpus"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("no corpus named: give --store DIR, or set THOTHFS_STORE, MANTA_URL or HOME")
	}
	return filepath.Join(home, ".local", "share", "thothfs", "corpus"), nil
}

// mantaTarget finds the path of the corpus in Manta: given, or that of
// THOTH_USER, or that of MANTA_USER.
func (cl *cli) mantaTarget(path string) (target, error) {
	if cl.getenv("MANTA_URL") == "" {
		return target{}, errors.New("the corpus is in Manta but MANTA_URL is not set: export MANTA_URL, MANTA_USER and MANTA_KEY_ID")
	}
	if path == "" {
		owner := cl.getenv("THOTH_USER")
		if owner == "" {
			owner = cl.getenv("MANTA_USER")
		}
		if owner == "" {
			return target{}, errors.New("whose corpus? set MANTA_USER (or THOTH_USER), or give --store manta:/ACCOUNT/stor/thoth")
		}
		path = "/" + owner + "/stor/thoth"
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if !strings.HasPrefix(path, "/") || len(parts) < 3 || parts[0] == "" {
		return target{}, fmt.Errorf("--store manta:%s: a path such as /ACCOUNT/stor/thoth is meant", path)
	}
	return target{manta: "/" + strings.Join(parts, "/")}, nil
}

// truthy reads a switch from the environment as node-manta does: set and not
// "false" or "0".
func (cl *cli) truthy(name string) bool {
	v := cl.getenv(name)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	return err != nil || b
}
