package ingest

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thothfs/dump"
	"thothfs/dump/dumptest"
	"thothfs/store/mem"
)

// TestUploadOfKernels checks the documents of kernel dumps. Facts that a dump does not have are
// absent.
func TestUploadOfKernels(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	stack := []any{
		"dump_backtrace+0xd8()", "show_stack+0x20()", "dump_stack_lvl+0x60()", "dump_stack+0x18()", "panic+0x160()", "sysrq_handle_crash+0x20()",
		"__handle_sysrq+0xa4()", "write_sysrq_trigger+0xc8()", "proc_reg_write+0xa4()", "vfs_write+0xdc()", "ksys_write+0x7c()", "__arm64_sys_write+0x24()",
		"invoke_syscall+0x60()", "el0_svc_common.constprop.0+0x48()", "do_el0_svc+0x24()", "el0_svc+0x38()", "el0t_64_sync_handler+0xc8()", "el0t_64_sync+0x190()",
	}
	arm := dumptest.Kernel(t, "6.12-aarch64-48bit.zlib")
	for name, c := range map[string]struct {
		data []byte
		want object
	}{
		"6.1": {dumptest.Kernel(t, "6.1-oops.elf"), object{
			"type": "crash", "format": "Linux vmcore", "version": "1", "platform": "Linux_6.1.0-50-amd64", "node": "guest-6.1.0", "time": 1796022624.0,
			"buildid": "06f8bde30046985060c60820f7a11515a33afb06", "os": object{"kernel": "6.1.0-50-amd64"},
			"panic": "BUG: kernel NULL pointer dereference, address: 0000000000000038",
			"kernel": object{"release": "6.1.0-50-amd64", "version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)", "machine": "x86_64",
				"cpus": 1.0, "uptime": 31.0, "kaslr": "0x7200000"},
			"stack": []any{
				"oops_demo`queue_length+0x5()", "oops_demo`drain+0xa()", "oops_demo`oops_demo_init+0x49()", "do_one_initcall+0x59()", "do_init_module+0x4a()",
				"__do_sys_finit_module+0xac()", "do_syscall_64+0x5d()", "entry_SYSCALL_64_after_hwframe+0x6e()",
			},
			"properties": object{"panicstring": "BUG: kernel NULL pointer dereference, address: 0000000000000038"},
		}},
		"flattened, without a time": {dumptest.Flatten(arm), object{
			"type": "crash", "format": "kdump", "version": "1", "platform": "Linux_6.12.117+deb13-arm64", "node": "guest-6.12.117+deb13",
			"buildid": "2d43e9b8e72f9c2314fe7f0c97abee29e857ce37", "os": object{"kernel": "6.12.117+deb13-arm64"},
			"panic": "sysrq triggered crash", "stack": stack,
			"kernel": object{"release": "6.12.117+deb13-arm64", "version": "#1 SMP Debian 6.12.117-1 (2026-11-12)", "machine": "aarch64",
				"cpus": 1.0, "uptime": 4.0, "kaslr": "0x475ac4000000", "dumplevel": 1.0},
			"properties": object{"panicstring": "sysrq triggered crash", "flattened": "true", "source": object{"time": "mtime"}},
		}},
		"cut before its pages": {arm[:270000], object{
			"type": "crash", "format": "kdump", "version": "1", "platform": "Linux_6.12.117+deb13-arm64", "truncated": true,
			"buildid": "2d43e9b8e72f9c2314fe7f0c97abee29e857ce37", "os": object{"kernel": "6.12.117+deb13-arm64"},
			"kernel":     object{"release": "6.12.117+deb13-arm64", "cpus": 1.0, "kaslr": "0x475ac4000000", "dumplevel": 1.0},
			"properties": object{"source": object{"time": "mtime"}},
		}},
	} {
		s := mem.New()
		corpus := open(t, options(t, s))
		res, err := Upload(t.Context(), corpus, local(t, "vmcore", c.data), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		raw, _ := s.Data(infoKey(res.ID))
		var got object
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Errorf("%s: %v\n%s", name, err, raw)
		}
		for _, key := range []string{"name", "dump", "size", "uploaded"} {
			delete(got, key)
		}
		if _, has := c.want["time"]; !has {
			delete(got, "time") // that of the file
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if res.Info.Type != dump.Crash {
			t.Errorf("%s: %+v", name, res.Info)
		}
	}
}
