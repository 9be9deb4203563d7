package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// guestKernel returns the directory filled by scripts/guest-kernel.sh.
func guestKernel(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "thothfs-test", "guest-kernel")
	if _, err := os.Stat(filepath.Join(dir, "vmlinux")); err != nil && os.Getenv("CI") != "true" {
		t.Skipf("there is no kernel to crash: ../../scripts/guest-kernel.sh %s fetches one (900 MB)", dir)
	}
	if out, err := exec.Command("../../scripts/guest-kernel.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("guest-kernel.sh: %v\n%s", err, out)
	}
	return dir
}

// guest is a virtual machine whose kernel has panicked.
type guest struct {
	t   *testing.T
	dir string // directory of its files
	qmp net.Conn
	in  *bufio.Reader
}

// guestInit is the first process of the guest. It makes the kernel panic. In the second kernel,
// which kexec starts on the panic, it saves the memory to the disk.
const guestInit = `#!/bin/busybox sh
PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox insmod /qemu_fw_cfg.ko
if [ -e /proc/vmcore ]; then
	for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
		busybox insmod /$module.ko
	done
	busybox ls -l /dev/vda
	busybox cat /proc/vmcore >/dev/vda
	busybox sync
	busybox echo "saved $(busybox stat -c %s /proc/vmcore) bytes"
	busybox poweroff -f
fi
if [ -e /vmlinuz ]; then
	kexec -p /vmlinuz --initrd=/initrd --append="console=ttyS0 nr_cpus=1 reset_devices" || busybox echo "kexec failed"
fi
busybox sleep 1
busybox echo c >/proc/sysrq-trigger
`

// bootGuest boots a guest with 512 MiB of memory whose kernel panics. If kexec is set, the panic
// starts a second kernel, which saves /proc/vmcore to the file "disk".
func bootGuest(t *testing.T, kernel string, kexec bool) *guest {
	t.Helper()
	need(t, "qemu-system-x86_64", "busybox", "cpio")
	g := &guest{t: t, dir: t.TempDir()}
	g.sh(`mkdir -p root/bin root/proc root/sys root/dev
		cp "$(command -v busybox)" root/bin/busybox
		cp "` + kernel + `"/*.ko root/
		cat >root/init <<'END'
` + guestInit + `END
		chmod 755 root/init
		(cd root && find . | cpio -o -H newc --quiet) >initrd
		truncate -s 1G disk`)
	args := []string{"-accel", "tcg", "-m", "512", "-display", "none", "-nodefaults", "-no-reboot", "-serial", "file:serial",
		"-kernel", filepath.Join(kernel, "vmlinuz"), "-initrd", "initrd", "-device", "vmcoreinfo", "-qmp", "unix:qmp,server=on,wait=off",
		"-drive", "file=disk,format=raw,if=virtio", "-append", "console=ttyS0 panic=0"}
	if kexec {
		need(t, "kexec")
		args[len(args)-1] += " crashkernel=192M"
		g.sh(`cp initrd "` + kernel + `/vmlinuz" root/
			for file in $(ldd "$(command -v kexec)" | grep -o '/[^ ]*') "$(command -v kexec)"; do
				mkdir -p "root$(dirname "$file")"
				cp -L "$file" "root$file"
			done
			ln -sf "$(command -v kexec)" root/bin/kexec
			(cd root && find . | cpio -o -H newc --quiet) >initrd`)
	}
	qemu := exec.Command("qemu-system-x86_64", args...)
	qemu.Dir = g.dir
	errors, err := os.Create(filepath.Join(g.dir, "errors"))
	if err != nil {
		t.Fatal(err)
	}
	defer errors.Close()
	qemu.Stderr = errors
	if err := qemu.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { qemu.Process.Kill(); qemu.Wait() })
	return g
}

// says waits until the guest's console has printed text.
func (g *guest) says(text string) {
	g.t.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	for !strings.Contains(g.serial(), text) {
		if time.Now().After(deadline) {
			errors, _ := os.ReadFile(filepath.Join(g.dir, "errors"))
			g.t.Fatalf("the guest's console does not say %q:\n%s%s", text, g.serial(), errors)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (g *guest) serial() string {
	text, _ := os.ReadFile(filepath.Join(g.dir, "serial"))
	return string(text)
}

// connect opens QEMU's monitor (QMP, docs/interop/qmp-spec of QEMU).
func (g *guest) connect() {
	g.t.Helper()
	// A socket address is limited to 108 bytes, and the path of a test's directory may be longer.
	dir, err := os.Open(g.dir)
	if err != nil {
		g.t.Fatal(err)
	}
	defer dir.Close()
	if g.qmp, err = net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d/qmp", dir.Fd())); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { g.qmp.Close() })
	g.in = bufio.NewReader(g.qmp)
	g.do("qmp_capabilities", nil)
}

// do runs a monitor command and waits for the response.
func (g *guest) do(command string, arguments map[string]any) {
	g.t.Helper()
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(g.qmp).Encode(request); err != nil {
		g.t.Fatal(err)
	}
	for {
		line, err := g.in.ReadBytes('\n')
		if err != nil {
			g.t.Fatalf("%s: %v", command, err)
		}
		var answer struct{ Return, Error json.RawMessage }
		if err := json.Unmarshal(line, &answer); err != nil || answer.Error != nil {
			g.t.Fatalf("%s: %s", command, line)
		}
		if answer.Return != nil {
			return
		}
	}
}

// dump makes QEMU write the guest's memory to a file.
func (g *guest) dump(name, format string) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	g.do("dump-guest-memory", map[string]any{"paging": false, "protocol": "file:" + path, "format": format})
	return path
}

func (g *guest) sh(script string) string {
	g.t.Helper()
	cmd := exec.Command("bash", "-ec", script)
	cmd.Dir = g.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("%s: %v\n%s\nthe guest's console:\n%s", script, err, out, g.serial())
	}
	return string(out)
}

// kernelScripts maps debuggers of kernel dumps to the commands to run.
var kernelScripts = map[string]string{
	"crash": "bt\nps\nlog\nmod\nquit\n",
	"drgn": `from drgn.helpers.linux.pid import for_each_task
print(prog["linux_banner"])
for task in for_each_task(prog):
    print(task.pid.value_(), task.comm.string_())
`,
}

// TestRealKernelDumps checks dumps of a real kernel that panicked, made by QEMU and by
// makedumpfile. A truncated copy must be replaced by the complete one, and crash and drgn must
// print the same in the mount as locally.
func TestRealKernelDumps(t *testing.T) {
	need(t, "crash", "drgn", "makedumpfile")
	kernel := guestKernel(t)
	vmlinux := filepath.Join(kernel, "vmlinux")
	kexec, g := bootGuest(t, kernel, true), bootGuest(t, kernel, false)
	t.Parallel() // other tests run while the guests boot
	kexec.says("saved ")
	g.says("end Kernel panic")
	g.connect()
	elf, flat := g.dump("vmcore.elf", "elf"), g.dump("vmcore.flat", "kdump-zlib")
	g.do("quit", nil)
	g.sh("makedumpfile -R vmcore.kdump <vmcore.flat")
	kexec.sh(`size=$(sed -n 's/^saved \([0-9]*\) bytes.*/\1/p' serial)
		truncate -s "$size" disk
		makedumpfile -l -d 31 disk vmcore.lzo
		head -c $(($(stat -c %s vmcore.lzo) / 2)) vmcore.lzo >cut`)
	made := func(name string) string { return filepath.Join(kexec.dir, name) }
	w, _ := newMantaWorld(t, 0)
	w.ownTemp()

	if r := w.try("upload", made("cut")); r.code != 0 || !strings.Contains(r.stderr, "is truncated") {
		t.Errorf("the cut copy: %+v", r)
	}
	if r := w.try("upload", made("vmcore.lzo")); r.code != 0 || !strings.Contains(r.stderr, "replaced the truncated copy") {
		t.Errorf("the whole dump after a cut copy: %+v", r)
	}
	w.mount()
	stored := func(id string) string { return filepath.Join(w.mnt, "by-hash", id, "dump") }
	var lzo string
	for _, c := range []struct{ upload, local, tools string }{
		{made("vmcore.lzo"), made("vmcore.lzo"), "crash drgn"},
		{made("disk"), made("disk"), "crash"},
		// drgn finds no page tables in a dump that QEMU made without paging.
		{flat, filepath.Join(g.dir, "vmcore.kdump"), "crash"}, // rearranged as by makedumpfile
		{elf, elf, "crash"},
	} {
		r := w.try("upload", c.upload)
		id := firstWord(r.stdout)
		if r.code != 0 || strings.Contains(r.stderr, "truncated") || strings.Contains(r.stdout, "\n\n") {
			t.Errorf("%s: %+v", c.upload, r)
			continue
		}
		if lzo == "" {
			lzo = id
		}
		for _, tool := range strings.Fields(c.tools) {
			script := kernelScripts[tool]
			want, got := kernelDebugger(t, tool, script, vmlinux, c.local), kernelDebugger(t, tool, script, vmlinux, stored(id))
			if want != got || len(want) < 200 {
				t.Errorf("%s on %s: the mount shows\n%s\nand the local file\n%s", tool, c.upload, got, want)
			}
		}
		g.sh("cmp " + c.local + " " + stored(id))
	}

	w.must("attach", lzo, vmlinux)
	out := w.must("analyze", lzo, "crash:bt")
	if want := kernelDebugger(t, "crash", "bt\nquit\n", vmlinux, made("vmcore.lzo")); out != want || !strings.Contains(out, "sysrq") {
		t.Errorf("crash:bt of analyze prints\n%s\nand crash itself\n%s", out, want)
	}
}

// kernelDebugger returns the output of commands run in a debugger of kernel dumps.
func kernelDebugger(t *testing.T, tool, script, vmlinux, dump string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.py")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("crash", "-s", "--no_crashrc", "--no_scroll", "-i", file, vmlinux, dump)
	if tool == "drgn" {
		cmd = exec.Command("drgn", "-q", "-c", dump, "-s", vmlinux, file)
	}
	cmd.Dir = filepath.Dir(file)
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s on %s: %v\n%s", tool, dump, err, out)
	}
	return string(out)
}

// kernelFile writes a dump of dump/testdata/vmcore to a file.
func (w *world) kernelFile(name string) string {
	w.t.Helper()
	packed := "../../dump/testdata/vmcore/" + name + ".zst"
	b, err := os.ReadFile(packed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name+".zst", b)
	return filepath.Join(w.dir, name+".zst")
}

// TestKernelDumpsAreSigned checks facts, log, signature, views and duplicates of kernel dumps.
func TestKernelDumpsAreSigned(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	oops := w.uploaded(w.kernelFile("6.1-oops.elf"))
	lzo, zlib := w.uploaded(w.kernelFile("6.12-wrapped.lzo")), w.uploaded(w.kernelFile("5.10-panic.zlib"), "--no-stack")
	w.mount()
	for _, c := range []struct{ id, text, class string }{
		{oops, "memory oops_demo: queue_length < drain < oops_demo_init < vmlinux`do_one_initcall < vmlinux`do_init_module", "memory"},
		{lzo, "abort vmlinux: sysrq_handle_crash < __handle_sysrq < write_sysrq_trigger < proc_reg_write < vfs_write", "abort"},
		{zlib, "abort vmlinux: sysrq_handle_crash < __handle_sysrq < write_sysrq_trigger < proc_reg_write < vfs_write", "abort"},
	} {
		w.must("analyze", c.id, "signature")
		if of, class, program := w.property(c.id, "signature_of"), w.property(c.id, "signature_class"), w.property(c.id, "signature_program"); of != c.text || class != c.class || program != "vmlinux" {
			t.Errorf("%s: %q, %s, %s", c.id, of, class, program)
		}
		if _, err := os.Stat(filepath.Join(w.mnt, "by-signature", w.property(c.id, "signature"), c.id, "dmesg")); err != nil {
			t.Error(err)
		}
	}
	if a, b := w.property(lzo, "signature"), w.property(zlib, "signature"); a != b {
		t.Errorf("one bug, two signatures: %s and %s", a, b)
	}
	w.must("ticket", lzo, "OS-9")
	if w.must("analyze", zlib, "duplicate"); w.property(zlib, "ticket") != "OS-9" {
		t.Error("the same panic of another kernel is not ticketed")
	}
	if w.must("analyze", oops, "duplicate"); w.property(oops, "ticket") != "" {
		t.Error("another panic is ticketed")
	}
	if out := w.must("analyze", oops, "stack"); !strings.Contains(out, "oops_demo`queue_length+0x5()") {
		t.Errorf("stack:\n%s", out)
	}
	if out := w.sh("head -n 1 mnt/by-hash/" + oops + "/stack; tail -n 1 mnt/by-hash/" + oops + "/dmesg; wc -l <mnt/by-hash/" + lzo + "/dmesg"); out !=
		"oops_demo`queue_length+0x5()\n[   31.842153] CR2: 0000000000000038\n1288\n" {
		t.Errorf("the mount shows\n%s", out)
	}
	if out := w.must("ls", "panic=*NULL*", "kernel.release"); strings.Count(out, oops[:16]) != 1 || strings.Contains(out, lzo[:16]) || !strings.Contains(out, "6.1.0-50-amd64") {
		t.Errorf("ls:\n%s", out)
	}
}
