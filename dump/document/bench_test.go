package document

import (
	"strings"
	"testing"
)

// BenchmarkParseAndLookup is what a specification with eight conditions costs for one dump.
func BenchmarkParseAndLookup(b *testing.B) {
	raw := []byte(strings.Replace(sampleDocument, `"properties": {}`, `"properties": {
		"triage": {"engineer": "rm", "state": "open", "since": 1373566304},
		"source": {"node": "eb9ca020", "time": "file"},
		"signal": "SIGABRT", "severity": 2, "panicstring": "none at all", "zonename": "global",
		"uuid": "1f6f6f1f-77a6-41fd-aabb-8f95305f9aa6", "datacenter": "us-east-1"
	}`, 1))
	paths := []string{"cmd", "time", "node", "ticket", "stack", "properties.triage.engineer", "properties.severity", "properties.source.node"}
	for b.Loop() {
		d := Parse(raw)
		for _, path := range paths {
			d.Lookup(path)
		}
	}
}
