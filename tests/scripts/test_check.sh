#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The test runner itself: what fails is counted and shown, whatever way it fails.
cd "$(dirname "$0")/../.." || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
bad=0

# Runs the runner's own functions over one program; prints its last line.
counts()	# PROGRAM
{
	sed -n '/^passed=0/,/^build()/p' scripts/check.sh | sed '$d' >"$dir/functions"
	bash -c 'only=; . "$1"; run 5 case sh -c "$2" >/dev/null
		echo "$passed $failed $skipped ${#failures[@]}"' - "$dir/functions" "$1"
}

expect()	# NAME WANTED PROGRAM
{
	got=$(counts "$3")
	if [ "$got" = "$2" ]; then
		echo "ok - check: $1"
	else
		echo "not ok - check: $1"
		echo "# got '$got', expected '$2' (passed failed skipped stories)"
		bad=1
	fi
}

expect "what passes is counted" "2 0 0 0" 'echo "ok 1 - a"; echo "ok 2 - b"'
expect "what is skipped is counted" "1 0 1 0" 'echo "ok 1 - a"; echo "ok 2 - b # SKIP why"'
expect "one failure is one failure" "1 1 0 1" 'echo "ok 1 - a"; echo "not ok 2 - b"; exit 1'
expect "two failures are two" "0 2 0 1" 'echo "not ok 1 - a"; echo "not ok 2 - b"; exit 1'
expect "a failure is one though the program exits 0" "0 1 0 1" 'echo "not ok 1 - a"'
expect "dying without a word is a failure" "0 1 0 1" 'exit 3'
expect "running no test is a failure" "0 1 0 1" 'true'
expect "dying after the last test is a failure" "1 1 0 1" 'echo "ok 1 - a"; kill -SEGV $$'
exit $bad
