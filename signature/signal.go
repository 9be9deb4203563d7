package signature

import "strconv"

// signals are the names of Linux signals by number (asm-generic/signal.h).
var signals = [...]string{"", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
	"STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"}

// SignalName returns the name of a Linux signal, or "" for 0.
func SignalName(signal int) string {
	switch {
	case signal <= 0:
		return ""
	case signal < len(signals):
		return "SIG" + signals[signal]
	}
	return "SIG" + strconv.Itoa(signal)
}

// Class returns the class of a signal: memory, abort, arithmetic, illegal, watchdog,
// other, or none for 0.
func Class(signal int) string {
	switch SignalName(signal) {
	case "":
		return "none"
	case "SIGSEGV", "SIGBUS":
		return "memory"
	case "SIGABRT":
		return "abort"
	case "SIGFPE":
		return "arithmetic"
	case "SIGILL", "SIGTRAP":
		return "illegal"
	case "SIGQUIT", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU":
		return "watchdog"
	}
	return "other"
}

// isFault reports whether class is the class of a signal raised by the program's own
// instructions.
func isFault(class string) bool {
	return class == "memory" || class == "abort" || class == "arithmetic" || class == "illegal"
}
