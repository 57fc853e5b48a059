#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What boots a kernel into this machine's own files: DIR/initrd, out of DIR/lib/modules, a
# static busybox and init.
#
# usage: initrd.sh DIR
set -eu
here=$(dirname "$0") dir=$1
version=$(ls "$dir/lib/modules")

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/host" \
	"$root/layer" "$root/root"
cp /bin/busybox "$root/bin/"
cp "$here/init" "$root/init"

# Numbered, for none loads before those that it needs.
n=10
modprobe -d "$dir" -S "$version" --show-depends -a virtio_pci 9pnet_virtio 9p overlay |
	sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
	name=$(basename "$module")
	case "$name" in
	*.xz) xz -dc "$module" ;;
	*.zst) zstd -dcq "$module" ;;
	*) cat "$module" ;;
	esac >"$root/modules/$n-${name%.ko*}.ko"
	n=$((n + 1))
done
(cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$dir/initrd"
