package corpus

import (
	"cmp"
	"context"
	"maps"
	"path/filepath"
	"strconv"
	"thothfs/dump"
	"thothfs/dump/document"
	"time"
)

// fact is a piece of knowledge and where it is from: "dump" for the dump itself.
type fact struct{ text, source string }

// describe makes the document of a dump.
func (u *upload) describe(h *holding, stack []string) []byte {
	info, origins := u.info, u.src.origins()
	f := document.Fields{
		Name:       u.c.o.Root + "/" + h.id.String(),
		Dump:       u.c.o.Root + "/" + h.id.String() + "/" + h.name,
		Cmd:        info.Cmd,
		Psargs:     info.Psargs,
		Type:       string(info.Type),
		Stack:      stack,
		Truncated:  info.Truncated(),
		Properties: maps.Clone(info.Properties),
	}
	if info.Type == dump.Crash {
		f.Format = info.Format
	}
	if f.Properties == nil {
		f.Properties = map[string]string{}
	}
	if info.Type == dump.Core {
		f.PID = u.pid(origins)
		for _, o := range origins {
			f.Cmd = cmp.Or(f.Cmd, o.Cmd)
		}
	}
	here := u.here(origins)
	f.Node = settle(f.Properties, "node", fact{u.o.Node, "option"}, fact{info.Node, "dump"}, fact{origins[0].Node, origins[0].Source}, fact{here.node, "uname"})
	f.Platform = settle(f.Properties, "platform", fact{u.o.Platform, "option"}, fact{info.Platform, "dump"}, fact{here.platform, "uname"})
	f.Time = u.time(f.Properties, origins)
	if u.src.packed != "" {
		f.Properties["compressed"] = u.src.packed
	}
	if u.src.flat {
		f.Properties["flattened"] = "true"
	}
	return document.Marshal(f)
}

// settle returns the first fact that there is. Where it is from is noted, unless the
// dump says it itself.
func settle(properties map[string]string, name string, facts ...fact) string {
	for _, f := range facts {
		if f.text == "" {
			continue
		}
		if f.source != "dump" {
			properties["source."+name] = f.source
		}
		return f.text
	}
	return ""
}

func (u *upload) pid(origins [2]dump.Origin) string {
	pid := cmp.Or(u.info.PID, origins[0].PID, origins[1].PID)
	if pid == 0 && !u.info.HasPID {
		return ""
	}
	return strconv.Itoa(pid)
}

func (u *upload) time(properties map[string]string, origins [2]dump.Origin) time.Time {
	for _, t := range []struct {
		time   time.Time
		source string
	}{
		{u.o.Time, "option"}, {u.info.Time, "dump"},
		{origins[0].Time, origins[0].Source}, {origins[1].Time, origins[1].Source},
		{u.src.opened.ModTime(), "mtime"},
	} {
		if t.time.IsZero() {
			continue
		}
		if t.source != "dump" {
			properties["source.time"] = t.source
		}
		return t.time
	}
	return time.Time{}
}

// here returns this machine if the dump is from it for certain: its name, as
// systemd-coredump gives it, holds the ID of this very boot. Otherwise it returns no
// machine, since a core says neither on which machine nor when it was made, and a copy
// of one has the time of the copy.
func (u *upload) here(origins [2]dump.Origin) host {
	here := u.c.host()
	switch {
	case u.info.Type != dump.Core, u.info.OS != here.os, here.bootID == dump.ID{}, origins[1].Boot != here.bootID:
		return host{}
	case u.info.Machine != "" && u.info.Machine != here.machine && !(u.info.Machine == "i386" && here.machine == "x86_64"):
		return host{}
	case !u.o.Time.IsZero() && u.o.Time.Before(here.boot):
		return host{}
	}
	return here
}

// stack runs the debugger. Without a stack a dump is still a dump.
func (u *upload) stack(ctx context.Context) []string {
	if u.o.Stack == nil {
		return nil
	}
	frames, err := u.o.Stack(ctx, u.src.local(), u.info)
	if err != nil {
		u.c.log.Info("no stack", "file", u.src.path, "error", err)
		return nil
	}
	if len(frames) == 0 {
		return nil
	}
	return frames
}

// origins are what is known from beside the dump: from the file's attributes and, to
// be trusted less, from its name.
func (s *source) origins() [2]dump.Origin {
	return [2]dump.Origin{
		dump.OriginFromXattrs(func(name string) (string, bool) { return xattr(s.path, name) }),
		dump.OriginFromName(filepath.Base(s.path)),
	}
}

// host is a machine that may have written a dump.
type host struct {
	os, machine    string // as dump.Info has them
	node, platform string
	bootID         dump.ID
	boot           time.Time
}
