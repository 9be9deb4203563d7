package gen

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Parameters of the world in which the dumps arise.
const (
	cmdCount   = 400
	nodeCount  = 1500
	bugsOfCmd  = 60 // for the first program; less common programs have fewer
	zipfCmds   = 1.1
	zipfBugs   = 1.3
	releases   = 5 * 7 * 24 * time.Hour // interval between two platforms
	crashShare = 0.03
	kernel     = "unix" // used as the program of a crash dump
)

// The period covered by the corpus.
var (
	firstTime = time.Date(2012, 3, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

var (
	commonCmds = []string{
		"node", "svc.startd", "java", "python3", "nginx", "postgres", "sshd", "beam.smp", "redis-server", "mysqld", "zoneadmd",
		"vmadmd", "dtrace", "mdb", "haproxy", "ruby", "fmd", "svc.configd", "qemu-system-x86", "syslog-ng", "cron", "bash", "zfs", "nscd",
	}
	cmdWords  = []string{"auth", "batch", "cache", "chunk", "edge", "feed", "graph", "index", "mail", "meter", "proxy", "queue", "ship", "store", "sync", "vault"}
	cmdKinds  = []string{"d", "-agent", "-server", "-worker", "ctl", "-cron"}
	libraries = []string{"libc.so.1", "libumem.so.1", "libuutil.so.1", "libssl.so.1.1", "libuv.so.1", "libstdc++.so.6", "libthread_db.so.1", "libnvpair.so.1"}
	verbs     = []string{"alloc", "apply", "close", "commit", "decode", "dispatch", "drain", "encode", "evict", "flush", "free", "init", "insert", "lookup", "notify", "parse", "poll", "read", "remove", "reply", "resize", "send", "shutdown", "write"}
	nouns     = []string{"buf", "cache", "chain", "conn", "ctx", "entry", "event", "fd", "hash", "header", "job", "key", "list", "lock", "node", "packet", "pool", "queue", "session", "slab", "stream", "table", "timer", "tree"}
	engineers = []string{"bmc", "ahl", "jjelinek", "rm", "dap", "wesolows", "mg", "tjf", "kl", "eschrock"}
	panics    = []string{
		"BAD TRAP: type=e (#pf Page fault) rp=%x addr=%x occurred in module \"%s\"",
		"assertion failed: %x == %x, file: ../../common/fs/%s.c", "deadman: timed out after %x seconds of clock inactivity (%x, %s)",
	}
)

// fixed returns a random source that depends only on its arguments.
func fixed(seed uint64, words ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, words...)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// cmdName returns the program with the given popularity rank.
func cmdName(rank uint64) string {
	if rank < uint64(len(commonCmds)) {
		return commonCmds[rank]
	}
	rank -= uint64(len(commonCmds))
	n := uint64(len(cmdWords))
	name := cmdWords[rank%n] + cmdKinds[rank/n%uint64(len(cmdKinds))]
	if again := rank / n / uint64(len(cmdKinds)); again > 0 {
		name += fmt.Sprint(again + 1)
	}
	return name
}

// nodeName returns the name of a machine: a UUID, like that of an illumos compute node, or a host
// name.
func nodeName(seed uint64, number int) string {
	r := fixed(seed, "node", number)
	if number%5 == 0 {
		return fmt.Sprintf("%s%02d.example.com", cmdWords[r.IntN(len(cmdWords))], number)
	}
	return uuid(r)
}

func uuid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", uint32(a), uint16(a>>32), a>>52, b&0xfff, b>>16)
}

// platformName returns the platform of the given release period, counted from firstTime.
func platformName(number int64) string {
	return "joyent_" + firstTime.Add(time.Duration(number)*releases).Format("20060102T150405Z")
}

// bug holds the properties common to crashes with the same signature.
type bug struct {
	signature string
	stack     []string
	ticket    string // "" if there is none
}

// world generates the dumps of a seed. It caches bugs.
type world struct {
	seed  uint64
	bugs  sync.Map // values of type bug, keyed by "CMD NUMBER"
	nodes [nodeCount]string
}

func newWorld(seed uint64) *world {
	w := &world{seed: seed}
	for i := range w.nodes {
		w.nodes[i] = nodeName(seed, i)
	}
	return w
}

// bug returns the bug of a program with the given number.
func (w *world) bug(cmd string, number uint64) bug {
	key := cmd + " " + strconv.FormatUint(number, 10)
	b, ok := w.bugs.Load(key)
	if !ok {
		b, _ = w.bugs.LoadOrStore(key, bugOf(w.seed, cmd, number))
	}
	return b.(bug)
}

// bugOf generates the bug of a program with the given number.
func bugOf(seed uint64, cmd string, number uint64) bug {
	r := fixed(seed, "bug", cmd, number)
	b := bug{signature: fmt.Sprintf("%016x", r.Uint64())}
	depth := 4 + r.IntN(9) + r.IntN(9)
	for i := range depth {
		b.stack = append(b.stack, frame(r, cmd, i, depth))
	}
	if r.Float64() < 0.56 {
		b.ticket = fmt.Sprintf("OS-%d", 1+r.IntN(9000))
	}
	return b
}

// frame returns one line of a stack in mdb format.
func frame(r *rand.Rand, cmd string, i, depth int) string {
	where := strings.ReplaceAll(cmd, " ", "_")
	switch {
	case i == 0 && cmd == kernel:
		return "unix`vpanic()"
	case i == depth-1 && cmd == kernel:
		return "unix`sys_syscall+0x1a2()"
	case i == 0:
		return fmt.Sprintf("libc.so.1`_lwp_kill+0x%x()", 0x15+r.IntN(8))
	case i == depth-1:
		return "_start+0x83()"
	case r.IntN(3) == 0:
		where = libraries[r.IntN(len(libraries))]
	}
	return fmt.Sprintf("%s`%s_%s+0x%x(%x)", where, nouns[r.IntN(len(nouns))], verbs[r.IntN(len(verbs))], r.IntN(0x900), r.Uint32())
}
