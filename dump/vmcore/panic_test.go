package vmcore

import (
	"slices"
	"strings"
	"testing"
)

const (
	traceX86 = `Call Trace:
 <TASK>
 generic_read+0x10/0x20
 ? unreliable+0x1/0x2
 nfs_read+0x5d/0xb0 [nfs]
 entry_SYSCALL_64_after_hwframe+0x6e/0xd8
RIP: 0033:0x47fbe9
Code: 08 89 e8
RSP: 002b:00007ffee6aa02c8 EFLAGS: 00000246 ORIG_RAX: 0000000000000139
 </TASK>
Modules linked in: nfs(OE+) qemu_fw_cfg
`
	oopsX86 = `BUG: kernel NULL pointer dereference, address: 0000000000000038
#PF: supervisor read access in kernel mode
#PF: error_code(0x0000) - not-present page
PGD 17e5d067 P4D 17e5d067 PUD 17e55067 PMD 0
Oops: 0000 [#1] PREEMPT SMP NOPTI
CPU: 0 PID: 93 Comm: busybox Kdump: loaded Tainted: G           OE      6.1.0-50-amd64 #1  Debian 6.1.176-1
RIP: 0010:queue_length+0x5/0xe [nfs]
Code: Unable to access opcode bytes at 0xffffffffc03b2fdb.
RSP: 0018:ffffcd7f0059bb28 EFLAGS: 00000246
` + traceX86 + `CR2: 0000000000000038
---[ end trace 0000000000000000 ]---
RIP: 0010:queue_length+0x5/0xe [nfs]
`
)

var stackX86 = []string{"nfs`queue_length+0x5()", "generic_read+0x10()", "nfs`nfs_read+0x5d()", "entry_SYSCALL_64_after_hwframe+0x6e()"}

// TestFindDeath checks the ends of logs as kernels of several versions and machines write them.
func TestFindDeath(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		log, panic string
		stack      []string
	}{
		"nothing":           {"Linux version 6.1.0\nbooted\n", "", nil},
		"exception, kexec":  {oopsX86, "BUG: kernel NULL pointer dereference, address: 0000000000000038", stackX86},
		"exception, panic":  {oopsX86 + "Kernel panic - not syncing: Fatal exception\nKernel Offset: disabled\n", "BUG: kernel NULL pointer dereference, address: 0000000000000038", stackX86},
		"panic after panic": {"Kernel panic - not syncing: first\nCall Trace:\n a+0x1/0x2\nKernel Offset: 0\nKernel panic - not syncing: second\nCall Trace:\n b+0x1/0x2\n", "second", []string{"b+0x1()"}},
		"panic without a trace": {
			oopsX86 + "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\nRebooting in 1 seconds\n",
			"Attempted to kill init! exitcode=0x00000009", stackX86,
		},
		"bug": {
			"------------[ cut here ]------------\nkernel BUG at fs/nfs/read.c:123!\ninvalid opcode: 0000 [#2] PREEMPT SMP NOPTI\nRIP: 0010:queue_length+0x5/0xe [nfs]\n" + traceX86,
			"kernel BUG at fs/nfs/read.c:123!", stackX86,
		},
		"second exception": {
			oopsX86 + "general protection fault, probably for non-canonical address 0x5a5a: 0000 [#2] PREEMPT SMP NOPTI\nRIP: 0010:other+0x1/0x2\nCall Trace:\n caller+0x3/0x4\n",
			"general protection fault, probably for non-canonical address 0x5a5a: 0000 [#2] PREEMPT SMP NOPTI", []string{"other+0x1()", "caller+0x3()"},
		},
		"soft lockup": {
			"watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [insmod:93]\nRIP: 0010:spin+0x5/0xe [nfs]\nCall Trace:\n init+0x1/0x2 [nfs]\n" +
				"Kernel panic - not syncing: softlockup: hung tasks\nCPU: 0 PID: 93 Comm: insmod\nCall Trace:\n <IRQ>\n dump_stack_lvl+0x44/0x5c\n panic+0x118/0x2ed\n" +
				" watchdog_timer_fn.cold+0xc/0x16\n ? softlockup_fn+0x30/0x30\n sysvec_apic_timer_interrupt+0x69/0x90\n </IRQ>\n <TASK>\n asm_sysvec_apic_timer_interrupt+0x16/0x20\n" +
				"RIP: 0010:spin+0x5/0xe [nfs]\nCode: f3 90 eb fc\nRSP: 0018:ffffd25b00627d10 EFLAGS: 00000246\nRAX: 0000000000000000 RBX: ffffffffc0311000\n init+0x1/0x2 [nfs]\n do_one_initcall+0x59/0x220\n </TASK>\n after+0x1/0x2\n",
			"softlockup: hung tasks", []string{
				"dump_stack_lvl+0x44()", "panic+0x118()", "watchdog_timer_fn.cold+0xc()", "sysvec_apic_timer_interrupt+0x69()",
				"asm_sysvec_apic_timer_interrupt+0x16()", "nfs`spin+0x5()", "nfs`init+0x1()", "do_one_initcall+0x59()",
			},
		},
		"aarch64": {
			"Unable to handle kernel NULL pointer dereference at virtual address 0000000000000038\nMem abort info:\n  ESR = 0x0000000096000004\nData abort info:\n[0000000000000038] pgd=0000000000000000\n" +
				"Internal error: Oops: 0000000096000004 [#1] SMP\nModules linked in: nfs(OE+)\nCPU: 0 UID: 0 PID: 145 Comm: insmod\npc : queue_length+0x8/0x10 [nfs]\nlr : drain+0x10/0x20 [nfs]\nsp : ffff80008000bd10\n" +
				"Call trace:\n queue_length+0x8/0x10 [nfs] (P)\n drain+0x10/0x20 [nfs 0123456789abcdef] (L)\n el0t_64_sync+0x190/0x198\nCode: d503201f\n---[ end trace 0000000000000000 ]---\nKernel panic - not syncing: Oops: Fatal exception\nSMP: stopping secondary CPUs\n",
			"Unable to handle kernel NULL pointer dereference at virtual address 0000000000000038", []string{"nfs`queue_length+0x8()", "nfs`drain+0x10()", "el0t_64_sync+0x190()"},
		},
		"Linux 3.10": {
			"SysRq : Trigger a crash\nBUG: unable to handle kernel NULL pointer dereference at           (null)\nIP: [<ffffffff81408e06>] sysrq_handle_crash+0x16/0x20\nPGD 0\nOops: 0002 [#1] SMP\nRIP: 0010:[<ffffffff81408e06>]  [<ffffffff81408e06>] sysrq_handle_crash+0x16/0x20\n" +
				"Stack:\n ffffffff81409627 ffffffff819c5e10\nCall Trace:\n [<ffffffff81409627>] ? __handle_sysrq+0x107/0x170\n [<ffffffff81409b0f>] write_sysrq_trigger+0x2f/0x40 [tty]\n [<ffffffff8126a8ad>] proc_reg_write+0x3d/0x80\nCode: eb 9b 45 01\n",
			"BUG: unable to handle kernel NULL pointer dereference at           (null)", []string{"sysrq_handle_crash+0x16()", "tty`write_sysrq_trigger+0x2f()", "proc_reg_write+0x3d()"},
		},
		"taint behind the module": {"Kernel panic - not syncing: x\nCall Trace:\n a+0x1/0x2 [nvidia(POE)]\n b.isra.0+0x1/0x2 [zfs(PO) 0123]\n [unreadable\n", "x", []string{"nvidia`a+0x1()", "zfs`b.isra.0+0x1()"}},
	} {
		var records []record
		for text := range strings.Lines(c.log) {
			records = append(records, record{nanos: 5, text: []byte(strings.TrimSuffix(text, "\n"))})
		}
		d, ok := findDeath(linesOf(records))
		if ok != (c.panic != "") || d.panic != c.panic || !slices.Equal(d.stack, c.stack) {
			t.Errorf("%s: %v\n%q\n%q", name, ok, d.panic, d.stack)
		}
		// The same in one record.
		if one, _ := findDeath(linesOf([]record{{text: []byte(c.log)}})); one.panic != d.panic || !slices.Equal(one.stack, d.stack) {
			t.Errorf("%s in one record: %+v", name, one)
		}
	}
}

func TestFindDeathLimits(t *testing.T) {
	t.Parallel()
	log := "Kernel panic - not syncing: " + strings.Repeat("x", 5000) + "\nCall Trace:\n" + strings.Repeat(" f+0x1/0x2\n", 2*maxFrames)
	d, ok := findDeath(linesOf([]record{{text: []byte(log)}}))
	if !ok || len(d.panic) > 1024 || len(d.stack) != maxFrames {
		t.Errorf("%d bytes, %d frames", len(d.panic), len(d.stack))
	}
}
