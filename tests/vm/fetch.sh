#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel of one release, with its modules: DIR/vmlinuz, DIR/lib/modules.  It comes
# from the mirror that this machine's own package sources name, checked against Debian's keys,
# and changes nothing on the machine.  Fetched once; remove DIR to have a newer one.
#
# usage: fetch.sh RELEASE DIR
set -eu
release=$1 dir=$2
[ -e "$dir/vmlinuz" ] && exit 0

mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' \
	'Origin: Debian' | sed -n 's/^Debian //p' | head -n 1)
if [ -z "$mirror" ]; then
	echo "fetch: this machine's package sources name no mirror of Debian (apt-get update?)" >&2
	exit 1
fi

new=$dir.new
trap 'rm -rf "$new"' EXIT
rm -rf "$new"
mkdir -p "$new/apt/lists/partial" "$new/apt/cache/archives/partial" "$new/deb" "$new/lib/modules"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [arch=amd64 signed-by=$keys] $mirror $release main" >"$new/apt/sources"
: >"$new/apt/status"

# apt with this one source, and nothing installed.
own=$(realpath "$new/apt")
set -- -qq -o Dir::Etc::SourceList="$own/sources" -o Dir::Etc::SourceParts=- \
	-o Dir::State="$own" -o Dir::State::status="$own/status" -o Dir::Cache="$own/cache" \
	-o APT::Sandbox::User=root -o Acquire::Languages=none
apt-get "$@" update
# The kernel is one package or, since 7, several: linux-binary, linux-modules, linux-base.
packages=$(apt-cache "$@" depends --recurse --important linux-image-amd64 |
	grep -xE 'linux-(image|binary|modules|base)-[0-9].*-amd64' | sort -u)
# shellcheck disable=SC2086
(cd "$new/deb" && apt-get "$@" download $packages)

for deb in "$new"/deb/*.deb; do
	dpkg-deb -x "$deb" "$new/root"
done
# In /boot and /lib before 7 and 6.12; below /usr/lib/modules since.
find "$new/root" -name 'vmlinuz*' -type f -exec mv {} "$new/vmlinuz" \;
for modules in "$new"/root/lib/modules/* "$new"/root/usr/lib/modules/*; do
	[ ! -d "$modules" ] || mv "$modules" "$new/lib/modules/"
done
depmod -b "$new" "$(ls "$new/lib/modules")"
rm -rf "$new/apt" "$new/deb" "$new/root" "$dir"
mv "$new" "$dir"
