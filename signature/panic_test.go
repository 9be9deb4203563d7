package signature_test

import (
	"errors"
	"strings"
	"testing"

	"thothfs/signature"
)

// TestOfPanics checks the signatures of Linux kernels.
func TestOfPanics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ panic, stack, want string }{
		{"BUG: kernel NULL pointer dereference, address: 0000000000000038", "nfs`queue_length+0x5()|nfs`drain+0xa()|do_one_initcall+0x59()|do_init_module+0x4a()|__do_sys_finit_module+0xac()|do_syscall_64+0x5d()|entry_SYSCALL_64_after_hwframe+0x6e()",
			"memory nfs: queue_length < drain < vmlinux`do_one_initcall < vmlinux`do_init_module < vmlinux`__do_sys_finit_module"},
		{"sysrq triggered crash", "dump_stack_lvl+0x5d()|panic+0x118()|sysrq_handle_crash+0x1a()|__handle_sysrq.cold+0x9f()|write_sysrq_trigger+0x59()|proc_reg_write+0x5a()|vfs_write+0xf8()",
			"abort vmlinux: sysrq_handle_crash < __handle_sysrq < write_sysrq_trigger < proc_reg_write < vfs_write"},
		{"sysrq triggered crash", "dump_backtrace+0xd8()|show_stack+0x20()|dump_stack_lvl+0x60()|dump_stack+0x18()|panic+0x160()|sysrq_handle_crash+0x20()|__arm64_sys_write+0x24()|invoke_syscall+0x60()|el0_svc_common.constprop.0+0x48()|do_el0_svc+0x24()|el0_svc+0xbc()|el0t_64_sync_handler+0xc8()|el0t_64_sync+0x190()",
			"abort vmlinux: sysrq_handle_crash < __arm64_sys_write"},
		{"softlockup: hung tasks", "dump_stack_lvl+0x44()|panic+0x118()|watchdog_timer_fn.cold+0xc()|__hrtimer_run_queues+0x112()|sysvec_apic_timer_interrupt+0x69()|asm_sysvec_apic_timer_interrupt+0x16()|nfs`spin+0x5()|nfs`init+0x1()|kthread+0xd1()|ret_from_fork_asm+0x1a()",
			"watchdog nfs: spin < init"},
		{"kernel BUG at drivers/net/x.c:12!", "e1000`rx+0x5()|net_rx_action+0x1()|common_interrupt+0x1()|asm_common_interrupt+0x16()|native_safe_halt+0x5()|cpu_startup_entry+0x1()",
			"abort e1000: rx < vmlinux`net_rx_action"},
		{"divide error: 0000 [#1] SMP", "ratio+0x5()|kthread+0xd1()", "arithmetic vmlinux: ratio"},
		{"Hard LOCKUP", "panic()|nmi_panic()|watchdog_overflow_callback()|exc_nmi()|end_repeat_nmi()|queued_spin_lock_slowpath+0x1()|locked+0x1()", "watchdog vmlinux: queued_spin_lock_slowpath < locked"},
		{"", "spin+0x1()", "none vmlinux: spin"},
		{"x", "panic+0x1()|do_syscall_64+0x1()", ""},
		{"x", "", ""},
	} {
		d := signature.Death{Stack: strings.Split(c.stack, "|"), Program: signature.Kernel, Kernel: true, Panic: c.panic}
		got, err := signature.Of(d, defaultSkip(t))
		if got.Text != c.want || (c.want == "") != errors.Is(err, signature.ErrNameless) || err == nil && got.Program != signature.Kernel {
			t.Errorf("%s:\n%+v, %v, want %q", c.panic, got, err, c.want)
		}
	}
}

func TestPanicClass(t *testing.T) {
	t.Parallel()
	for class, messages := range map[string][]string{
		"none":       {""},
		"memory":     {"BUG: unable to handle page fault for address: ffff", "Unable to handle kernel paging request at virtual address 0", "general protection fault, probably for non-canonical address", "KASAN: null-ptr-deref", "stack-protector: Kernel stack is corrupted in: f"},
		"watchdog":   {"softlockup: hung tasks", "hung_task: blocked tasks", "Watchdog detected hard LOCKUP on cpu 1", "RCU Stall"},
		"illegal":    {"invalid opcode: 0000 [#1]", "Internal error: Oops - Undefined instruction: 0 [#1]"},
		"arithmetic": {"Oops: divide error: 0000 [#1]"},
		"abort":      {"sysrq triggered crash", "kernel BUG at mm/slub.c:1!", "Attempted to kill init! exitcode=0x00000009", "VFS: Unable to mount root fs on unknown-block(0,0)"},
	} {
		for _, message := range messages {
			if got := signature.PanicClass(message); got != class {
				t.Errorf("%q: %s, want %s", message, got, class)
			}
		}
	}
}
