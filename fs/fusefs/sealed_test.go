package fusefs

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var sealedDamage = flag.Int("fs.sealed", 9, "TestDamagedCacheOfACompleteDump: how often the cache is damaged, in each mode")

// cacheFiles returns the paths of the data file and the map file of the only dump in the cache.
func (p *passing) cacheFiles() (data, records string) {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(p.dir, "*", "*", "*.data"))
	if err != nil || len(found) != 1 {
		p.t.Fatalf("%v, %v", found, err)
	}
	return found[0], found[0][:len(found[0])-len("data")] + "map"
}

// damage changes a random byte of the file at path.
func (p *passing) damage(path string, r *rand.Rand) {
	p.t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		defer f.Close()
		junk := []byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), 77}
		_, err = f.WriteAt(junk, r.Int64N(int64(len(p.content)-4)))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *passing) run(args ...string) {
	p.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// uncached opens the dump after making the kernel drop its cached pages.
func (p *passing) uncached() *os.File {
	p.t.Helper()
	f := mustOpen(p.t, p.core)
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		p.t.Fatal(err)
	}
	p.check(f)
	return f
}

var dumpDamages = []func(p *passing, data, records string, r *rand.Rand){
	func(p *passing, data, _ string, r *rand.Rand) { p.damage(data, r) },
	func(p *passing, data, _ string, r *rand.Rand) { // a damaged backup is restored
		p.run("cp", "-a", data, data+".copy")
		p.damage(data+".copy", r)
		p.run("touch", "-r", data, data+".copy")
		p.run("mv", data+".copy", data)
	},
	func(p *passing, data, _ string, r *rand.Rand) { // the same, in place
		p.run("cp", "-a", data, data+".copy")
		p.damage(data+".copy", r)
		p.run("touch", "-r", data, data+".copy")
		p.run("cp", "-a", data+".copy", data)
		p.run("rm", data+".copy")
	},
	func(p *passing, data, _ string, r *rand.Rand) {
		p.run("truncate", "-s", fmt.Sprint(r.IntN(len(p.content))), data)
		p.run("truncate", "-s", fmt.Sprint(len(p.content)), data)
	},
	func(p *passing, data, _ string, r *rand.Rand) {
		p.run("fallocate", "-p", "-o", fmt.Sprint(r.IntN(2<<20)), "-l", "70000", data)
	},
	func(p *passing, data, _ string, r *rand.Rand) {
		p.run("fallocate", "-z", "-o", fmt.Sprint(r.IntN(2<<20)), "-l", "70000", data)
	},
	func(p *passing, data, records string, r *rand.Rand) {
		p.run("truncate", "-s", fmt.Sprint(r.IntN(5000)), records)
		p.damage(data, r)
	},
	func(p *passing, data, records string, r *rand.Rand) {
		p.run("dd", "if=/dev/urandom", "of="+records, "bs=64", "count=64", "seek=1", "conv=notrunc", "status=none")
		p.damage(data, r)
	},
	func(p *passing, data, _ string, _ *rand.Rand) { p.run("cp", "/bin/true", data) },
}

// TestDamagedCacheOfACompleteDump damages the cache files of a complete dump. When the dump is
// opened afterwards, it must read correctly: with passthrough, spliced, and through the cache.
func TestDamagedCacheOfACompleteDump(t *testing.T) {
	for _, o := range []Options{{}, {NoPassthrough: true}} {
		t.Run(fmt.Sprintf("passthrough=%v", !o.NoPassthrough), func(t *testing.T) {
			p := mountPassingWith(t, o)
			for n := range *sealedDamage {
				r := rand.New(rand.NewPCG(2, uint64(n)))
				p.complete()
				p.open().Close()
				p.drained()
				data, records := p.cacheFiles()
				dumpDamages[n%len(dumpDamages)](p, data, records, r)
				p.uncached().Close()
				p.drained()
			}
			if n := p.blocks.Stats().Changed; n == 0 {
				t.Error("no change was noticed")
			}
		})
	}
}

// TestDamagedCacheOfAnOpenDump modifies the file while the dump is open. The next open repairs it
// for all handles; if it cannot, opens fail until the dump is closed. A dump that is spliced,
// without passthrough, must never return wrong bytes.
func TestDamagedCacheOfAnOpenDump(t *testing.T) {
	for _, o := range []Options{{}, {NoPassthrough: true}} {
		t.Run(fmt.Sprintf("passthrough=%v", !o.NoPassthrough), func(t *testing.T) {
			p := mountPassingWith(t, o)
			r := rand.New(rand.NewPCG(3, 3))
			p.complete()
			first := p.open()
			data, _ := p.cacheFiles()
			p.damage(data, r)
			if !p.passes() {
				if err := unix.Fadvise(int(first.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
					t.Fatal(err)
				}
				p.check(first)
			}
			second := p.uncached()
			p.check(first)
			second.Close()

			p.damage(data, r)
			if err := os.Rename(data, data+".away"); err != nil {
				t.Fatal(err)
			}
			if f, err := os.Open(p.core); p.passes() && !errors.Is(err, syscall.EIO) {
				t.Errorf("open while the kernel reads a damaged file: %v", err)
			} else if err == nil {
				p.check(f)
				f.Close()
			}
			first.Close()
			p.drained()
			p.uncached().Close()
			p.drained()
			if n := p.blocks.Stats().Pinned; n != 0 {
				t.Errorf("%d files are pinned", n)
			}
		})
	}
}

// TestPassthroughOfAFileThatCannotBeMended checks that an open that fails because the backing file
// cannot be repaired leaves nothing open.
func TestPassthroughOfAFileThatCannotBeMended(t *testing.T) {
	b := fakeBridge(t)
	b.passthrough.kernel = &fakeKernel{}
	b.passthrough.on.Store(true)
	n := &node{b: b, n: b.tree.Root()}
	file := &fakeFile{}
	first, second := &fakeObject{file: file}, &fakeObject{file: file}
	h, err := n.enter(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	file.err = errors.New("cannot be repaired")
	if _, err := n.enter(t.Context(), second); !errors.Is(err, file.err) {
		t.Errorf("got %v", err)
	}
	if second.released != 1 || file.released != 0 {
		t.Errorf("closed %d times; %d files released", second.released, file.released)
	}
	h.(*passthroughHandle).Release(t.Context())
	if file.released != 1 || first.released != 1 {
		t.Errorf("%d files released, closed %d times", file.released, first.released)
	}
}
