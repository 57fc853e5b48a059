#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the VM is for: the suites whose path matches ONLY, and at last whether all was well.
#
# usage: inside.sh TREE ONLY
cd "$1" || exit
ip link set lo up
ulimit -n 1048576
echo "# Linux $(uname -r)"
end=passed
for suite in tests/vm/*.py tests/e2e/{find,many,adopt}.py; do
	[[ $suite =~ $2 ]] || continue
	echo "# $suite"
	/usr/bin/python3 -B "$suite" --build build || end=failed
done
echo "# end: $end"
echo o >/proc/sysrq-trigger
sleep infinity
