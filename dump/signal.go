package dump

import (
	"slices"
	"strconv"
	"strings"
)

// SignalInfo describes the signal that ended a process, as recorded in siginfo_t. Without one, only
// the number is known.
type SignalInfo struct {
	Number  int
	Name    string // "SIGSEGV"; "" if the system's name for the number is unknown
	HasCode bool
	Code    int
	// CodeName is the name of the code, such as "SEGV_MAPERR" or "SI_USER"; "" if it is unknown.
	CodeName string
	// Address is the inaccessible address, or the address of the instruction; nil if a process sent
	// the signal.
	Address *uint64
	// PID and UID identify the process that sent the signal; nil if the kernel raised it.
	PID, UID *int
}

// Raised returns the signal that ended the process. It returns false if there was none.
func (i *Info) Raised() (SignalInfo, bool) {
	s := SignalInfo{Number: i.Signal}
	if i.raised.Number == i.Signal {
		s = i.raised
	}
	s.Name = i.SignalName(s.Number)
	if s.HasCode {
		s.CodeName = codeName(i.OS, s.Name, s.Code)
	}
	return s, i.Signal != 0
}

// siginfoLayout is the layout of siginfo_t on an operating system, and the meaning of its codes.
type siginfoLayout struct {
	code     int // offset of si_code
	uid      int // offset of si_uid from si_pid; 0 if it is word
	sent     func(code int) bool
	faultsOf []string // signals with an address
}

var faultSignals = []string{"SIGILL", "SIGTRAP", "SIGBUS", "SIGFPE", "SIGSEGV"}

// linuxSiginfo is the layout of asm-generic/siginfo.h. The codes SI_USER, SI_QUEUE and SI_TKILL are
// followed by the sender.
var linuxSiginfo = siginfoLayout{code: 8, uid: 4, faultsOf: faultSignals,
	sent: func(code int) bool { return code == 0 || code == -1 || code == -6 }}

// illumosSiginfo is the layout of sys/siginfo.h, with the codes SI_USER, SI_LWP and SI_QUEUE.
var illumosSiginfo = siginfoLayout{code: 4, faultsOf: faultSignals,
	sent: func(code int) bool { return code <= 0 && code >= -2 }}

// siginfo parses siginfo_t, in which the union with the address or the sender starts at the first
// multiple of a pointer's size after three ints.
func (i *Info) siginfo(v structView, l siginfoLayout) SignalInfo {
	s := SignalInfo{Number: v.i32(0), HasCode: true, Code: v.i32(l.code)}
	union := 8 + v.word
	uid := l.uid
	if uid == 0 {
		uid = v.word
	}
	switch name := i.SignalName(s.Number); {
	case l.sent(s.Code):
		s.PID, s.UID = new(v.i32(union)), new(int(v.u32(union+uid)))
	case s.Code > 0 && s.Code != siKernel && slices.Contains(l.faultsOf, name):
		s.Address = new(v.long(union))
	}
	return s
}

// Names of signals, without "SIG", in the order of their numbers.
const (
	linuxSignals = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
	mipsSignals  = "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM USR1 USR2 CHLD PWR WINCH URG IO STOP TSTP CONT TTIN TTOU VTALRM PROF XCPU XFSZ"
	bsdSignals   = "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM URG STOP TSTP CONT CHLD TTIN TTOU IO XCPU XFSZ VTALRM PROF WINCH INFO USR1 USR2"
	sunSignals   = "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM USR1 USR2 CHLD PWR WINCH URG POLL STOP TSTP CONT TTIN TTOU VTALRM PROF XCPU XFSZ WAITING LWP FREEZE THAW CANCEL LOST XRES JVM1 JVM2 INFO"
)

// SignalName returns the name of a signal on the system that wrote the dump: "SIGSEGV", "SIG40" for
// a signal without a name, and "" for 0 or if the system's numbers are unknown.
func (i *Info) SignalName(number int) string {
	names := linuxSignals
	switch {
	case number <= 0:
		return ""
	case i.OS == "illumos":
		names = sunSignals
	case strings.HasSuffix(i.OS, "bsd"):
		names = bsdSignals
	case i.OS != "linux", i.Machine == "alpha", i.Machine == "hppa", strings.HasPrefix(i.Machine, "sparc"):
		return ""
	case strings.HasPrefix(i.Machine, "mips"):
		names = mipsSignals
	}
	if all := strings.Fields(names); number <= len(all) {
		return "SIG" + all[number-1]
	}
	return "SIG" + strconv.Itoa(number)
}

// Names of the codes of each signal, in the order of their numbers, which start at 1. Linux and
// illumos agree on those that both have.
var codeNames = map[string]string{
	"SIGILL":  "ILLOPC ILLOPN ILLADR ILLTRP PRVOPC PRVREG COPROC BADSTK",
	"SIGFPE":  "INTDIV INTOVF FLTDIV FLTOVF FLTUND FLTRES FLTINV FLTSUB",
	"SIGSEGV": "MAPERR ACCERR BNDERR PKUERR ACCADI ADIDERR ADIPERR MTEAERR MTESERR CPERR",
	"SIGBUS":  "ADRALN ADRERR OBJERR MCEERR_AR MCEERR_AO",
	"SIGTRAP": "BRKPT TRACE BRANCH HWBKPT UNK PERF",
	"SIGSYS":  "SECCOMP USER_DISPATCH",
}

// sharedCodes are the names of codes that do not depend on the signal.
var sharedCodes = map[string]map[int]string{
	"linux": {0: "SI_USER", siKernel: "SI_KERNEL", -1: "SI_QUEUE", -2: "SI_TIMER", -3: "SI_MESGQ", -4: "SI_ASYNCIO", -5: "SI_SIGIO", -6: "SI_TKILL"},
	"illumos": {0: "SI_USER", -1: "SI_LWP", -2: "SI_QUEUE", -3: "SI_TIMER", -4: "SI_ASYNCIO", -5: "SI_MESGQ",
		2049: "SI_RCTL"},
}

// codeName returns the name of a code, or "".
func codeName(os, signal string, code int) string {
	shared, known := sharedCodes[os]
	if name := shared[code]; name != "" || !known {
		return name
	}
	if names := strings.Fields(codeNames[signal]); code > 0 && code <= len(names) {
		return strings.TrimPrefix(signal, "SIG") + "_" + names[code-1]
	}
	return ""
}
