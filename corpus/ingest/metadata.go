package ingest

import (
	"cmp"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/dump/document"
)

// sourced is a value with its source, which is "dump" for the dump itself.
type sourced[T comparable] struct {
	value  T
	source string
}

// firstKnown returns the first value that is not zero. It records the source in properties unless
// the source is the dump.
func firstKnown[T comparable](properties map[string]string, name string, candidates ...sourced[T]) (value T) {
	for _, c := range candidates {
		if c.value == value {
			continue
		}
		if c.source != "dump" {
			properties[strings.TrimPrefix(sourcePrefix, "properties.")+name] = c.source
		}
		return c.value
	}
	return value
}

// newDocument returns the document for the dump.
func (u *upload) newDocument(x *existing, stack []string) []byte {
	info, root := u.info, u.corpus.Options().Root
	f := document.Fields{
		Name:       root + "/" + x.ID.String(),
		Dump:       root + "/" + x.key(),
		Cmd:        info.Cmd,
		Psargs:     info.Psargs,
		Type:       string(info.Type),
		Stack:      stack,
		Truncated:  info.Truncated(),
		Facts:      u.facts(),
		Properties: maps.Clone(info.Properties),
	}
	if info.Type == dump.Crash {
		f.Format = info.Format
	}
	if f.Properties == nil {
		f.Properties = map[string]string{}
	}
	if info.Type == dump.Core {
		o := merge(u.origins)
		if pid := cmp.Or(info.PID, o.PID); pid != 0 || info.HasPID {
			f.PID = strconv.Itoa(pid)
		}
		f.Cmd = cmp.Or(f.Cmd, o.Cmd)
	}
	type text = sourced[string]
	type moment = sourced[time.Time]
	here := u.thisHost()
	nodes, times := []text{{u.Node, "option"}, {info.Node, "dump"}}, []moment{{u.Time, "option"}, {info.Time, "dump"}}
	for _, o := range u.origins {
		nodes, times = append(nodes, text{o.Node, o.Source}), append(times, moment{o.Time, o.Source})
	}
	f.Node = firstKnown(f.Properties, "node", append(nodes, text{here.node, "uname"})...)
	f.Platform = firstKnown(f.Properties, "platform", text{u.Platform, "option"}, text{info.Platform, "dump"}, text{here.platform, "uname"})
	f.Time = firstKnown(f.Properties, "time", append(times, moment{u.src.opened.ModTime(), u.src.timeSource()})...)
	if u.src.compression != "" {
		f.Properties["compressed"] = u.src.compression
	}
	if u.src.flattened {
		f.Properties["flattened"] = "true"
	}
	return document.Marshal(f)
}

// facts returns the facts of the dump, with those that only an upload knows: the system of this
// machine, if the dump is from its current boot, and the upload itself.
func (u *upload) facts() []document.Member {
	all := facts(u.info, u.origins)
	if h := u.thisHost(); h.kernel != "" {
		all = slices.DeleteFunc(all, func(m document.Member) bool { return m.Name == "os" })
		all = append(all, document.Object("os", document.Text("distribution", h.distribution), document.Text("kernel", h.kernel)))
	}
	if by := u.corpus.Options().By; by != "" {
		all = append(all, uploadedFact(by, time.Now()))
	}
	return all
}

// thisHost returns this machine if the dump certainly comes from it, that is, if its name was given
// by systemd-coredump and contains the ID of the current boot. Otherwise it returns an unknown
// host, since a core does not say where or when it was written, and the time of a copy is that of
// copying.
func (u *upload) thisHost() host {
	here := thisHost
	if u.host != nil {
		here = u.host
	}
	h := here()
	switch {
	case u.info.Type != dump.Core, u.info.OS != h.os, h.bootID == dump.ID{}, merge(u.origins).Boot != h.bootID:
		return host{}
	case u.info.Machine != "" && u.info.Machine != h.machine && !(u.info.Machine == "i386" && h.machine == "x86_64"):
		return host{}
	case !u.Time.IsZero() && u.Time.Before(h.boot):
		return host{}
	}
	return h
}

// stack runs the debugger. It returns nil if there is no debugger or it fails. The stack of a Linux
// kernel is in the dump.
func (u *upload) stack(ctx context.Context) []string {
	if k := u.info.LinuxKernel; k != nil {
		return k.Stack
	}
	if u.Stack == nil {
		return nil
	}
	frames, err := u.Stack(ctx, u.src.localPath(), u.info)
	if err != nil {
		u.corpus.Options().Log.Info("no stack", "file", u.src.path, "error", err)
	}
	if err != nil || len(frames) == 0 {
		return nil
	}
	return frames
}

// origins returns what the file's attributes and, less reliably, its name say about the dump.
func (s *source) origins() []dump.Origin {
	return []dump.Origin{
		dump.OriginFromXattrs(func(name string) (string, bool) { return xattr(s.givenPath(), name) }),
		dump.OriginFromName(filepath.Base(s.path)),
	}
}

// fromJournal returns what the journal of this machine says about the file.
func (u *upload) fromJournal(ctx context.Context) dump.Origin {
	get := u.journal
	if get == nil {
		get = journalOrigin
	}
	return get(ctx, filepath.Base(u.src.path))
}

// host is a machine that may have written a dump.
type host struct {
	os, machine    string // as in dump.Info
	node, platform string
	distribution   string // PRETTY_NAME of os-release(5)
	kernel         string // release
	bootID         dump.ID
	boot           time.Time
}
