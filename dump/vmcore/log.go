package vmcore

import (
	"errors"
	"fmt"
)

// maxLog is the maximum length of the messages in a log, and of its text, in bytes.
const maxLog = 64 << 20

// errLog is the error for a log that is not what it should be.
var errLog = fmt.Errorf("%w: damaged log", ErrAbsent)

// record is a record of the log.
type record struct {
	nanos  uint64 // since boot
	caller string // thread or processor; "" if the kernel does not record it
	text   []byte // one or more lines, without the last newline
}

// Log returns the log in the form of makedumpfile --dump-dmesg: a time and a message per line. If
// the log is damaged or incomplete, Log returns what can be read of it, or ErrAbsent if that is
// nothing.
func (k *Kernel) Log() ([]byte, error) {
	records, err := k.records()
	if len(records) == 0 || err != nil && !errors.Is(err, ErrAbsent) {
		return nil, err
	}
	var b []byte
	for _, r := range records {
		if b = r.append(b); len(b) > maxLog {
			break
		}
	}
	return b, nil
}

// append appends the text of a record. Further lines of a message are indented.
func (r record) append(b []byte) []byte {
	start := len(b)
	b = fmt.Appendf(b, "[%5d.%06d] ", r.nanos/1e9, r.nanos%1e9/1000)
	if r.caller != "" {
		b = fmt.Appendf(b, "[%8s] ", r.caller)
	}
	indent := len(b) - start
	for _, c := range r.text {
		switch {
		case c == '\n':
			b = fmt.Appendf(b, "\n%*s", indent, "")
		case c >= ' ' && c < 0x7f, c >= '\t' && c <= '\r':
			b = append(b, c)
		default:
			b = fmt.Appendf(b, `\x%02x`, c)
		}
	}
	return append(b, '\n')
}

// records returns the records of the log, oldest first. After an error, it returns those that
// were read until then.
func (k *Kernel) records() ([]record, error) {
	if _, ok := k.Info.symbol("prb"); ok {
		return k.ringRecords()
	}
	if _, ok := k.Info.symbol("log_buf"); ok {
		return k.bufferRecords()
	}
	return nil, fmt.Errorf("%w: VMCOREINFO does not say where the log is", ErrAbsent)
}
