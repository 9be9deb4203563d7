package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// treeQuery is one query of the tree. Its script is run by bash with the root of the tree as $1,
// a program as $2 and the thothfs program as $THOTHFS. Its output must be the same as for the
// plain tree.
type treeQuery struct {
	name   string
	script string
	near   int    // number of dumps per million that the chosen program has
	verb   bool   // a verb of thothfs, which has no equivalent in the plain tree
	bare   bool   // no script, only getdents64(2) of by-hash, 32 KiB at a time
	once   bool   // a verb that is not measured again after others have changed the corpus
	sql    string // for a verb, a query of the catalogue for the same rows, as the baseline: by sqlite3, if it is installed
}

const (
	listByHash = `ls -U "$1/by-hash" | wc -l`
	listCmd    = `ls "$1/by-cmd/$2" | wc -l`
	listLong   = `ls -l "$1/by-cmd/$2" | wc -l`
	globInfo   = `printf '%s\n' "$1/by-cmd/$2"/*/info.json | wc -l`
)

const (
	stepList      = "ls -U by-hash"
	stepListAgain = "ls -U by-hash, again"
	stepListBare  = "getdents64(2) of by-hash alone, without ls, again"
	stepCmd       = "ls by-cmd/X of 5,000 of a million"
	stepLong      = "ls -l of the same"
	stepGlob      = "glob by-cmd/X/*/info.json of 10,000 of a million"
	stepGlobAgain = "the same glob, again"
	stepVerb      = "thothfs ls cmd=X ticket=undefined"
	stepSorted    = "thothfs ls --sort size, all of them"
	stepLargest   = "thothfs ls --sort size -n 20"
	stepSignal    = "thothfs ls signal=SIGSEGV"
	stepSince     = "thothfs ls --since TIME, of the last week"
	stepComplete  = "completion of a hash by its first two digits"
	stepReport    = "thothfs report cmd"
	stepScan      = "thothfs ls properties.triage.engineer=bmc"
	stepResident  = "resident memory at its peak, after all of the listings"
	withLog       = ", with a change log" // appended to the name of a verb that is measured again after others have changed the corpus
)

var allListings = []treeQuery{
	{name: stepList, script: listByHash},
	{name: stepListAgain, script: listByHash},
	{name: stepListBare, bare: true},
	{name: stepCmd, near: 5_000, script: listCmd},
	{name: stepLong, near: 5_000, script: listLong},
	{name: stepGlob, near: 10_000, script: globInfo},
	{name: stepGlobAgain, near: 10_000, script: globInfo},
	{name: stepVerb, near: 10_000, verb: true, script: `"$THOTHFS" ls "cmd=$2" ticket=undefined | wc -l`},
	{name: stepSorted, verb: true, once: true, script: `"$THOTHFS" ls --sort size | wc -l`, sql: listedColumns + ` ORDER BY bytes`},
	{name: stepLargest, verb: true, once: true, script: `"$THOTHFS" ls --sort size -n 20 | wc -l`, sql: listedColumns + ` ORDER BY bytes DESC LIMIT 20`},
	{name: stepSignal, verb: true, once: true, script: `"$THOTHFS" ls signal=SIGSEGV | wc -l`, sql: listedColumns + ` WHERE signal = 'SIGSEGV' ORDER BY time`},
	{name: stepSince, verb: true, once: true, script: `"$THOTHFS" ls --since 2025-12-25 | wc -l`, sql: listedColumns + ` WHERE time >= unixepoch('2025-12-25') ORDER BY time`},
	{name: stepComplete, verb: true, once: true, script: `"$THOTHFS" __complete ls ab 2>/dev/null | wc -l`},
	{name: stepReport, verb: true, script: `"$THOTHFS" report cmd | wc -l`},
	{name: stepScan, verb: true, script: `"$THOTHFS" ls properties.triage.engineer=bmc | wc -l`},
}

// listedColumns is the beginning of a query for what ls prints.
const listedColumns = `SELECT hex(id), datetime(time, 'unixepoch'), signal, cmd, coalesce(exe, node), bytes, ticket FROM dumps`

// askSQLite runs a query of the catalogue by sqlite3.
const askSQLite = `sqlite3 -readonly "$(echo "$THOTHFS_CACHE_DIR"/catalogue/*.db)" "$1" | wc -l`

// listings measures all queries on a fresh mount of m, and unmounts it.
func (s *scale) listings(ctx context.Context, m *machine) error {
	for _, x := range allListings {
		r, err := s.list(ctx, m, x)
		s.add(r, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	s.addResident(stepResident, m)
	return m.unmount(ctx)
}

// verbs measures the verbs again, on a machine that has seen the changes of others.
func (s *scale) verbs(ctx context.Context, m *machine) error {
	for _, x := range allListings {
		if !x.verb || x.once {
			continue
		}
		x.name += withLog
		r, err := s.list(ctx, m, x)
		s.add(r, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// list measures x on the mount and on the plain tree.
func (s *scale) list(ctx context.Context, m *machine, x treeQuery) (r Result, err error) {
	r = Result{Step: x.name}
	cmd := s.near(x.near)
	var ours, plain string
	err = s.measured(ctx, &r, func(ctx context.Context) (err error) {
		ours, err = x.ask(ctx, m, m.mnt, cmd)
		return err
	})
	if r.Lines, _ = strconv.Atoi(ours); err != nil || x.verb && x.sql == "" {
		return r, err
	}
	if x.verb {
		if _, err := exec.LookPath("sqlite3"); err != nil {
			return r, nil
		}
		r.Note = "plain: sqlite3 on the same catalogue"
		r.Plain, err = s.timed(ctx, func(ctx context.Context) error { _, err := m.bash(ctx, askSQLite, x.sql, ""); return err })
		return r, err
	}
	r.Plain, err = s.timed(ctx, func(ctx context.Context) (err error) {
		plain, err = x.ask(ctx, m, s.links, cmd)
		return err
	})
	if err == nil && ours != plain {
		err = fmt.Errorf("%s lines, and %s of the plain tree", ours, plain)
	}
	return r, err
}

// ask runs a query on the tree at root, which is m's mount or the plain tree.
func (x treeQuery) ask(ctx context.Context, m *machine, root, cmd string) (lines string, err error) {
	if x.bare {
		n, err := entries(filepath.Join(root, "by-hash"))
		return strconv.Itoa(n), err
	}
	return m.bash(ctx, x.script, root, cmd)
}

// entries counts the entries of a directory using only system calls.
func entries(dir string) (n int, err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	const reclen = 16 // offset of the length in linux_dirent64
	buf := make([]byte, 32<<10)
	for {
		got, err := unix.Getdents(fd, buf)
		if got <= 0 || err != nil {
			return n - 2, err // without . and ..
		}
		for rest := buf[:got]; len(rest) > 0; n++ {
			rest = rest[binary.NativeEndian.Uint16(rest[reclen:]):]
		}
	}
}
