package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestReport checks what report prints of a property, of several and of times, and that dumps named by their
// hashes are counted as those of a specification.
func TestReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(hash(1)+"/info.json", `{"type":"core","cmd":"node","time":1373500000,"signal":{"name":"SIGSEGV"},"properties":{"triage":"bmc"}}`)
	w.put(hash(2)+"/info.json", `{"type":"core","cmd":"node","time":1373600000,"signal":{"name":"SIGSEGV"}}`)
	w.put(hash(3)+"/info.json", `{"type":"core","cmd":"java","time":1373600060}`)
	w.put(hash(4)+"/info.json", `{"type":"crash","node":"db7"}`)
	ids := hash(1) + " " + hash(2) + " " + hash(3) + " " + hash(4)
	w.setenv("LC_ALL=C.UTF-8")
	bars := regexp.MustCompile("[▏▎▍▌▋▊▉█]+")
	for args, want := range map[string]string{
		"cmd":                          `{"java":1,"node":2}`,
		"cmd -r":                       `{"node":2,"java":1}`,
		"cmd -n 1":                     `{"node":2}`,
		"triage":                       `{"bmc":1}`,
		"triage -o tsv":                "triage count bmc 1 3",
		"triage -o table":              "TRIAGE COUNT bmc 1 (none) 3",
		"cmd signal":                   "CMD SIGNAL COUNT (none) (none) 1 java (none) 1 node SIGSEGV 2",
		"cmd triage":                   "CMD TRIAGE COUNT (none) (none) 1 java (none) 1 node (none) 1 node bmc 1",
		"cmd signal --no-headers -r":   "node SIGSEGV 2 java (none) 1 (none) (none) 1",
		"time":                         `{"1373500000":1,"1373600000":1,"1373600060":1}`,
		"time --by day":                `{"2013-07-10":1,"2013-07-12":2}`,
		"--by month":                   `{"2013-07":3}`,
		"--by day signal -o tsv":       "time signal count 1 2013-07-10 SIGSEGV 1 2013-07-12 1 2013-07-12 SIGSEGV 1",
		"--by hour --since 2013-07-11": `{"2013-07-1203:00":2}`,
		"time --plot":                  "TIME COUNT (none) 1 # 2013-07-10 1 # 2013-07-11 0 2013-07-12 2 #",
	} {
		for _, dumps := range []string{"", ids} {
			got := strings.Join(strings.Fields(w.must(append([]string{"report"}, strings.Fields(args+" "+dumps)...)...)), " ")
			if strings.HasPrefix(want, "{") {
				got = strings.ReplaceAll(got, " ", "")
			}
			if got = bars.ReplaceAllString(got, "#"); got != want {
				t.Errorf("%s (%.4s): %s, want %s", args, dumps, got, want)
			}
		}
	}
	for args, want := range map[string]string{
		"--plot":       "name a property to count by",
		"-o tsv":       "name a property to count by",
		"cmd -o yaml":  "must be table, json or tsv",
		"--by century": "must be hour, day",
		"cmd cmd":      "named twice",
	} {
		if r := w.try(append([]string{"report"}, strings.Fields(args)...)...); r.code != exitUsage || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
	if got := w.must("report", "cmd", "--svg", "picture.svg"); got != "" || !strings.Contains(w.sh("cat picture.svg"), "<title>dumps by cmd</title>") {
		t.Errorf("%q", got)
	}
	if r := w.try("report", "cmd", "--svg", "nosuch/picture.svg"); r.code != exitFailure || !strings.Contains(r.stderr, "--svg: ") {
		t.Errorf("%+v", r)
	}
}
