#!/usr/bin/env bash
# make demo: crashes three small programs, uploads their cores to a directory corpus, mounts it and debugs one in place.
# Everything lives under ./demo/. `./scripts/demo.sh --clean` unmounts and removes it.
set -euo pipefail
cd "$(dirname "$0")/.."
demo=$PWD/demo
export THOTHFS_STORE=$demo/corpus THOTHFS_CACHE_DIR=$demo/cache
thothfs=$PWD/bin/thothfs

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; (cd "$demo" && PATH=$PWD/../bin:$PATH bash -c "$*"); }

clean() {
	if grep -qs " $demo/mnt fuse.thothfs " /proc/mounts; then "$thothfs" umount "$demo/mnt"; fi
	rm -rf "$demo"
}

# crash NAME CMD...: runs CMD, which dies, and leaves its core as $demo/cores/core.NAME
crash() {
	local name=$1 dir=$demo/cores/$1.d
	shift
	mkdir -p "$dir"
	(cd "$dir" && ulimit -c unlimited && "$@" >/dev/null 2>&1) 2>/dev/null || true
	local core
	core=$(find "$dir" -maxdepth 1 -type f -name '*core*' | head -n 1)
	if [ -z "$core" ] && command -v gdb >/dev/null; then
		# The kernel hands cores to another program here: let gdb write it.
		(cd "$dir" && gdb -nx -q -batch -ex run -ex 'generate-core-file core' --args "$@" >/dev/null 2>&1) || true
		core=$dir/core
	fi
	[ -s "$core" ] || return 1
	mv "$core" "$demo/cores/core.$name"
}

make_cores() {
	mkdir -p "$demo/bin" "$demo/cores"
	if command -v gcc >/dev/null && [ -e /usr/include/stdio.h ]; then
		gcc -g -O0 -pthread -o "$demo/bin/worker" scripts/demo/worker.c
		gcc -g -O0 -o "$demo/bin/checkout" scripts/demo/checkout.c
		crash worker "$demo/bin/worker" 8 64 || true
		crash checkout "$demo/bin/checkout" || true
	fi
	go build -o "$demo/bin/relay" ./scripts/demo/relay
	crash relay "$demo/bin/relay" || true
	# Real cores of other systems, as shipped for the tests.
	cp dump/testdata/cores/lldb-linux-aarch64.core "$demo/cores/core.aarch64"
	cp dump/testdata/cores/lldb-freebsd-x86_64.core "$demo/cores/core.freebsd"
}

main() {
	clean
	say "Crashing a few programs"
	make_cores
	ls -sh "$demo"/cores/core.*
	say "Uploading their cores to a corpus in a directory"
	"$thothfs" upload "$demo"/cores/core.* >/dev/null
	run thothfs ls
	say "Mounting it"
	mkdir -p "$demo/mnt"
	run thothfs mount mnt
	run ls mnt mnt/by-cmd
	run 'ls -d mnt/by-cmd/*/*/core'
	run "thothfs report cmd"
	if command -v gdb >/dev/null && [ -s "$demo/cores/core.worker" ]; then
		say "gdb on a path in the mount"
		run "gdb -nx -q -batch -ex bt bin/worker mnt/by-cmd/worker/*/core 2>/dev/null | tail -n 8"
		say "Analyzers on every dump, and a ticket on those of one bug"
		run 'basename -a mnt/by-cmd/{checkout,relay,worker}/* | thothfs analyze dump=stdin signature'
		run "ls mnt/by-signature"
		run 'setfattr -n user.thoth.ticket -v DEMO-1 mnt/by-cmd/worker/*'
	fi
	run 'thothfs ls'
	cat <<-END

	It stays mounted. Go on with:
	  export THOTHFS_STORE=$THOTHFS_STORE THOTHFS_CACHE_DIR=$THOTHFS_CACHE_DIR
	  ls demo/mnt/query/'type=core mtime=1h'/
	  getfattr -d demo/mnt/by-cmd/checkout/*/core
	  bin/thothfs info cmd=checkout
	  bin/thothfs debug \$(ls demo/mnt/by-cmd/worker)
	Unmount with:
	  bin/thothfs umount demo/mnt        (or make demo-clean, which removes ./demo as well)
	END
}

if [ "${1:-}" = --clean ]; then clean; else main; fi
