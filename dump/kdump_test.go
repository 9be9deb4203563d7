package dump

import (
	"bytes"
	"debug/elf"
	"errors"
	"strings"
	"testing"
	"time"

	"thothfs/dump/dumptest"
)

// kdumps returns compressed dumps like those of makedumpfile and QEMU.
func kdumps() map[string]dumptest.Kdump {
	return map[string]dumptest.Kdump{
		"makedumpfile":                {Node: "db7", Pages: 300, Zeros: 40},
		"QEMU":                        {Pages: 300, Zeros: 5},
		"zeros kept":                  {Node: "db7", Pages: 30, Zeros: 30, KeepZero: true},
		"zeros behind two reads":      {Node: "db7", Pages: 1, Zeros: 2*pageDescsAtOnce + 5},
		"nothing but zeros":           {Node: "db7", Zeros: 7},
		"one page":                    {Node: "db7", Pages: 1},
		"erased":                      {Node: "db7", Pages: 20, Zeros: 3, Erased: "erase jprobe size 8\n"},
		"big-endian":                  {Node: "db7", Pages: 20, Zeros: 3, Order: be},
		"32-bit":                      {Node: "db7", Pages: 20, Zeros: 3, Word: 4},
		"32-bit, big-endian, no zero": {Node: "db7", Pages: 20, Order: be, Word: 4},
	}
}

// TestKdumpEnd checks that a complete dump ends with its last page, and that one cut anywhere
// after its headers is truncated.
func TestKdumpEnd(t *testing.T) {
	for name, k := range kdumps() {
		t.Run(name, func(t *testing.T) {
			b := k.Build()
			info := inspect(t, b)
			if info.Truncated() || info.Needed != int64(len(b)) || info.Exact {
				t.Errorf("%d bytes, %d needed, exact %v", len(b), info.Needed, info.Exact)
			}
			for _, n := range []int{8192, 8200, 12288, 16384, 16390, 16384 + 24, len(b) * 2 / 3, len(b) - 4096, len(b) - 1} {
				if n < 8192 || n >= len(b) {
					continue
				}
				if cut := inspect(t, b[:n]); !cut.Truncated() || cut.Needed > int64(len(b)) || cut.ID != info.ID {
					t.Errorf("cut to %d of %d bytes: %d needed", n, len(b), cut.Needed)
				}
			}
			if longer := inspect(t, append(b, 1)); longer.Truncated() || longer.Needed != int64(len(b)) {
				t.Errorf("with a tail: %d needed", longer.Needed)
			}
		})
	}
}

// TestKdumpIncomplete checks a dump that makedumpfile could not finish. Its complete size is
// unknown.
func TestKdumpIncomplete(t *testing.T) {
	b := dumptest.Kdump{Node: "db7", Pages: 30, Incomplete: true}.Build()
	if info := inspect(t, b[:len(b)-5000]); info.Truncated() || info.Exact || info.Properties["incomplete"] != "true" {
		t.Errorf("%+v", info)
	}
}

func TestKdumpHostilePages(t *testing.T) {
	k := dumptest.Kdump{Node: "db7", Pages: 30, Zeros: 3}
	const table = 4 * 4096
	for name, desc := range map[string]struct {
		i    int
		off  uint64
		size uint32
	}{
		"first at 0":           {0, 0, 10},
		"first in the headers": {0, 5000, 10},
		"first negative":       {0, 1 << 63, 10},
		"first far away":       {0, 1 << 62, 10},
		"first without data":   {0, 1 << 14, 0},
		"nothing far away":     {0, 1 << 62, 0}, // must not be reached step by step
		"last negative":        {32, 1<<64 - 1, 1<<32 - 1},
		"last far away":        {32, 1<<63 - 1, 1<<32 - 1},
		"last in itself":       {32, table, 24},
	} {
		t.Run(name, func(t *testing.T) {
			b := k.Build()
			le.PutUint64(b[table+desc.i*24:], desc.off)
			le.PutUint32(b[table+desc.i*24+8:], desc.size)
			if info := inspect(t, b); info.Exact || info.Needed < table {
				t.Errorf("%+v", info)
			}
		})
	}
}

func TestKdumpSplit(t *testing.T) {
	for name, k := range map[string]dumptest.Kdump{
		"64-bit": {Node: "db7", Pages: 10, Split: [2]uint64{64, 128}},
		"32-bit": {Node: "db7", Pages: 10, Split: [2]uint64{64, 128}, Word: 4, Order: be},
	} {
		b := k.Build()
		var u *UnsupportedError
		_, err := Inspect(bytes.NewReader(b), int64(len(b)))
		if !errors.As(err, &u) || !strings.Contains(u.Format, "64 to 128") || !strings.Contains(u.Hint, "--reassemble") {
			t.Errorf("%s: %v", name, err)
		}
		if _, herr := Hash(bytes.NewReader(b), int64(len(b))); herr == nil || herr.Error() != err.Error() {
			t.Errorf("%s: hash: %v", name, herr)
		}
	}
}

func TestKdumpTime(t *testing.T) {
	for usec, want := range map[uint64]time.Time{
		0:       time.Unix(1600000000, 0),
		999999:  time.Unix(1600000000, 999999000),
		1000000: {}, 1 << 60: {}, 1 << 61: {}, 1<<64 - 1: {},
	} {
		b := dumptest.Kdump{Node: "db7", Pages: 1, Microsecond: usec}.Build()
		if info := inspect(t, b); !info.Time.Equal(want) {
			t.Errorf("%d microseconds: %v, want %v", usec, info.Time, want)
		}
	}
}

// TestVmdumpEnd checks that a complete compressed crash dump ends with its header again.
func TestVmdumpEnd(t *testing.T) {
	for _, data := range []int{1, 50000, 52*1024 + 65536, 300000} {
		b := dumptest.Vmdump("headnode", data)
		info := inspect(t, b)
		if info.Truncated() || info.Needed != int64(len(b)) || info.Exact || info.Format != "illumos vmdump" {
			t.Errorf("%d bytes, %d needed, exact %v", len(b), info.Needed, info.Exact)
		}
		for _, n := range []int{8192, 12288, 65536, 70000, 2 * 65536, len(b) - 65536, len(b) - 65535, len(b) - 1} {
			if n >= len(b) {
				continue
			}
			if cut := inspect(t, b[:n]); !cut.Truncated() || cut.Needed > int64(len(b)) || cut.ID != info.ID {
				t.Errorf("cut to %d of %d bytes: %d needed", n, len(b), cut.Needed)
			}
		}
		valid := bytes.Clone(b)
		valid[len(b)-65536+8] &^= 1
		other := bytes.Clone(b)
		other[len(b)-65536+320]++
		if inspect(t, valid).Truncated() || !inspect(t, other).Truncated() {
			t.Error("the header at the end")
		}
		if longer := inspect(t, append(b, 1)); longer.Truncated() {
			t.Errorf("with a tail: %d needed", longer.Needed)
		}
	}
}

// TestELFEnd checks that the end of an ELF dump is exact unless it has more headers than are
// read.
func TestELFEnd(t *testing.T) {
	for name, e := range map[string]elfFile{"core": synthIllumos(64, elf.EM_X86_64, le), "vmcore": synthVMCore()} {
		b := e.build().dense()
		if info := inspect(t, b); !info.Exact || info.Needed > int64(len(b)) {
			t.Errorf("%s: %d bytes, %d needed, exact %v", name, len(b), info.Needed, info.Exact)
		}
	}
	b := synthVMCore().build().dense()
	le.PutUint64(b[40:], 64)     // e_shoff
	le.PutUint16(b[58:], 0xffff) // e_shentsize
	le.PutUint16(b[60:], 0xffff) // e_shnum
	if info := inspect(t, b); info.Exact {
		t.Errorf("%+v", info)
	}
}
