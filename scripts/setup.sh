#!/usr/bin/env bash
# Makes sure that what the tests (or, with the word demo, the demo) use is there: installs it on Debian and its kin when
# run as root, and otherwise names what is missing. Go, git and make are taken for granted.
set -euo pipefail

# command and the Debian package that has it
need=(
	"fusermount3 fuse3"     # mounting without root, and umount
	"gdb gdb"               # backtraces
	"setfattr attr"         # xattrs from the shell
	"gcc gcc"               # programs to crash
)
if [ "${1:-}" != demo ]; then
	need+=(
		"eu-stack elfutils" # a reader that mmaps
		"g++ g++"           # programs to crash, in C++
		"python3-config python3-dev" # and in an extension of Python
		"npm npm"           # the independent Manta client, and json(1)
		"man man-db" "mandoc mandoc" # the manual pages, read by both
		"rsync rsync"       # a program that copies extended attributes
		"vim vim" "ed ed"   # editors, whose saves are tried on the mount
		"zstd zstd" "lz4 lz4" "xz xz-utils" "bzip2 bzip2"
	)
	# what find, du and locate(1) make of a mount. It walks its machine every day from then on: not for anybody's own.
	[ "${CI:-}" = true ] && need+=("plocate plocate")
	# A virtual machine whose kernel panics, and what reads its dumps: 400 MB, and 900 MB of kernel that the test fetches.
	[ "${CI:-}" = true ] && need+=("qemu-system-x86_64 qemu-system-x86" "busybox busybox-static" "cpio cpio" "kexec kexec-tools"
		"makedumpfile makedumpfile" "crash crash" "drgn python3-drgn")
fi

missing=()
for pair in "${need[@]}"; do
	read -r cmd pkg <<<"$pair"
	command -v "$cmd" >/dev/null 2>&1 || missing+=("$pkg")
done
# gcc without a C library's headers cannot build anything.
[ -e /usr/include/stdio.h ] || missing+=("libc6-dev")
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "setup: installing ${missing[*]}" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
	exit 0
fi
echo "setup: not installed here: ${missing[*]}" >&2
echo "setup: on Debian: sudo apt-get install ${missing[*]}" >&2
[ "${CI:-}" = true ] && exit 1
echo "setup: going on; what needs them is skipped and says so" >&2
