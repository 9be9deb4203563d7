package vmcore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// flat is virtual memory that starts at address 4096.
type flat []byte

func (m flat) ReadMemory(p []byte, addr uint64) error {
	if addr < 4096 || addr-4096 > uint64(len(m)) || uint64(len(p)) > uint64(len(m))-(addr-4096) {
		return absent(addr)
	}
	copy(p, m[addr-4096:])
	return nil
}

// bufferInfo is what VMCOREINFO of Linux 4.19 says about its log.
var bufferInfo = Info{
	"SYMBOL(log_buf)": "1000", "SYMBOL(log_buf_len)": "1008", "SYMBOL(log_first_idx)": "1010", "SYMBOL(log_next_idx)": "1018",
	"SIZE(printk_log)": "16", "OFFSET(printk_log.ts_nsec)": "0", "OFFSET(printk_log.len)": "8", "OFFSET(printk_log.text_len)": "10", "OFFSET(printk_log.dict_len)": "12",
}

// bufferOf returns memory with a log of Linux 3.5 to 5.9 that has messages, the first of which
// starts at offset first of the buffer.
func bufferOf(size, first int, caller uint32, messages ...string) flat {
	order := binary.LittleEndian
	m := make(flat, 4096+size)
	order.PutUint64(m, 8192) // log_buf
	order.PutUint32(m[8:], uint32(size))
	order.PutUint32(m[16:], uint32(first))
	header, buffer, at := 16, m[4096:], first
	if caller != 0 {
		header = 24
	}
	for i, text := range messages {
		n := (header + len(text) + 3) &^ 3
		if at+n+header > size { // leave room for the record that ends the buffer
			clear(buffer[at:])
			at = 0
		}
		r := buffer[at:]
		order.PutUint64(r, uint64(i)*1_500_000_000+1999)
		order.PutUint16(r[8:], uint16(n))
		order.PutUint16(r[10:], uint16(len(text)))
		if caller != 0 {
			order.PutUint32(r[16:], caller)
		}
		copy(r[header:], text)
		at += n
	}
	order.PutUint32(m[24:], uint32(at))
	return m
}

// TestLogBuffer checks logs of Linux 3.5 to 5.9, with and without a wrap. makedumpfile 1.7.2
// prints the same for them.
func TestLogBuffer(t *testing.T) {
	t.Parallel()
	messages := []string{"Linux version 4.19.0", "two\nlines", "caf\xc3\xa9\ttab \x01", "", "Kernel panic - not syncing: sysrq triggered crash"}
	const want = "[    0.000001] Linux version 4.19.0\n[    1.500001] two\n               lines\n[    3.000001] caf\\xc3\\xa9\ttab \\x01\n" +
		"[    4.500001] \n[    6.000001] Kernel panic - not syncing: sysrq triggered crash\n"
	before311 := Info{}
	for key, value := range bufferInfo {
		before311[strings.ReplaceAll(key, "printk_log", "log")] = value
	}
	withCaller := maps.Clone(bufferInfo)
	withCaller["SIZE(printk_log)"], withCaller["OFFSET(printk_log.caller_id)"] = "24", "16"
	for name, c := range map[string]struct {
		info   Info
		memory flat
		prefix string
	}{
		"from the start":       {bufferInfo, bufferOf(4096, 0, 0, messages...), ""},
		"wrapped":              {bufferInfo, bufferOf(256, 180, 0, messages...), ""},
		"of Linux 3.10":        {before311, bufferOf(256, 100, 0, messages...), ""},
		"with threads":         {withCaller, bufferOf(512, 300, 123, messages...), "[    T123] "},
		"with processors":      {withCaller, bufferOf(512, 0, 1<<31|7, messages...), "[      C7] "},
		"with no room left":    {bufferInfo, bufferOf(196, 0, 0, messages[:4]...), ""},
		"with one message":     {bufferInfo, bufferOf(256, 0, 0, messages[0]), ""},
		"ending at the buffer": {bufferInfo, bufferOf(36+16, 0, 0, messages[0]), ""},
	} {
		log, err := New(Source{Info: c.info, Virtual: c.memory, Physical: memory{}}).Log()
		text := want
		if c.prefix != "" {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "01] ", "01] "+c.prefix), "               lines", strings.Repeat(" ", 15+len(c.prefix))+"lines")
		}
		if err != nil || !strings.HasPrefix(text, string(log)) || len(log) == 0 {
			t.Errorf("%s: %v\n%s", name, err, log)
		}
		if !strings.Contains(name, "one") && !strings.Contains(name, "ending") && !strings.Contains(name, "room") && string(log) != text {
			t.Errorf("%s: got\n%s", name, log)
		}
	}
}

// TestLogBufferDamaged checks that a damaged log ends at the damage.
func TestLogBufferDamaged(t *testing.T) {
	t.Parallel()
	order := binary.LittleEndian
	for name, change := range map[string]func(flat){
		"no length at the start": func(m flat) { order.PutUint16(m[4096+8:], 0) },
		"length of 1":            func(m flat) { order.PutUint16(m[4096+8:], 1) },
		"length into itself":     func(m flat) { order.PutUint16(m[4096+24+8:], 8) },
		"too long":               func(m flat) { order.PutUint16(m[4096+24+8:], 0xffff) },
		"text too long":          func(m flat) { order.PutUint16(m[4096+24+10:], 0xffff) },
		"end outside":            func(m flat) { order.PutUint32(m[24:], 1<<31) },
		"start outside":          func(m flat) { order.PutUint32(m[16:], 1<<32-4) },
		"end between records":    func(m flat) { order.PutUint32(m[24:], 30) },
		"huge":                   func(m flat) { order.PutUint32(m[8:], 1<<31) },
		"elsewhere":              func(m flat) { order.PutUint64(m, 1<<40) },
	} {
		m := bufferOf(256, 0, 0, "one", "two", "three")
		change(m)
		log, err := New(Source{Info: bufferInfo, Virtual: m, Physical: memory{}}).Log()
		if err != nil && (!errors.Is(err, ErrAbsent) || log != nil) || err == nil && !strings.HasPrefix(string(log), "[    0.000001] one\n") || len(log) > 4096 {
			t.Errorf("%s: %v\n%s", name, err, log)
		}
	}
	for key := range bufferInfo {
		if key == "OFFSET(printk_log.dict_len)" {
			continue
		}
		less := maps.Clone(bufferInfo)
		delete(less, key)
		if log, err := New(Source{Info: less, Virtual: bufferOf(256, 0, 0, "one"), Physical: memory{}}).Log(); !errors.Is(err, ErrAbsent) {
			t.Errorf("without %s: %q, %v", key, log, err)
		}
	}
}

// ringInfo is what VMCOREINFO of Linux 6.1 says about its log.
var ringInfo = Info{
	"SYMBOL(prb)": "1000", "OFFSET(printk_ringbuffer.desc_ring)": "0", "OFFSET(printk_ringbuffer.text_data_ring)": "48",
	"OFFSET(prb_desc_ring.count_bits)": "0", "OFFSET(prb_desc_ring.descs)": "8", "OFFSET(prb_desc_ring.infos)": "16",
	"OFFSET(prb_desc_ring.head_id)": "24", "OFFSET(prb_desc_ring.tail_id)": "32",
	"SIZE(prb_desc)": "24", "OFFSET(prb_desc.state_var)": "0", "OFFSET(prb_desc.text_blk_lpos)": "8",
	"OFFSET(prb_data_blk_lpos.begin)": "0", "OFFSET(prb_data_blk_lpos.next)": "8",
	"SIZE(printk_info)": "88", "OFFSET(printk_info.ts_nsec)": "8", "OFFSET(printk_info.text_len)": "16",
	"OFFSET(prb_data_ring.size_bits)": "0", "OFFSET(prb_data_ring.data)": "8", "OFFSET(atomic_long_t.counter)": "0",
}

// ringState is the state of a descriptor.
type ringState uint64

const (
	reserved ringState = iota
	committed
	finalized
	reusable
)

// ringOf returns memory with a ring of 8 descriptors and 256 bytes of text, to which messages
// were written in the given states. A negative ID lets the last ID wrap.
func ringOf(first int64, states []ringState, messages ...string) flat {
	order := binary.LittleEndian
	const count, size, descs, infos, data = 8, 256, 0x2000, 0x3000, 0x4000
	m := make(flat, data-4096+size)
	at := func(addr int) []byte { return m[addr-4096:] }
	order.PutUint64(at(0x1000), 0x1100)
	ring := at(0x1100)
	order.PutUint32(ring, 3)
	order.PutUint64(ring[8:], descs)
	order.PutUint64(ring[16:], infos)
	order.PutUint32(ring[48:], 8)
	order.PutUint64(ring[56:], data)
	const mask = 1<<stateBits - 1
	lpos := uint64(1<<40 - 64) // wraps after 64 bytes
	var id uint64
	for i, text := range messages {
		id = (uint64(first) + uint64(i)) & mask
		slot := int(id % count)
		n := uint64(8+len(text)+7) &^ 7
		begin := lpos
		if begin%size+n >= size { // the block would wrap: all of it is at the start
			lpos = (lpos + size) &^ (size - 1)
		}
		text2 := at(data + int(lpos%size))
		if begin != lpos {
			text2 = at(data)
		}
		order.PutUint64(text2, id)
		copy(text2[8:], text)
		lpos += n
		desc, info := at(descs+24*slot), at(infos+88*slot)
		order.PutUint64(desc, uint64(states[i%len(states)])<<stateBits|id)
		order.PutUint64(desc[8:], begin)
		order.PutUint64(desc[16:], lpos)
		if text == "" {
			order.PutUint64(desc[8:], 3)
			order.PutUint64(desc[16:], 3)
		}
		order.PutUint64(info[8:], uint64(i)*1_000_000_000)
		order.PutUint16(info[16:], uint16(len(text)))
	}
	tail := uint64(first)
	if len(messages) > count {
		tail += uint64(len(messages) - count)
	}
	order.PutUint64(ring[24:], id)
	order.PutUint64(ring[32:], tail&mask)
	return m
}

func ringLog(m flat, info Info) (string, error) {
	log, err := New(Source{Info: info, Virtual: m, Physical: memory{}}).Log()
	return string(log), err
}

func TestLogRing(t *testing.T) {
	t.Parallel()
	line := func(i int, text string) string { return fmt.Sprintf("[%5d.000000] %s\n", i, text) }
	long := strings.Repeat("x", 40)
	done := []ringState{finalized, committed}
	for name, c := range map[string]struct {
		memory flat
		want   string
	}{
		"one":              {ringOf(0, done, "a"), line(0, "a")},
		"text wraps":       {ringOf(5, done, long+"1", long+"2", long+"3", long+"4"), line(0, long+"1") + line(1, long+"2") + line(2, long+"3") + line(3, long+"4")},
		"IDs wrap":         {ringOf(-2, done, "a", "b", "c", "d"), line(0, "a") + line(1, "b") + line(2, "c") + line(3, "d")},
		"full":             {ringOf(3, done, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"), line(2, "c") + line(3, "d") + line(4, "e") + line(5, "f") + line(6, "g") + line(7, "h") + line(8, "i") + line(9, "j")},
		"unfinished":       {ringOf(0, []ringState{finalized, reserved, committed, reusable}, "a", "b", "c", "d"), line(0, "a") + line(2, "c")},
		"without text":     {ringOf(0, done, "a", "", "c"), line(0, "a") + line(2, "c")},
		"of several lines": {ringOf(0, done, "a\nb"), "[    0.000000] a\n               b\n"},
	} {
		if log, err := ringLog(c.memory, ringInfo); err != nil || log != c.want {
			t.Errorf("%s: %v\n%s", name, err, log)
		}
	}
}

// TestLogRingDamaged checks that a damaged record is left out, or shortened.
func TestLogRingDamaged(t *testing.T) {
	t.Parallel()
	order := binary.LittleEndian
	const a, b, c = "[    0.000000] a\n", "[    1.000000] b\n", "[    2.000000] c\n"
	for name, test := range map[string]struct {
		change func(flat)
		want   string
	}{
		"ID of another":       {func(m flat) { m[0x1000+24] ^= 8 }, a + c},
		"text too long":       {func(m flat) { order.PutUint16(m[0x2000+88+16:], 0xffff) }, a + "[    1.000000] b\\x00\\x00\\x00\\x00\\x00\\x00\\x00\n" + c},
		"block too short":     {func(m flat) { order.PutUint64(m[0x1000+24+16:], order.Uint64(m[0x1000+24+8:])+4) }, a + c},
		"tail after the head": {func(m flat) { order.PutUint64(m[0x100+32:], 9) }, a + b + c},
		"rings too large":     {func(m flat) { m[0x100] = 63 }, ""},
		"text ring too large": {func(m flat) { m[0x100+48] = 63 }, ""},
		"no descriptors":      {func(m flat) { order.PutUint64(m[0x100+8:], 1<<40) }, ""},
		"no text":             {func(m flat) { order.PutUint64(m[0x100+56:], 1<<40) }, ""},
		"no ring":             {func(m flat) { order.PutUint64(m, 1<<40) }, ""},
	} {
		m := ringOf(0, []ringState{finalized}, "a", "b", "c")
		test.change(m)
		log, err := ringLog(m, ringInfo)
		if log != test.want || (test.want == "") != errors.Is(err, ErrAbsent) {
			t.Errorf("%s: %v\n%s", name, err, log)
		}
	}
	for key := range ringInfo {
		less := maps.Clone(ringInfo)
		delete(less, key)
		if log, err := ringLog(ringOf(0, []ringState{finalized}, "a"), less); !errors.Is(err, ErrAbsent) {
			t.Errorf("without %s: %q, %v", key, log, err)
		}
		less[key] = "65000"
		if log, err := ringLog(ringOf(0, []ringState{finalized}, "a"), less); err == nil && log != a {
			t.Errorf("%s of 65000: %q", key, log)
		}
	}
}

// FuzzKernel checks that no memory and no VMCOREINFO makes Facts or Log fail or run away.
func FuzzKernel(f *testing.F) {
	text := func(i Info) (s string) {
		for key, value := range i {
			s += key + "=" + value + "\n"
		}
		return s
	}
	f.Add(text(ringInfo), []byte(ringOf(-3, []ringState{finalized}, "a", "b\nc", "Kernel panic - not syncing: x", "Call Trace:", " f+0x1/0x2 [m]")))
	f.Add(text(bufferInfo), []byte(bufferOf(256, 200, 0, "a", "b\nc")))
	f.Add("SYMBOL(init_uts_ns)=1000\nNUMBER(phys_base)=0\nSYMBOL(init_top_pgt)=1000\n", make([]byte, 8192))
	f.Fuzz(func(t *testing.T, info string, m []byte) {
		s := Source{Info: ParseInfo([]byte(info)), Virtual: flat(m), Physical: flat(m)}
		facts, err := New(s).Facts()
		log, err2 := New(s).Log()
		if err != nil || err2 != nil && !errors.Is(err2, ErrAbsent) || len(log) > 2*maxLog || len(facts.Stack) > maxFrames {
			t.Errorf("%v, %v, %d bytes", err, err2, len(log))
		}
	})
}
