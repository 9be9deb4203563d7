package vmcore

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"
)

// maxFrames is the maximum number of frames of a stack.
const maxFrames = 512

// line is one line of the log.
type line struct {
	nanos uint64
	text  string
}

// linesOf returns the lines of records, each up to 1,024 bytes: the kernel's own are shorter.
func linesOf(records []record) []line {
	const longest = 1024
	var lines []line
	for _, r := range records {
		for text := range bytes.SplitSeq(r.text, []byte("\n")) {
			lines = append(lines, line{r.nanos, string(text[:min(len(text), longest)])})
		}
	}
	return lines
}

const panicPrefix = "Kernel panic - not syncing: "

var (
	// exceptionLine matches the line of an exception that ends with the number of exceptions so
	// far: "Oops: 0002 [#1] PREEMPT SMP". The kernel writes one before it dies of an exception.
	exceptionLine = regexp.MustCompile(`\[#[0-9]+\](?: |$)`)
	// exceptionReason matches what the kernel writes before that line, if the exception has a
	// known reason.
	exceptionReason = regexp.MustCompile(`^(?:BUG: |kernel BUG at |Unable to handle kernel )`)
)

// death is what the log says about the end of the kernel.
type death struct {
	panic string
	nanos uint64   // time of the message since boot
	stack []string // innermost frame first
}

// findDeath returns the panic that ended the kernel, or the exception after which it was dumped.
// ok is false if there is neither.
func findDeath(lines []line) (d death, ok bool) {
	last := -1
	for i, l := range lines {
		if strings.HasPrefix(l.text, panicPrefix) {
			last = i
		}
	}
	if last < 0 { // with kexec, an exception ends the kernel without a panic
		return exceptionBefore(lines, len(lines))
	}
	d = death{panic: strings.TrimSpace(lines[last].text[len(panicPrefix):]), nanos: lines[last].nanos}
	fatal := strings.Contains(d.panic, "Fatal exception")
	if !fatal {
		d.stack = traceAfter(lines[last:])
	}
	if e, ok := exceptionBefore(lines, last); ok && d.stack == nil {
		d.stack = e.stack
		if fatal { // says less than what was reported before
			d.panic = e.panic
		}
	}
	return d, true
}

// exceptionBefore returns the last exception that was reported before line end.
func exceptionBefore(lines []line, end int) (death, bool) {
	const mostBetween = 16 // lines between the reason and the exception; aarch64 shows page tables there
	for i := end - 1; i >= 0; i-- {
		if !exceptionLine.MatchString(lines[i].text) {
			continue
		}
		reason := lines[i]
		for j := i - 1; j >= max(0, i-mostBetween) && !strings.HasPrefix(lines[j].text, "---[ end"); j-- {
			if exceptionReason.MatchString(lines[j].text) {
				reason = lines[j]
				break
			}
		}
		return death{strings.TrimSpace(reason.text), reason.nanos, traceAfter(lines[i:end])}, true
	}
	return death{}, false
}

var (
	// traceFrame matches a line such as " ? nfs_readpage+0x12/0x340 [nfs]". Older kernels write
	// the address before it, others "(P)" behind it.
	traceFrame = regexp.MustCompile(`^\s*(?:\[<[0-9a-f]+>\]\s+)?(\? )?([A-Za-z_.$][\w.$]*)\+(0x[0-9a-f]+)/0x[0-9a-f]+(?: \[([\w-]+)[^\]]*\])?(?: \([A-Z]+\))?\s*$`)
	// faultFrame matches the instruction at which the kernel (not a program) was interrupted.
	faultFrame = regexp.MustCompile(`^(?:RIP: 0010:|pc : )(?:\[<[0-9a-f]+>\]\s+)*(\S.*)$`)
	traceStart = regexp.MustCompile(`^\s*Call [Tt]race:`)
	traceEnd   = regexp.MustCompile(`^(?:\s*</TASK>|---\[ |Code: |RIP: 0033:|Modules linked in:|Kernel Offset:|SMP: stopping|Rebooting in)`)
)

// traceAfter returns the first call trace in lines. The instruction that was interrupted comes
// first, unless the trace has it.
func traceAfter(lines []line) (stack []string) {
	fault, inside := "", false
	for i, l := range lines {
		at := frameIn(faultFrame, l.text)
		switch {
		case !inside && traceStart.MatchString(l.text):
			inside = true
			if fault != "" && strings.Contains(l.text, "Call Trace:") { // on aarch64, the trace has it
				stack = append(stack, fault)
			}
		case !inside:
			fault = cmp.Or(fault, at)
		case strings.HasPrefix(l.text, "Code: ") && strings.HasPrefix(lines[i-1].text, "RIP: 0010:"):
			// registers within the trace, saved by an interrupt
		case traceEnd.MatchString(l.text), len(stack) >= maxFrames:
			return stack
		case at != "":
			stack = append(stack, at)
		default:
			if m := traceFrame.FindStringSubmatch(l.text); m != nil && m[1] == "" {
				stack = append(stack, frame(m))
			}
		}
	}
	return stack
}

// frameIn returns the frame in the rest of a line that re matches, or "".
func frameIn(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		if f := traceFrame.FindStringSubmatch(m[1]); f != nil {
			return frame(f)
		}
	}
	return ""
}

// frame returns a frame in the form of info.json: MODULE`FUNCTION+0xOFFSET().
func frame(m []string) string {
	text := m[2] + "+" + m[3] + "()"
	if m[4] != "" {
		text = m[4] + "`" + text
	}
	return text
}
