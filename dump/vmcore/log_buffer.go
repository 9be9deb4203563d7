package vmcore

import (
	"encoding/binary"
	"fmt"
)

// maxLogBuffer is the maximum size of the buffer in bytes.
const maxLogBuffer = 32 << 20

// logBuffer is the log of Linux 3.5 to 5.9: records of variable length in one buffer (struct
// printk_log, struct log before 3.11, of kernel/printk/printk.c).
type logBuffer struct {
	data        []byte
	first, next int // offsets of the oldest record and of the end of the newest

	header                  int // size of the structure before a text
	time, len, text, caller int // offsets in it; caller is -1 if there is none
}

// bufferRecords reads the log of Linux 3.5 to 5.9.
func (k *Kernel) bufferRecords() ([]record, error) {
	name := "printk_log"
	if _, ok := k.Info.size(name); !ok {
		name = "log"
	}
	l := layout{info: k.Info}
	b := logBuffer{header: l.size(name), time: l.offset(name + ".ts_nsec"), len: l.offset(name + ".len"), text: l.offset(name + ".text_len"), caller: -1}
	if caller, ok := k.Info.offset(name + ".caller_id"); ok {
		b.caller = caller
	}
	data, variables := l.symbol("log_buf"), []uint64{l.symbol("log_buf_len"), l.symbol("log_first_idx"), l.symbol("log_next_idx")}
	if l.err != nil {
		return nil, l.err
	}
	if max(b.time+8, b.len+2, b.text+2, b.caller+4) > b.header {
		return nil, fmt.Errorf("%w: members lie outside of %s", errLog, name)
	}
	addr, err := k.u64(data)
	if err != nil {
		return nil, err
	}
	var numbers [3]uint32
	for i, variable := range variables {
		if numbers[i], err = k.u32(variable); err != nil {
			return nil, err
		}
	}
	if numbers[0] > maxLogBuffer {
		return nil, fmt.Errorf("%w: a buffer of %d bytes", errLog, numbers[0])
	}
	b.first, b.next = int(numbers[1]), int(numbers[2])
	if b.data, err = k.bytes(addr, int(numbers[0])); err != nil {
		return nil, err
	}
	return b.records()
}

// records returns the records, up to damage.
func (b logBuffer) records() (records []record, err error) {
	order := binary.LittleEndian
	at, total := b.first, 0
	for steps := len(b.data) / b.header; at != b.next; steps-- {
		if steps < 0 || total > maxLog || at < 0 || at > len(b.data)-b.header {
			return records, fmt.Errorf("%w: it has no end", errLog)
		}
		r := b.data[at:]
		length := int(order.Uint16(r[b.len:]))
		if length == 0 && at > 0 { // the log goes on at the start
			at = 0
			continue
		}
		text := r[b.header:]
		text = text[:min(len(text), int(order.Uint16(r[b.text:])))]
		total += len(text)
		one := record{nanos: order.Uint64(r[b.time:]), text: text}
		if b.caller >= 0 {
			one.caller = callerName(order.Uint32(r[b.caller:]))
		}
		records = append(records, one)
		if length < b.header {
			return records, fmt.Errorf("%w: a record of %d bytes", errLog, length)
		}
		at += length
	}
	return records, nil
}

// callerName returns the thread or processor that logged a message, as the kernel prints it.
func callerName(id uint32) string {
	const processor = 1 << 31
	if id&processor != 0 {
		return fmt.Sprintf("C%d", id&^processor)
	}
	return fmt.Sprintf("T%d", id)
}
