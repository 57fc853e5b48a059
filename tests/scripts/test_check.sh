#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The test runner must not lose a failure: runs it over a small tree with tests that
# pass, fail, skip, die and say nothing, and compares its last line.  Prints TAP.
root=$(cd "$(dirname "$0")/../.." && pwd)
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
failed=0
mkdir -p "$tree/scripts" "$tree/tests/e2e"
cp "$root/scripts/check.sh" "$tree/scripts"
printf '#!/bin/sh\nexit 0\n' >"$tree/scripts/check-layers.sh"
chmod +x "$tree/scripts/check-layers.sh"
printf 'all older egress clients tests:\n\t@true\n' >"$tree/Makefile"

# WANTED_LAST_LINE WANTED_CODE WANTED_TEXT NAME, the test program on standard input
ends()
{
	cat >"$tree/tests/e2e/planted.py"
	echo 'print("ok 1 - soak # SKIP no time")' >"$tree/tests/e2e/soak.py"
	said=$("$tree/scripts/check.sh" 2>&1)
	code=$?
	last=$(echo "$said" | tail -n 1)
	if [ "$last" = "$1" ] && [ $code = "$2" ] && echo "$said" | grep -q "$3"; then
		echo "ok - check: $4"
	else
		echo "not ok - check: $4"
		echo "# exit $code, said:"
		echo "$said" | sed 's/^/# /'
		failed=1
	fi
}

# Layers and three builds pass, soak is skipped twice.
ends "6 passed, 0 failed, 2 skipped" 0 "ok 2 - b" "counts what passed" <<'END'
print("ok 1 - a\nok 2 - b")
END
ends "5 passed, 2 failed, 2 skipped" 1 "the reason of b" "a failed test fails the run" <<'END'
print("ok 1 - a\nnot ok 2 - b\n# the reason of b\nnot ok 3 - c")
END
ends "5 passed, 1 failed, 2 skipped" 1 "exit code 3" "a program that dies fails the run" <<'END'
print("ok 1 - a", flush=True)
raise SystemExit(3)
END
ends "4 passed, 1 failed, 2 skipped" 1 "ran no test" "a silent program fails the run" <<'END'
END
ends "4 passed, 1 failed, 3 skipped" 1 "exit code 1" "a skip does not hide a death" <<'END'
print("ok 1 - a # SKIP not here", flush=True)
raise SystemExit(1)
END
ends "5 passed, 1 failed, 2 skipped" 1 "1 results of 2" "a test that is missing fails the run" <<'END'
print("1..2\nok 1 - a", flush=True)
END
exit $failed
