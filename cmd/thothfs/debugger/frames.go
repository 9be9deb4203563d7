package debugger

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"thothfs/dump"
	"thothfs/signature"
)

// gdbFrame is one frame in the output of the script gdbFrames.
type gdbFrame struct {
	function     string // from gdb's own frame line, which includes inlined functions
	handler      bool   // a signal frame of the kernel, which gdb recognizes even without a symbol
	pc, sp       uint64
	here, before symbol // at the program counter, and at the byte before it
}

type symbol struct {
	name, module string // "" if there is none
	offset       uint64
}

var (
	frameHead   = regexp.MustCompile(`^#\d+ +(?:0x[0-9a-f]+ in )?(.*) \(.*\)`)
	framePC     = regexp.MustCompile(`^FRAME (0x[0-9a-f]+|0)(?: (0x[0-9a-f]+|0))?$`)
	frameSymbol = regexp.MustCompile(`^(.+?)(?: \+ (\d+))? in section \S+(?: of (.+))?$`)
	// A frame below one of these was interrupted by a signal, so its program counter is exact.
	frameSignal = regexp.MustCompile(`restore_rt|sigreturn|runtime\.sigpanic`)
)

// parseGDBFrames converts the output of gdbFrames to frames in Thoth's form.
func parseGDBFrames(out []byte, modules []dump.Module) []string {
	frames := scanGDBFrames(out)
	stack := make([]string, 0, len(frames))
	exact := true
	for i, f := range frames {
		// gdb prints an inlined function as a separate frame with the same address.
		inner := i > 0 && frames[i-1].sameAs(f)
		inlined := i+1 < len(frames) && f.sameAs(frames[i+1])
		if i > 0 && !inner {
			exact = frameSignal.MatchString(stack[i-1])
		}
		stack = append(stack, f.text(exact, inlined, modules))
	}
	return stack
}

func scanGDBFrames(out []byte) (frames []gdbFrame) {
	var head gdbFrame
	before := false
	for raw := range bytes.Lines(out) {
		line := strings.TrimSpace(string(raw))
		if strings.HasPrefix(line, "#") {
			head = gdbFrame{handler: strings.HasSuffix(line, " <signal handler called>")}
			if m := frameHead.FindStringSubmatch(line); m != nil && m[1] != "??" {
				head.function = m[1]
			}
			continue
		}
		if m := framePC.FindStringSubmatch(line); m != nil {
			head.pc, _ = strconv.ParseUint(m[1], 0, 64)
			head.sp, _ = strconv.ParseUint(cmp.Or(m[2], "0"), 0, 64)
			frames, before = append(frames, head), false
			head = gdbFrame{}
			continue
		}
		before = before || line == "CALL"
		m := frameSymbol.FindStringSubmatch(line)
		if m == nil || len(frames) == 0 {
			continue
		}
		s := symbol{name: signature.GoName(m[1]), module: m[3]}
		s.offset, _ = strconv.ParseUint(m[2], 10, 64)
		if f := &frames[len(frames)-1]; before {
			f.before = s
		} else {
			f.here = s
		}
	}
	return frames
}

// sameAs reports whether two adjacent frames belong to one call because one function was inlined
// into the other.
func (f gdbFrame) sameAs(next gdbFrame) bool {
	return f.pc == next.pc && f.sp == next.sp && f.sp != 0 && !f.handler && !next.handler
}

// text returns the frame in Thoth's form. A return address may already belong to the next function,
// so unless pc is exact, the function is that of the byte before it.
func (f gdbFrame) text(exact, inlined bool, modules []dump.Module) string {
	s := f.here
	if f.before.name != "" && !exact && !frameSignal.MatchString(s.name) && !f.handler {
		s = f.before
		s.offset++
	}
	if m := moduleAt(f.pc, modules); s.module == "" && m != nil {
		s.module = m.Path // gdb names it only with a symbol, and only if there are several
	}
	switch {
	case inlined && f.function != "":
		return inModule(s.module, signature.GoName(f.function)+"()")
	case s.name != "":
		return inModule(s.module, fmt.Sprintf("%s+%#x()", s.name, s.offset))
	case f.handler:
		return "sigreturn()"
	}
	return addressFrame(f.pc, modules)
}

var euFrame = regexp.MustCompile(`^#\d+ +(0x[0-9a-f]+)( - 1)?(?: +([^- ].*?|-[^ ].*?))?(?: +- (.+))?$`)

// parseEUFrames converts the output of eu-stack -v -m to frames in Thoth's form. Return addresses
// are followed by "- 1"; exact addresses are not.
func parseEUFrames(out []byte, modules []dump.Module) (stack []string) {
	threads := 0
	for raw := range bytes.Lines(out) {
		line := strings.TrimRight(string(raw), "\n")
		if strings.HasPrefix(line, "TID ") {
			if threads++; threads > 1 {
				break
			}
		}
		m := euFrame.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		pc, _ := strconv.ParseUint(m[1], 0, 64)
		switch {
		case m[3] != "":
			stack = append(stack, inModule(m[4], m[3]+"()"))
		case m[2] == "" && len(stack) > 0 && !frameSignal.MatchString(stack[len(stack)-1]):
			stack = append(stack, "sigreturn()")
		default:
			stack = append(stack, addressFrame(pc, modules))
		}
	}
	return stack
}

// addressFrame formats a frame without a symbol as MODULE`+0xOFFSET(), or as just the address if no
// file was mapped there.
func addressFrame(pc uint64, modules []dump.Module) string {
	if m := moduleAt(pc, modules); m != nil {
		return fmt.Sprintf("%s`+%#x()", filepath.Base(m.Path), pc-m.Start)
	}
	return fmt.Sprintf("%#x()", pc)
}

// moduleAt returns the module that is mapped at an address, or nil.
func moduleAt(pc uint64, modules []dump.Module) *dump.Module {
	for i, m := range modules {
		// Mappings of one file that are further apart have other memory between them.
		if pc >= m.Start && pc < m.End && pc-m.Start < 1<<32 {
			return &modules[i]
		}
	}
	return nil
}

// inModule prefixes a frame with the name of its module, if that is a library.
func inModule(module, frame string) string {
	if base := filepath.Base(module); module != "" && strings.Contains(base, ".so") {
		return base + "`" + frame
	}
	return frame
}
