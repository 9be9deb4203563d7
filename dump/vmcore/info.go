package vmcore

import (
	"bytes"
	"strconv"
)

// maxInfo is the maximum size of VMCOREINFO in bytes. The kernel writes it into one page.
const maxInfo = 1 << 20

// Info is the content of a VMCOREINFO note: KEY=VALUE lines.
type Info map[string]string

// ParseInfo parses the description of a VMCOREINFO note. It ignores lines without a value.
func ParseInfo(b []byte) Info {
	info := Info{}
	for line := range bytes.Lines(b[:min(len(b), maxInfo)]) {
		key, value, ok := bytes.Cut(bytes.TrimRight(line, "\x00\n"), []byte("="))
		if ok {
			info[string(key)] = string(value)
		}
	}
	return info
}

// hex returns a hexadecimal number, with or without 0x.
func (i Info) hex(key string) (uint64, bool) {
	text := i[key]
	if len(text) > 2 && text[:2] == "0x" {
		text = text[2:]
	}
	n, err := strconv.ParseUint(text, 16, 64)
	return n, err == nil
}

// symbol returns the address of a symbol.
func (i Info) symbol(name string) (uint64, bool) { return i.hex("SYMBOL(" + name + ")") }

// number returns a number in C's notation, of either sign.
func (i Info) number(name string) (uint64, bool) {
	text := i["NUMBER("+name+")"]
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return uint64(n), true
	}
	n, err := strconv.ParseUint(text, 0, 64)
	return n, err == nil
}

// maxStruct is the maximum size in bytes of a structure whose size or offsets are used.
const maxStruct = 64 << 10

// offset returns the offset of a member in its structure, such as "prb_desc.state_var".
func (i Info) offset(member string) (int, bool) { return i.small("OFFSET(" + member + ")") }

// size returns the size of a structure in bytes.
func (i Info) size(name string) (int, bool) {
	n, ok := i.small("SIZE(" + name + ")")
	return n, ok && n > 0
}

func (i Info) small(key string) (int, bool) {
	n, err := strconv.ParseUint(i[key], 10, 64)
	return int(min(n, maxStruct)), err == nil && n < maxStruct
}
