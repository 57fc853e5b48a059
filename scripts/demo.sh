#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A real leak in a real PostgreSQL, found and mended while you look; see demo.py.
cd "$(dirname "$0")/.." || exit 1
if [ "$(id -u)" != 0 ]; then
	echo "demo: root is needed to load BPF programs (run 'sudo make demo')" >&2
	exit 4
fi
exec /usr/bin/python3 -B scripts/demo.py "${B:-build}"
