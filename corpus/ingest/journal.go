package ingest

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"time"

	"thothfs/dump"
)

// journalTimeout is how long an upload waits for journalctl.
const journalTimeout = 5 * time.Second

// journalOrigin returns what the journal of this machine says about the file called base, if
// systemd-coredump wrote it.
func journalOrigin(ctx context.Context, base string) dump.Origin {
	if dump.OriginFromName(base).Boot == (dump.ID{}) {
		return dump.Origin{}
	}
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	args := append([]string{"--quiet", "--no-pager", "--output=json", "--lines=1", "--output-fields=" + strings.Join(dump.JournalFields, ",")}, dump.JournalMatches(base)...)
	cmd := exec.CommandContext(ctx, "journalctl", args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return dump.Origin{} // there is no journal, or it may not be read
	}
	var fields map[string]any // a field that is not UTF-8 or repeated is an array
	if json.Unmarshal(out, &fields) != nil {
		return dump.Origin{}
	}
	return dump.OriginFromJournal(func(name string) string {
		text, _ := fields[name].(string)
		return text
	})
}
