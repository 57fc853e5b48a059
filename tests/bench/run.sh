#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What plimsolld costs its host; prints `metric value lo hi PASS|FAIL`.  See ab.c for how.
# usage: run.sh [ROUNDS [WORKLOAD...]]
cd "$(dirname "$0")/../.." || exit 1
if [ "$(id -u)" != 0 ]; then
	echo "bench: root is needed to load BPF programs (run 'sudo make bench')" >&2
	exit 4
fi
make --no-print-directory build/tests/bench/ab || exit 1
exec /usr/bin/python3 -B tests/bench/run.py "$@"
