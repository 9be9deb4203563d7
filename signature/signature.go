package signature

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Rule is the version of the rule that makes signatures. Signatures made by different rules
// cannot be compared.
const Rule = 2

// depth is the number of functions in a signature.
const depth = 5

// Death describes the end of a process, or of a kernel.
type Death struct {
	Stack    []string // stack of the thread that died, innermost frame first, as in info.json
	Program  string   // path or name of the program
	Modules  []Module
	Signal   int  // 0: none
	Handled  int  // the signal whose handler was running; 0: unknown
	Sent     bool // Handled is unknown, but is not a fault
	Overflow bool // the first fault was a stack overflow

	Kernel bool   // a kernel died; it has no signals
	Panic  string // the message with which it died
}

// Signature is the name of the way a process or kernel died.
type Signature struct {
	Hash    string // 16 hexadecimal digits
	Text    string // for humans: "CLASS/CAUSE MODULE: FUNCTION < CALLER"
	Class   string // class of the signal with which it began
	Program string
}

// ErrNameless means that no frame of the stack has a name.
var ErrNameless = errors.New("no function on its stack has a name, and none is in a file that was mapped")

// ErrScript means that the functions of the program are not on the stack: an interpreter died,
// and different bugs in a script look the same.
var ErrScript = errors.New("it died in the interpreter of a script, whose functions are not on the stack")

// script is the cause that the skip list gives to functions that run a script.
const script = "script"

// RuleName returns the name of the rule combined with list s. own says whether s is the
// program's own list.
func (s *Skip) RuleName(own bool) string {
	name := strconv.Itoa(Rule)
	if !own {
		name += "-" + s.sum
	}
	return name
}

// Of returns the signature of a death. The error is ErrNameless or ErrScript.
func Of(d Death, skip *Skip) (Signature, error) {
	program := moduleName(d.Program)
	frames := make([]frame, 0, len(d.Stack))
	for _, text := range d.Stack[:min(len(d.Stack), maxFrames)] {
		frames = append(frames, parseFrame(text, program, d.Modules))
	}
	frames, class := beginning(frames, d, skip)
	counted, cause := counting(frames, skip)
	home := "" // the module of the signature
	if len(counted) == 0 {
		counted, home = remaining(frames, skip), program
	}
	if d.Overflow {
		if cycle := repeated(counted); len(cycle) > 0 {
			counted, cause = cycle, "overflow"
		}
	}
	counted = once(counted)
	if !slices.ContainsFunc(counted, func(f frame) bool { return f.key() != "?" }) {
		return Signature{}, ErrNameless
	}
	if inInterpreter(counted, frames, skip) {
		return Signature{}, ErrScript
	}
	if home == "" {
		counted, home = ofLibrary(counted), counted[0].module
	}
	s := Signature{Class: class, Program: program}
	if cause != "" {
		class += "/" + cause
	}
	s.Text = class + " " + render(counted[:min(len(counted), depth)], home)
	sum := sha256.Sum256([]byte(s.Text))
	s.Hash = hex.EncodeToString(sum[:8])
	return s, nil
}

// signalFrames are the functions in the frames that the kernel creates for a signal.
var signalFrames = []string{"sigreturn", "__restore", "__restore_rt", "__kernel_sigreturn", "__kernel_rt_sigreturn", "__sighndlr",
	"runtime.sigreturn", "runtime.sigreturn.sigaction", "runtime.sigreturn__sigaction"}

// beginning returns the frames in which the death began, and the class of the signal. A fault
// began in the code that it interrupted, not in its handler. The code that a timer interrupted
// does not count if the handler itself is at fault.
func beginning(frames []frame, d Death, skip *Skip) ([]frame, string) {
	if d.Kernel {
		return beginningOfPanic(frames, d.Panic)
	}
	isSignal := func(f frame) bool { return slices.Contains(signalFrames, f.function) }
	class := Class(d.Signal)
	at := slices.IndexFunc(frames, isSignal)
	if at < 0 {
		return frames, class
	}
	handled := Class(d.Handled)
	switch {
	case d.Sent: // a handler that ends the program is a watchdog
		handled = "watchdog"
	case d.Handled == 0:
		handled = "handled"
	}
	if d.Sent || d.Handled != 0 && !isFault(handled) {
		_, cause := counting(frames[:at], skip)
		if class != "abort" && isFault(class) || cause != "" {
			return frames[:at], class
		}
	}
	frames = frames[at+1:]
	if next := slices.IndexFunc(frames, isSignal); next >= 0 { // within another handler
		frames = frames[:next]
	}
	return frames, handled
}

// counting returns the frames that say something about the bug, and the strongest cause given
// by the skipped frames above them.
func counting(frames []frame, skip *Skip) (counted []frame, cause string) {
	strongest := -1
	for i, f := range frames {
		v := skip.of(f)
		switch {
		case !v.skipped && f.key() == "?" && i > 0: // code generated at run time, or no code
		case !v.skipped:
			counted = append(counted, f)
		case len(counted) > 0:
		case v.cause == "": // such as abort(3) and what it calls
			cause, strongest = "", -1
		case strongest < 0 || v.line < strongest:
			cause, strongest = v.cause, v.line
		}
	}
	if len(counted) == 0 {
		cause = ""
	}
	return counted, cause
}

// remaining returns the frames that have a name and a cause. It is used if no frame of the
// stack says more, as in a thread that waits in the C library.
func remaining(frames []frame, skip *Skip) []frame {
	return slices.DeleteFunc(slices.Clone(frames), func(f frame) bool { return f.function == "" || skip.of(f).cause == "" })
}

// inInterpreter reports whether a script was running and no counted function, except main,
// belongs to a module other than the interpreter.
func inInterpreter(counted, frames []frame, skip *Skip) bool {
	at := slices.IndexFunc(frames, func(f frame) bool { return skip.of(f).cause == script })
	return at >= 0 && !slices.ContainsFunc(counted, func(f frame) bool { return f.module != frames[at].module && f.function != "main" })
}

// once returns the frames without those that repeat a function.
func once(frames []frame) []frame {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(frames), func(f frame) bool {
		was := seen[f.key()]
		seen[f.key()] = true
		return was
	})
}

// repeated returns one frame for each function of a recursion, sorted by name because the
// recursion may hit the end of the stack at any point.
func repeated(frames []frame) []frame {
	const often = 3
	times := map[string]int{}
	for _, f := range frames {
		times[f.key()]++
	}
	cycle := once(slices.DeleteFunc(slices.Clone(frames), func(f frame) bool { return times[f.key()] < often }))
	slices.SortFunc(cycle, func(a, b frame) int { return cmp.Compare(a.key(), b.key()) })
	return cycle
}

// ofLibrary returns the frames up to the first one outside the library that crashed, if there
// are two or more: a bug in a library is the same in all programs.
func ofLibrary(frames []frame) []frame {
	module := frames[0].module
	n := slices.IndexFunc(frames, func(f frame) bool { return f.module != module })
	if n < 2 || !strings.HasSuffix(module, ".so") {
		return frames
	}
	return frames[:n]
}

// render returns frames as HOME: FUNCTION < CALLER < MODULE`CALLER.
func render(frames []frame, home string) string {
	names := make([]string, len(frames))
	for i, f := range frames {
		names[i] = cmp.Or(f.function, f.place, "?")
		if f.module != home && f.function != "" {
			names[i] = cmp.Or(f.module, "?") + "`" + names[i]
		}
	}
	return cmp.Or(home, "?") + ": " + strings.Join(names, " < ")
}
