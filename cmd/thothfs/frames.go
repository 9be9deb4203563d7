package main

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"thothfs/dump"
	"thothfs/signature"
)

// gdbFrame is what gdbFrames prints of a frame.
type gdbFrame struct {
	function     string // in gdb's own line: of an inlined function, too
	handler      bool   // gdb knows the kernel's frame for a signal without a symbol, too
	pc, sp       uint64
	here, behind symbol // at the program counter, and at the byte before
}

type symbol struct {
	name, module string // "": none
	offset       uint64
}

var (
	frameHead   = regexp.MustCompile(`^#\d+ +(?:0x[0-9a-f]+ in )?(.*) \(.*\)`)
	framePC     = regexp.MustCompile(`^FRAME (0x[0-9a-f]+|0)(?: (0x[0-9a-f]+|0))?$`)
	frameSymbol = regexp.MustCompile(`^(.+?)(?: \+ (\d+))? in section \S+(?: of (.+))?$`)
	// interrupted frames are where they say, not behind a call: those below one of these.
	frameSignal = regexp.MustCompile(`restore_rt|sigreturn|runtime\.sigpanic`)
)

// parseGDBFrames turns the output of gdbFrames into Thoth's form.
func parseGDBFrames(out []byte, modules []dump.Module) []string {
	frames := scanGDBFrames(out)
	stack := make([]string, 0, len(frames))
	exact := true
	for i, f := range frames {
		// gdb shows an inlined function as a frame of its own, at the same place.
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
	behind := false
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
			frames, behind = append(frames, head), false
			head = gdbFrame{}
			continue
		}
		behind = behind || line == "CALL"
		m := frameSymbol.FindStringSubmatch(line)
		if m == nil || len(frames) == 0 {
			continue
		}
		s := symbol{name: signature.GoName(m[1]), module: m[3]}
		s.offset, _ = strconv.ParseUint(m[2], 10, 64)
		if f := &frames[len(frames)-1]; behind {
			f.behind = s
		} else {
			f.here = s
		}
	}
	return frames
}

// sameAs reports whether two neighbouring frames are of one call: functions that were
// inlined into one another.
func (f gdbFrame) sameAs(next gdbFrame) bool {
	return f.pc == next.pc && f.sp == next.sp && f.sp != 0 && !f.handler && !next.handler
}

// text is the frame in Thoth's form. A call returns behind itself, which may be the next
// function already: unless exact, the function is that of the byte before.
func (f gdbFrame) text(exact, inlined bool, modules []dump.Module) string {
	s := f.here
	if f.behind.name != "" && !exact && !frameSignal.MatchString(s.name) && !f.handler {
		s = f.behind
		s.offset++
	}
	switch {
	case inlined && f.function != "":
		return inModule(s.module, signature.GoName(f.function)+"()")
	case s.name != "":
		return inModule(s.module, fmt.Sprintf("%s+%#x()", s.name, s.offset))
	case f.handler:
		return "sigreturn()"
	}
	return placeFrame(f.pc, modules)
}

var euFrame = regexp.MustCompile(`^#\d+ +(0x[0-9a-f]+)( - 1)?(?: +([^- ].*?|-[^ ].*?))?(?: +- (.+))?$`)

// parseEUFrames turns the output of eu-stack -v -m into Thoth's form. A call has "- 1"
// behind its address; what a signal interrupted, or returns from one, has not.
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
			stack = append(stack, placeFrame(pc, modules))
		}
	}
	return stack
}
