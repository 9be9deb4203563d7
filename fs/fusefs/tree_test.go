package fusefs

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thothfs/store/mem"
)

const (
	hashA = "6433c1ccfb41929d0000000000000001"
	hashB = "6433c1ccfb41929d0000000000000002"
	hashC = "abcdef00000000000000000000000003"
)

func threeDumps(t testing.TB) func(*mem.Store) {
	return func(s *mem.Store) {
		putDump(t, s, hashA, "core.node.1", []byte("the dump of A"), `"cmd": "node", "type": "core", "node": "../../etc", "time": 1373566304, "stack": ["a+1", "b+2"], "ticket": "OS-1", "properties": { "triage": "bmc", "deep": {"er": [1, 2]} }`)
		putDump(t, s, hashB, "vmdump.3", []byte("the dump of B"), `"type": "crash", "node": "n2", "time": "1373566305.25"`)
		putDump(t, s, hashC, "vmcore.0", []byte("the dump of C"), `"type": "crash", "node": "n2", "platform": "p/1"`)
		s.Set("analyzers/fmri", []byte("echo $THOTH_DUMP\n"))
		s.Set(hashOf("dead")+"/core.unfinished", []byte("half"))
	}
}

func TestTree(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	for dir, want := range map[string][]string{
		"":                                    {"analyzers", "by-cmd", "by-exe", "by-hash", "by-node", "by-platform", "by-signal", "by-signature", "by-ticket", "by-time", "by-type", "query"},
		"by-hash":                             {hashA, hashB, hashC},
		"by-hash/" + hashA:                    {"core", "core.node.1", "dump", "info.json", "properties", "stack"},
		"by-hash/" + hashB:                    {"dump", "info.json", "properties", "vmdump", "vmdump.3"},
		"by-hash/" + hashC:                    {"dump", "info.json", "properties", "vmcore", "vmcore.0"},
		"by-hash/" + hashA + "/properties":    {"deep", "triage"},
		"by-hash/" + hashB + "/properties":    {},
		"by-node":                             {"..%2F..%2Fetc", "n2"},
		"by-node/n2":                          {hashB, hashC},
		"by-node/..%2F..%2Fetc":               {hashA},
		"by-cmd":                              {"node"},
		"by-ticket":                           {"OS-1"},
		"by-type":                             {"core", "crash"},
		"by-platform":                         {"p%2F1"},
		"by-time":                             {"2013"},
		"by-time/2013":                        {"07"},
		"by-time/2013/07":                     {"11"},
		"by-time/2013/07/11":                  {hashA, hashB},
		"query":                               {},
		"query/type=c* limit=1":               {hashB},
		"query/type=crash/platform=undefined": {hashB},
		"query/cmd=nobody":                    {},
		"by-node/n2/platform=p%2F1":           {hashC},
		"analyzers":                           {"fmri"},
		".thothfs":                            {"pid", "slow", "stats"},
	} {
		t.Run(dir, func(t *testing.T) {
			if diff := cmp.Diff(want, append([]string{}, ls(t, m.path(dir))...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, want := range map[string]string{
		"by-hash/" + hashA + "/core":             "core.node.1",
		"by-hash/" + hashB + "/vmdump":           "vmdump.3",
		"by-hash/" + hashB + "/dump":             "vmdump.3",
		"by-hash/abc":                            hashC,
		"by-node/n2/" + hashB:                    "../../by-hash/" + hashB,
		"by-node/n2/abc":                         "../../by-hash/" + hashC,
		"by-node/n2/platform=undefined/" + hashB: "../../../by-hash/" + hashB,
		"by-time/2013/07/11/" + hashA:            "../../../../by-hash/" + hashA,
		"by-time/2013/07/11/type=crash/" + hashB: "../../../../../by-hash/" + hashB,
		"query/type=core/cmd=n*/" + hashA:        "../../../by-hash/" + hashA,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := os.Readlink(m.path(name)); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
	for name, want := range map[string]string{
		"by-hash/" + hashA + "/info.json":                          string(mustData(t, m.store, hashA+"/info.json")) + "\n",
		"by-hash/" + hashA + "/stack":                              "a+1\nb+2\n",
		"by-hash/" + hashA + "/properties/triage":                  "bmc\n",
		"by-hash/" + hashA + "/properties/deep":                    "{\"er\":[1,2]}\n",
		"by-cmd/node/" + hashA + "/core":                           "the dump of A",
		"by-time/2013/07/11/6433c1ccfb41929d0000000000000002/dump": "the dump of B",
		"analyzers/fmri":                                           "echo $THOTH_DUMP\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(t, m.path(name)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if fi, err := os.Stat(m.path(name)); err != nil || fi.Size() != int64(len(want)) {
				t.Errorf("stat: %v, %v", fi, err)
			}
		})
	}
	if fi, err := os.Lstat(m.path("by-cmd/node", hashA)); err != nil || !fi.ModTime().Equal(time.Unix(1373566304, 0)) {
		t.Errorf("link: %v, %v", fi, err)
	}
}

func mustData(t testing.TB, s *mem.Store, key string) []byte {
	t.Helper()
	data, ok := s.Data(key)
	if !ok {
		t.Fatalf("no object %s", key)
	}
	return data
}

// TestNarrowedDeeply checks that views can be narrowed many times, and that their links still lead
// to the dump.
func TestNarrowedDeeply(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	dir := m.path("query/type=core")
	for range 200 - 2 {
		dir += "/cmd=n*"
	}
	if got := read(t, dir+"/"+hashA+"/core"); got != "the dump of A" {
		t.Errorf("got %q", got)
	}
	if exists(dir + "/cmd=n*") {
		t.Error("no end to narrowing")
	}
}
