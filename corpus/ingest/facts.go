package ingest

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/dump/document"
)

// facts returns the members that describe a dump in its document, beside those that the original
// writes. What neither the dump nor its origins, the more reliable ones first, say is left out.
func facts(info *dump.Info, origins []dump.Origin) []document.Member {
	o := merge(origins)
	buildID, size := document.Text("buildid", info.BuildID), document.Number("size", &info.Size)
	kernel := document.Object("os", document.Text("kernel", info.Kernel))
	if info.Type != dump.Core {
		return append(known(buildID, size, kernel), kernelFacts(info)...)
	}
	boot := ""
	if o.Boot != (dump.ID{}) {
		boot = o.Boot.String()
	}
	limit := document.Text("rlimit", o.Limit)
	if o.Limit != "" && o.Limit != "unlimited" {
		limit.Value = []byte(o.Limit)
	}
	var threads *int
	if n := len(info.Threads); n > 0 {
		threads = &n
	}
	return known(document.Text("exe", cmp.Or(info.ExecutablePath(), o.Exe)), buildID, signalFact(info, o.Signal),
		// The user is that of the system, if it is known, and not that of the process's namespace.
		document.Number("uid", cmp.Or(o.UID, info.UID)), document.Number("gid", cmp.Or(o.GID, info.GID)),
		document.Number("ppid", info.PPID), document.Number("threads", threads), size,
		limit, document.Text("boot", boot), kernel, document.Text("container", o.Container), document.Text("unit", o.Unit))
}

// known returns the members that have a value.
func known(members ...document.Member) (all []document.Member) {
	for _, m := range members {
		if m.Value != nil {
			all = append(all, m)
		}
	}
	return all
}

// merge combines origins. The first one that says something counts.
func merge(origins []dump.Origin) (all dump.Origin) {
	for _, o := range origins {
		all.Cmd, all.PID = cmp.Or(all.Cmd, o.Cmd), cmp.Or(all.PID, o.PID)
		all.Unit, all.Container = cmp.Or(all.Unit, o.Unit), cmp.Or(all.Container, o.Container)
		all.Exe, all.Limit = cmp.Or(all.Exe, o.Exe), cmp.Or(all.Limit, o.Limit)
		all.Boot, all.Signal = cmp.Or(all.Boot, o.Boot), cmp.Or(all.Signal, o.Signal)
		all.UID, all.GID = cmp.Or(all.UID, o.UID), cmp.Or(all.GID, o.GID)
	}
	return all
}

// signalFact returns the signal of the dump, or number if the dump has none.
func signalFact(info *dump.Info, number int) document.Member {
	s, ok := info.Raised()
	if !ok {
		s = dump.SignalInfo{Number: number, Name: info.SignalName(number)}
	}
	if s.Number == 0 {
		return document.Member{Name: signalName}
	}
	var code *int
	if s.HasCode {
		code = &s.Code
	}
	address := ""
	if s.Address != nil {
		address = fmt.Sprintf("%#x", *s.Address)
	}
	return document.Object(signalName,
		document.Text("name", s.Name), document.Number("number", &s.Number),
		document.Number("code", code), document.Text("codename", s.CodeName),
		document.Text("address", address), document.Number("pid", s.PID), document.Number("uid", s.UID))
}

// uploadedFact returns who uploads the dump, when and where.
func uploadedFact(by string, at time.Time) document.Member {
	user, host := by, ""
	if i := strings.LastIndexByte(by, '@'); i >= 0 {
		user, host = by[:i], by[i+1:]
	}
	return document.Object("uploaded", document.Text("at", at.UTC().Format(time.RFC3339)), document.Text("by", user), document.Text("host", host))
}

const signalName = "signal"

// signalMembers are the members that signalFact gives.
var signalMembers = []string{"name", "number", "code", "codename", "address", "pid", "uid"}

// measured are the facts that the dump alone decides.
var measured = map[string]bool{"buildid": true, "size": true, signalName: true, "ppid": true, "threads": true, "panic": true, "kernel": true}

// factEdits returns the edits that add the facts that a document lacks and correct those that the
// dump alone decides. They leave alone a value of another kind, which is not ours, and members of
// an object that are not in facts.
func factEdits(doc *document.Document, facts []document.Member) (edits []document.Edit) {
	for _, f := range facts {
		is, _ := doc.Get(f.Name)
		switch want := f.Get(); {
		case is.Kind() == document.KindNone || is.Kind() == document.KindNull:
			edits = append(edits, document.Edit{Path: f.Name, Value: f.Value})
		case is.Kind() != want.Kind():
		case want.Kind() == document.KindObject:
			edits = append(edits, memberEdits(f.Name, is, want)...)
		case measured[f.Name] && is.Text() != want.Text():
			edits = append(edits, document.Edit{Path: f.Name, Value: f.Value})
		}
	}
	return edits
}

// memberEdits is factEdits for the members of the object name, which is not want.
func memberEdits(name string, is, want document.Value) (edits []document.Edit) {
	has, wants := map[string]document.Value{}, map[string]bool{}
	for key, value := range is.Members() {
		has[key] = value
	}
	for key, value := range want.Members() {
		wants[key] = true
		if now, ok := has[key]; !ok || measured[name] && now.Text() != value.Text() {
			edits = append(edits, document.Edit{Path: name + "." + key, Value: value.JSON()})
		}
	}
	if name != signalName || len(edits) == 0 {
		return edits
	}
	for _, key := range signalMembers { // of another signal
		if _, ok := has[key]; ok && !wants[key] {
			edits = append(edits, document.Unset(name+"."+key))
		}
	}
	return edits
}
