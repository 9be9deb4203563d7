package dump

import (
	"strconv"
	"strings"
	"time"
)

// Origin is the information in a dump's file name or attributes. A Linux core does not contain
// the host name or the time of death.
type Origin struct {
	Node, Cmd, Exe string
	Boot           ID   // the system's boot ID; zero if unknown
	PID            int  // 0 if unknown
	UID, GID       *int // as seen from the initial user namespace; nil if unknown
	Signal         int  // 0 if unknown
	Time           time.Time
	// Limit is the limit on the size of the core in bytes, or "unlimited"; "" if unknown.
	Limit string
	// Unit is the systemd unit of the process, and Container the ID or the name of its container.
	Unit, Container string
	Source          string // "xattr", "name" or "journal"; "" if nothing is known
}

// OriginFromName parses file names that are unambiguous without the machine's core_pattern:
// systemd-coredump's core.COMM.UID.BOOTID.PID.MICROSECONDS, with or without a compression suffix,
// and core.PID of a plain Linux kernel.
func OriginFromName(base string) Origin {
	for _, c := range compressions {
		base = TrimCompressionSuffix(base, c.kind)
	}
	rest, ok := strings.CutPrefix(base, "core.")
	if !ok {
		return Origin{}
	}
	if pid, ok := decimal(rest); ok && pid <= maxPID {
		return Origin{PID: int(pid), Source: "name"}
	}
	// Older versions did not escape dots in the command.
	parts := strings.Split(rest, ".")
	n := len(parts) - 4
	if n < 1 {
		return Origin{}
	}
	cmd := strings.Join(parts[:n], ".")
	uid, ok := decimal(parts[n])
	boot, err := ParseID(parts[n+1])
	pid, ok1 := decimal(parts[n+2])
	micros, ok2 := decimal(parts[n+3])
	if cmd == "" || !ok || uid > maxUID || err != nil || !ok1 || pid > maxPID || !ok2 {
		return Origin{}
	}
	return Origin{
		Cmd: unescape(cmd), Boot: boot, PID: int(pid), UID: new(int(uid)), Time: unixMicro(micros), Source: "name",
	}
}

// OriginFromXattrs reads the attributes that systemd-coredump sets on a file. get returns the
// value of an extended attribute, or false if there is none.
func OriginFromXattrs(get func(name string) (string, bool)) Origin {
	var o Origin
	text := func(name string) string {
		v, ok := get("user.coredump." + name)
		v = cstring([]byte(v))
		if ok && v != "" {
			o.Source = "xattr"
		}
		return v
	}
	o.Node, o.Cmd, o.Exe = text("hostname"), text("comm"), text("exe")
	number := func(name string, limit int64) *int {
		n, ok := decimal(text(name))
		if !ok || n > limit {
			return nil
		}
		return new(int(n))
	}
	if pid := number("pid", maxPID); pid != nil {
		o.PID = *pid
	}
	if signal := number("signal", maxSignal); signal != nil {
		o.Signal = *signal
	}
	o.UID, o.GID = number("uid", maxUID), number("gid", maxUID)
	if micros, ok := decimal(text("timestamp")); ok {
		o.Time = unixMicro(micros)
	}
	if n, err := strconv.ParseUint(text("rlimit"), 10, 64); err == nil {
		o.Limit = strconv.FormatUint(n, 10)
		if n >= 1<<63-1 { // RLIM_INFINITY, or the number that systemd's core_pattern has in place of %c
			o.Limit = "unlimited"
		}
	}
	o.Boot, _ = ParseID(text("bootid"))
	return o
}

const (
	maxPID    = 1<<31 - 1 // the largest process ID in any kernel
	maxUID    = 1<<32 - 2 // -1 is not a user
	maxSignal = 128
)

func unixMicro(micros int64) time.Time {
	return unixTime(micros/1e6, micros%1e6*1000)
}

// decimal parses a number that consists only of digits.
func decimal(s string) (int64, bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// unescape reverses systemd's xescape, which writes \xNN for characters that a name may not
// contain.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
