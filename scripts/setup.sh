#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what scripts/packages (or another list) names and this machine lacks, from the
# machine's own package sources.  Starts no service and creates no database cluster.
# usage: setup.sh [LIST]
set -eu
cd "$(dirname "$0")/.."
unpacked=build/node

wanted=$(sed 's/#.*//' "${1:-scripts/packages}" | tr -s ' \t\n' ' ')

# One call for all of them: 30 ms where one each would be a second.
# shellcheck disable=SC2086
present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
	sed -n 's/^installed //p' || true)

# Not by its package: unpacked beside the build, or part of another one's node.
there_otherwise()
{
	case "$1" in
	node-pg) [ -d "$unpacked/usr/share/nodejs/pg" ] ;;
	npm) command -v npm >/dev/null ;;
	*) return 1 ;;
	esac
}

missing=
for p in $wanted; do
	case "
$present
" in
	*"
$p
"*) ;;
	*) there_otherwise "$p" || missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "setup: root is needed to install:$missing (run 'sudo make setup')" >&2
	exit 1
fi

echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get -qq update

# node-pg wants Debian's own node.  Where another one is installed, the package is
# only unpacked, beside the build; it is plain JavaScript and any node runs it.
case " $missing " in
*" node-pg "*)
	if ! apt-get -qq -s install --no-install-recommends node-pg >/dev/null 2>&1; then
		missing=$(echo "$missing " | sed 's/ node-pg / /')
		rm -rf "$unpacked" && mkdir -p "$unpacked/deb"
		(cd "$unpacked/deb" && apt-get -qq -o APT::Sandbox::User=root download \
			node-pg node-xtend node-split2 node-readable-stream node-inherits \
			node-string-decoder node-util-deprecate node-safe-buffer)
		for deb in "$unpacked"/deb/*.deb; do dpkg-deb -x "$deb" "$unpacked"; done
		rm -rf "$unpacked/deb"
	fi ;;
esac
[ -n "$(echo "$missing" | tr -d ' ')" ] || exit 0

# The tests run clusters of their own: a fresh PostgreSQL need not make one on 5432.
no_cluster=/etc/postgresql-common/createcluster.d/plimsoll-setup.conf
trap 'rm -f "$no_cluster"' EXIT
mkdir -p "${no_cluster%/*}"
echo 'create_main_cluster = false' >"$no_cluster"
# shellcheck disable=SC2086
apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends $missing >/dev/null
