package signature

import (
	"regexp"
	"slices"
	"strings"
)

// Kernel is the program of a Linux kernel's Death.
const Kernel = "vmlinux"

// panicClasses maps parts of the kernel's messages to classes. The first part that a message
// contains decides.
var panicClasses = []struct{ part, class string }{
	{"lockup", "watchdog"}, {"LOCKUP", "watchdog"}, {"hung_task", "watchdog"}, {"RCU Stall", "watchdog"}, {"atchdog", "watchdog"},
	{"NULL pointer dereference", "memory"}, {"nable to handle", "memory"}, {"general protection fault", "memory"},
	{"KASAN", "memory"}, {"stack-protector", "memory"}, {"corrupted stack", "memory"}, {"double fault", "memory"}, {"stack segment", "memory"},
	{"divide error", "arithmetic"}, {"invalid opcode", "illegal"}, {"ndefined instruction", "illegal"},
}

// PanicClass returns the class of the message with which a Linux kernel died: memory, arithmetic,
// illegal, watchdog, none for "", and abort for a panic of the kernel's own.
func PanicClass(message string) string {
	if message == "" {
		return "none"
	}
	for _, c := range panicClasses {
		if strings.Contains(message, c.part) {
			return c.class
		}
	}
	return "abort"
}

// interruptFrame matches the functions at which an interrupt enters a Linux kernel.
var interruptFrame = regexp.MustCompile(`^(asm_(sysvec|common)_.*|asm_exc_nmi|(end_repeat_|asm_)?nmi|ret_from_intr|common_interrupt|[a-z_]*apic_timer_interrupt|call_function_.*interrupt|el1[ht]?_(64_)?(irq|fiq))$`)

// beginningOfPanic returns the frames in which a panic began, and its class. A watchdog
// panics in an interrupt, and what it interrupted is at fault; any other panic in an interrupt has
// nothing to do with what was interrupted.
func beginningOfPanic(frames []frame, message string) ([]frame, string) {
	class := PanicClass(message)
	isInterrupt := func(f frame) bool { return f.module == Kernel && interruptFrame.MatchString(f.function) }
	at := slices.IndexFunc(frames, isInterrupt)
	switch {
	case at < 0:
		return frames, class
	case class != "watchdog":
		return frames[:at], class
	}
	for next := at; next >= 0; next = slices.IndexFunc(frames, isInterrupt) {
		frames = frames[next+1:]
	}
	return frames, class
}
