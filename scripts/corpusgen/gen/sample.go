package gen

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"path"
	"thothfs/dump"
	"thothfs/dump/document"
	"time"
)

// Dump is one dump of a corpus.
type Dump struct {
	ID     dump.ID
	Name   string // file name within its directory
	Size   int64
	Head   []byte // first bytes of the file; the rest is holes
	Fields document.Fields
}

// Info returns the document of the dump.
func (d Dump) Info() []byte { return document.Marshal(d.Fields) }

// Sample returns dump number i of the corpus described by o.
func Sample(o Options, i int) (Dump, error) {
	for d, err := range Samples(o, i, 1) {
		return d, err
	}
	panic("unreachable")
}

// Samples yields count dumps of the corpus described by o, starting with dump number from.
func Samples(o Options, from, count int) iter.Seq2[Dump, error] {
	return func(yield func(Dump, error) bool) {
		w := newWorld(o.Seed)
		for i := range count {
			if d, err := w.sample(o, from+i); !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func (w *world) sample(o Options, i int) (Dump, error) {
	r := rand.New(rand.NewPCG(o.Seed, uint64(i)+1))
	d := Dump{Size: max(o.DumpSize, minDump)}
	f := &d.Fields
	at := sampleTime(r)
	f.Time = at
	f.Platform = samplePlatform(r, at)
	f.Node = w.nodes[skewed(r, nodeCount)]
	if r.Float64() < crashShare {
		w.crash(r, &d)
	} else {
		w.core(r, &d, uint64(i))
	}
	var err error
	if d.ID, err = dump.Hash(bytes.NewReader(d.Head), int64(len(d.Head))); err != nil {
		return d, fmt.Errorf("dump %d: %w", i, err)
	}
	f.Name = path.Join(o.name(), d.ID.String())
	f.Dump = path.Join(f.Name, d.Name)
	return d, nil
}

// signals are the signals that cores die of, the most frequent first.
var signals = []int{11, 6, 11, 6, 7, 8, 4, 5}

// sampleTime returns a random time. Later years are more likely.
func sampleTime(r *rand.Rand) time.Time {
	share := math.Pow(r.Float64(), 0.55)
	return firstTime.Add(time.Duration(share * float64(lastTime.Sub(firstTime)))).Truncate(time.Second)
}

// samplePlatform returns the platform of a machine at time at; it is rarely the newest.
func samplePlatform(r *rand.Rand, at time.Time) string {
	newest := int64(at.Sub(firstTime) / releases)
	return platformName(max(newest-int64(r.ExpFloat64()*4), 0))
}

// skewed returns a random number below n. Small numbers are more likely.
func skewed(r *rand.Rand, n int) int {
	u := r.Float64()
	return int(u * u * float64(n))
}

// core makes d a core dump of a process.
func (w *world) core(r *rand.Rand, d *Dump, i uint64) {
	f := &d.Fields
	rank := rand.NewZipf(r, zipfCmds, 1, cmdCount-1).Uint64()
	cmd := cmdName(rank)
	pid := 100 + r.IntN(90_000)
	f.Type, f.Cmd, f.PID = string(dump.Core), cmd, fmt.Sprint(pid)
	f.Psargs = samplePsargs(r, cmd)
	d.Name = "core." + cmd + "." + f.PID
	bugs := 2 + bugsOfCmd/(1+rank/4)
	sampleBug(r, d, w.bug(cmd, rand.NewZipf(r, zipfBugs, 1, bugs).Uint64()))
	signal := signals[skewed(r, len(signals))]
	info := dump.Info{OS: "linux", Machine: "x86_64"}
	f.Facts = []document.Member{document.Text("exe", "/usr/bin/"+cmd),
		document.Object("signal", document.Text("name", info.SignalName(signal)), document.Number("number", &signal)),
		document.Number("uid", new(0)), document.Number("size", &d.Size)}
	d.Head = coreHead(r, i, pid, signal, cmd, f.Psargs, d.Size)
}

// crash makes d a crash dump of a kernel, which has no pid, cmd or psargs.
func (w *world) crash(r *rand.Rand, d *Dump) {
	f := &d.Fields
	f.Type = string(dump.Crash)
	d.Name = fmt.Sprintf("vmdump.%d", r.IntN(12))
	sampleBug(r, d, w.bug(kernel, rand.NewZipf(r, zipfBugs, 1, bugsOfCmd).Uint64()))
	panicked := fmt.Sprintf(panics[r.IntN(len(panics))], r.Uint32(), r.IntN(4096), nouns[r.IntN(len(nouns))])
	f.Properties["panicstring"], f.Properties["uuid"] = panicked, uuid(r)
	d.Head = crashHead(f, panicked)
}

func samplePsargs(r *rand.Rand, cmd string) string {
	switch r.IntN(3) {
	case 0:
		return "/usr/bin/" + cmd
	case 1:
		return fmt.Sprintf("/opt/%s/bin/%s -p %d", nouns[r.IntN(len(nouns))], cmd, 1024+r.IntN(60_000))
	}
	return fmt.Sprintf("%s --%s=%s -c /etc/%s.conf", cmd, nouns[r.IntN(len(nouns))], verbs[r.IntN(len(verbs))], cmd)
}

// sampleBug gives d the properties of bug b.
func sampleBug(r *rand.Rand, d *Dump, b bug) {
	f := &d.Fields
	f.Properties = map[string]string{}
	if r.Float64() < 0.94 { // otherwise no debugger can unwind it
		f.Stack = b.stack
		f.Properties["signature"] = b.signature
	}
	if r.Float64() < 0.9 {
		f.Ticket = b.ticket
	}
	if f.Ticket != "" && r.IntN(3) == 0 {
		f.Properties["triage.engineer"] = engineers[r.IntN(len(engineers))]
	}
	if r.IntN(8) == 0 {
		f.Properties["fmri"] = fmt.Sprintf("svc:/application/%s:default", nouns[r.IntN(len(nouns))])
	}
	if r.IntN(50) == 0 {
		f.Properties["purged"] = "true"
	}
}
