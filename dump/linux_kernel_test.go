package dump

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thothfs/dump/dumptest"
	"thothfs/dump/vmcore"
)

var sysrqX86 = []string{
	"dump_stack_lvl+0x5d()", "panic+0x118()", "sysrq_handle_crash+0x1a()", "__handle_sysrq.cold+0x9f()", "write_sysrq_trigger+0x59()",
	"proc_reg_write+0x5a()", "vfs_write+0xf8()", "ksys_write+0x6d()", "do_syscall_64+0x87()", "entry_SYSCALL_64_after_hwframe+0x76()",
}

func sysrqArm(last string) []string {
	return []string{
		"dump_backtrace+0xd8()", "show_stack+0x20()", "dump_stack_lvl+0x60()", "dump_stack+0x18()", "panic+0x160()", "sysrq_handle_crash+0x20()",
		"__handle_sysrq+0xa4()", "write_sysrq_trigger+0xc8()", "proc_reg_write+0xa4()", "vfs_write+0xdc()", "ksys_write+0x7c()", "__arm64_sys_write+0x24()",
		"invoke_syscall+0x60()", "el0_svc_common.constprop.0+0x48()", "do_el0_svc+0x24()", last, "el0t_64_sync_handler+0xc8()", "el0t_64_sync+0x190()",
	}
}

// realKernels are dumps of Debian's kernels in QEMU.
var realKernels = map[string]vmcore.Facts{
	"6.1-oops.elf": { // /proc/vmcore after an exception in a module
		Release: "6.1.0-50-amd64", Version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)", Machine: "x86_64", Node: "guest-6.1.0", CPUs: 1,
		Panic: "BUG: kernel NULL pointer dereference, address: 0000000000000038",
		Stack: []string{
			"oops_demo`queue_length+0x5()", "oops_demo`drain+0xa()", "oops_demo`oops_demo_init+0x49()", "do_one_initcall+0x59()", "do_init_module+0x4a()",
			"__do_sys_finit_module+0xac()", "do_syscall_64+0x5d()", "entry_SYSCALL_64_after_hwframe+0x6e()",
		},
		Uptime: 31556757100, CrashTime: time.Date(2026, 11, 30, 7, 10, 24, 0, time.UTC),
		BuildID: "06f8bde30046985060c60820f7a11515a33afb06", KASLR: 0x7200000, HasKASLR: true,
	},
	"6.1-5level.elf": { // QEMU; five levels of page tables, and a log that was allocated at boot
		Release: "6.1.0-50-amd64", Version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)", Machine: "x86_64", Node: "guest-6.1.0", CPUs: 1,
		Panic: "sysrq triggered crash",
		Stack: []string{
			"dump_stack_lvl+0x44()", "panic+0x118()", "sysrq_handle_crash+0x16()", "__handle_sysrq.cold+0x44()", "write_sysrq_trigger+0x24()",
			"proc_reg_write+0x56()", "vfs_write+0xc7()", "ksys_write+0x6b()", "do_syscall_64+0x5d()", "entry_SYSCALL_64_after_hwframe+0x6e()",
		},
		Uptime: 13699648620, BuildID: "06f8bde30046985060c60820f7a11515a33afb06", KASLR: 0x19600000, HasKASLR: true,
	},
	"6.12-wrapped.lzo": { // makedumpfile -l; the log is full
		Release: "6.12.117+deb13-amd64", Version: "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-11-12)", Machine: "x86_64", Node: "guest-6.12.117+deb13", CPUs: 2,
		Panic: "sysrq triggered crash", Stack: sysrqX86,
		Uptime: 952056479385, CrashTime: time.Date(2026, 11, 30, 7, 25, 27, 0, time.UTC),
		BuildID: "b1d7a9114053a488ef493f85f85e9fc75ba9f632", KASLR: 0x31c00000, HasKASLR: true, DumpLevel: 31, HasDumpLevel: true,
	},
	"5.10-panic.zlib": { // makedumpfile -c
		Release: "5.10.0-46-amd64", Version: "#1 SMP Debian 5.10.262-1 (2026-07-31)", Machine: "x86_64", Node: "guest-5.10.0", CPUs: 1,
		Panic: "sysrq triggered crash",
		Stack: []string{
			"dump_stack+0x6b()", "panic+0x114()", "sysrq_handle_crash+0x16()", "__handle_sysrq.cold+0x43()", "write_sysrq_trigger+0x24()",
			"proc_reg_write+0x51()", "vfs_write+0xc4()", "ksys_write+0x5f()", "do_syscall_64+0x33()", "entry_SYSCALL_64_after_hwframe+0x67()",
		},
		Uptime: 4678216051, CrashTime: time.Date(2026, 11, 30, 6, 49, 28, 0, time.UTC),
		BuildID: "9bcfc2361bcccd68de7f4941e069bb6910665236", KASLR: 0x1a800000, HasKASLR: true, DumpLevel: 31, HasDumpLevel: true,
	},
	"6.12-aarch64-52bit.elf": { // QEMU; five levels of page tables
		Release: "6.12.117+deb13-arm64", Version: "#1 SMP Debian 6.12.117-1 (2026-11-12)", Machine: "aarch64", Node: "guest-6.12.117+deb13", CPUs: 2,
		Panic: "sysrq triggered crash", Stack: sysrqArm("el0_svc+0xbc()"), Uptime: 7025063024,
		BuildID: "2d43e9b8e72f9c2314fe7f0c97abee29e857ce37", KASLR: 0x28ee35200000, HasKASLR: true,
	},
	"6.12-aarch64-48bit.zlib": { // QEMU, which does not name the machine
		Release: "6.12.117+deb13-arm64", Version: "#1 SMP Debian 6.12.117-1 (2026-11-12)", Machine: "aarch64", Node: "guest-6.12.117+deb13", CPUs: 1,
		Panic: "sysrq triggered crash", Stack: sysrqArm("el0_svc+0x38()"), Uptime: 4969129760,
		BuildID: "2d43e9b8e72f9c2314fe7f0c97abee29e857ce37", KASLR: 0x475ac4000000, HasKASLR: true, DumpLevel: 1, HasDumpLevel: true,
	},
}

// countingReader counts the bytes that are read.
type countingReader struct {
	r io.ReaderAt
	n int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.n += len(p)
	return c.r.ReadAt(p, off)
}

// TestRealKernels compares facts with those that the guests printed, and the logs with the output
// of makedumpfile --dump-dmesg. makedumpfile does not read the dumps that QEMU wrote; their logs were
// compared with the guests' consoles.
func TestRealKernels(t *testing.T) {
	t.Parallel()
	for name, want := range realKernels {
		b := dumptest.Kernel(t, name)
		r := &countingReader{r: bytes.NewReader(b)}
		info, err := Inspect(r, int64(len(b)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&want, info.LinuxKernel); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if info.Node != want.Node || info.Machine != want.Machine || info.BuildID != want.BuildID || info.Platform != "Linux_"+want.Release ||
			info.Kernel != want.Release || info.Properties["panicstring"] != want.Panic || !info.Time.Equal(want.CrashTime) || info.Truncated() {
			t.Errorf("%s: %+v", name, info)
		}
		log, err := KernelLog(r, int64(len(b)))
		if wanted := dumptest.Kernel(t, name+".dmesg"); err != nil || !bytes.Equal(log, wanted) {
			t.Errorf("%s: %v\n%s", name, err, cmp.Diff(strings.Split(string(wanted), "\n"), strings.Split(string(log), "\n")))
		}
		if r.n > 2<<20 {
			t.Errorf("%s: %d bytes were read for facts and log", name, r.n)
		}
	}
}

// TestKernelLogOfCuts checks that a dump that is cut anywhere keeps its headers' facts, and has
// either its whole log, the beginning of it, or none.
func TestKernelLogOfCuts(t *testing.T) {
	t.Parallel()
	for name, want := range realKernels {
		b := dumptest.Kernel(t, name)
		whole := dumptest.Kernel(t, name+".dmesg")
		const headers = 80 << 10 // at most
		for i := range 12 {
			cut := b[:headers+(len(b)-headers)*i/12]
			info, err := Inspect(bytes.NewReader(cut), int64(len(cut)))
			if err != nil || info.LinuxKernel == nil || info.LinuxKernel.Release != want.Release || !info.Truncated() {
				t.Errorf("%s cut to %d bytes: %+v, %v", name, len(cut), info, err)
			}
			log, err := KernelLog(bytes.NewReader(cut), int64(len(cut)))
			if !bytes.HasPrefix(whole, log) || len(log) == 0 && !errors.Is(err, ErrNoLog) {
				t.Errorf("%s cut to %d bytes: %d bytes of log, %v", name, len(cut), len(log), err)
			}
		}
	}
}

// failingReader fails after a number of bytes.
type failingReader struct {
	r    io.ReaderAt
	left int
}

var errReader = errors.New("the network is down")

func (f *failingReader) ReadAt(p []byte, off int64) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errReader
	}
	return f.r.ReadAt(p, off)
}

// TestKernelReadErrors checks that an error of the reader is not taken for damage.
func TestKernelReadErrors(t *testing.T) {
	t.Parallel()
	for name := range realKernels {
		b := dumptest.Kernel(t, name)
		for _, left := range []int{0, 100, firstRead, firstRead + 1000, firstRead + 5000} {
			if _, err := Inspect(&failingReader{bytes.NewReader(b), left}, int64(len(b))); !errors.Is(err, errReader) {
				t.Errorf("%s: Inspect after %d bytes: %v", name, left, err)
			}
			if log, err := KernelLog(&failingReader{bytes.NewReader(b), left}, int64(len(b))); !errors.Is(err, errReader) || log != nil {
				t.Errorf("%s: KernelLog after %d bytes: %d bytes of log, %v", name, left, len(log), err)
			}
		}
	}
}

func TestKernelLogOfOthers(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"core of a process": readCore(t, "lldb-linux-x86_64.core"), "vmdump": readCore(t, "synthetic-vmdump.0"),
		"vmcore without a log": synthVMCore().build().dense(), "kdump without pages": synthKdump(le, 8),
	} {
		if log, err := KernelLog(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrNoLog) || log != nil {
			t.Errorf("%s: %q, %v", name, log, err)
		}
	}
}

// FuzzKernelLog checks that no damage to a dump makes its log run away, or fails in an unknown way.
func FuzzKernelLog(f *testing.F) {
	f.Add(dumptest.Kernel(f, "6.1-oops.elf"))
	f.Add(dumptest.Kernel(f, "5.10-panic.zlib"))
	f.Add(synthKdump(le, 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		log, err := KernelLog(bytes.NewReader(b), int64(len(b)))
		var u *UnsupportedError
		if err != nil && !errors.Is(err, ErrNoLog) && !errors.Is(err, ErrDamaged) && !errors.As(err, &u) || (err == nil) != (len(log) > 0) {
			t.Errorf("%d bytes of log, %v", len(log), err)
		}
	})
}
