#!/usr/bin/env bash
# Fetches Debian's current kernel and its debug symbols for the tests with real kernel dumps (900 MB), and leaves in DIR:
#   vmlinuz, vmlinux   the kernel to boot, and its symbols
#   *.ko               modules of the guest: QEMU's VMCOREINFO device, and a disk
# Nothing is installed. What is there already is kept.
set -euo pipefail
[ $# -eq 1 ] || { echo "use: $0 DIR" >&2; exit 2; }
dir=$1
[ -e "$dir/vmlinux" ] && exit 0
command -v apt-get >/dev/null || { echo "guest-kernel: no apt-get: only Debian's kernel is known" >&2; exit 1; }
mkdir -p "$dir"
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
release=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: linux-image-//p' | head -n 1)
[ -n "$release" ] || { echo "guest-kernel: apt knows no linux-image-amd64: run apt-get update" >&2; exit 1; }
apt-get download -qq "linux-image-$release" "linux-image-$release-dbg" >&2
drivers=lib/modules/$release/kernel/drivers
dpkg-deb --fsys-tarfile linux-image-"$release"_*.deb | tar -x --transform 's|.*/||' "./boot/vmlinuz-$release" \
	"./$drivers"/{firmware/qemu_fw_cfg,virtio/virtio,virtio/virtio_ring,virtio/virtio_pci_modern_dev,virtio/virtio_pci_legacy_dev,virtio/virtio_pci,block/virtio_blk}.ko
# tar stops reading behind the file, at which dpkg-deb fails: only tar's status counts.
(set +o pipefail
	dpkg-deb --fsys-tarfile linux-image-"$release"-dbg_*.deb 2>/dev/null | tar -x --occurrence=1 -O "./usr/lib/debug/boot/vmlinux-$release" >vmlinux)
mv ./*.ko "$dir"
mv "vmlinuz-$release" "$dir/vmlinuz"
mv vmlinux "$dir" # the last, so that a part is never taken for the whole
