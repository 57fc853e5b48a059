#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All tests, in order: layers, builds, unit (with ASan and UBSan), replay, and the
# programs themselves against real servers.  Streams TAP, tells what failed once
# more at the end, and ends with one line: N passed, N failed, N skipped.
#
# usage: check.sh [-k PATTERN]    only test programs whose path matches
set -u
cd "$(dirname "$0")/.." || exit 2
only=
[ "${1:-}" = -k ] && only=$2
# The build directory that `make` was called with is not ours to use.
unset B SAN MAKEFLAGS MAKELEVEL
normal=build san=build/san
passed=0 failed=0 skipped=0
failures=()
declare -A names=() said=() since=()
logs=$(mktemp -d) || exit 2
finish()
{
	[ ${#names[@]} = 0 ] || { kill -TERM "${!names[@]}"; wait; }
	rm -rf "$logs"
}
trap finish EXIT
shopt -s nullglob
trap 'exit 130' INT TERM

fail()	# NAME, details on standard input
{
	failed=$((failed + 1))
	failures+=("$1
$(tail -n 60 | sed 's/^/    /')")
}

# Counts the TAP lines of one finished program.
count()	# NAME LOG EXIT_CODE
{
	local ok not skip plan
	plan=$(sed -n 's/^1\.\.\([0-9][0-9]*\).*/\1/p' "$2" | head -n 1)
	skip=$(grep -cE '^ok .*# SKIP' "$2")
	ok=$(($(grep -cE '^ok ' "$2") - skip))
	not=$(grep -cE '^not ok ' "$2")
	passed=$((passed + ok))
	skipped=$((skipped + skip))
	if [ "$not" -gt 0 ]; then
		failed=$((failed + not - 1))
		# From each failure to the next result: that is its story.
		fail "$1: $not failed" < <(awk '/^not ok /{p=1} /^ok /{p=0} p' "$2")
	elif [ "$3" = 124 ] || [ "$3" = 137 ]; then
		fail "$1: not done in time" <"$2"
	elif [ "$3" != 0 ]; then
		fail "$1: exit code $3 with no failed test" <"$2"
	elif [ $((ok + skip)) = 0 ]; then
		fail "$1: ran no test" <"$2"
	elif [ -n "$plan" ] && [ $((ok + skip)) -lt "$plan" ]; then
		fail "$1: $((ok + skip)) results of $plan" <"$2"
	fi
}

# Several run abreast; what one said is told when it ends.
abreast=3
await_one()
{
	local pid code
	wait -n -p pid "${!names[@]}"
	code=$?
	echo "# ${names[$pid]}: $((SECONDS - since[$pid])) s"
	grep -E '^(ok|not ok|#)' "${said[$pid]}"
	count "${names[$pid]}" "${said[$pid]}" $code
	unset "names[$pid]" "said[$pid]" "since[$pid]"
}

launch()	# SECONDS NAME COMMAND...
{
	local limit=$1 name=$2 log
	shift 2
	[ -n "$only" ] && ! [[ "$name $*" =~ $only ]] && return
	log=$(mktemp "$logs/XXXXXX")
	timeout --kill-after=15 "$limit" "$@" </dev/null >"$log" 2>&1 &
	names[$!]=$name said[$!]=$log since[$!]=$SECONDS
	launched=$!
}

# Suites that must have no other suite beside them, and mostly wait: each beside what needs
# neither the kernel's probes nor a server.
alone=(tests/e2e/alone_*.py) launched=0 solo=0
launch_alone()
{
	[ -z "${names[$solo]-}" ] && [ ${#alone[@]} -gt 0 ] || return
	launch 120 "${alone[0]}" /usr/bin/python3 "${alone[0]}" --build $normal
	solo=$launched
	alone=("${alone[@]:1}")
}

beside()	# SECONDS NAME COMMAND...
{
	while [ ${#names[@]} -ge $abreast ]; do await_one; done
	launch "$@"
}

build()	# NAME ARGUMENTS...
{
	local name=$1
	shift
	if make --no-print-directory -j"$(nproc)" "$@" >"$logs/build" 2>&1; then
		echo "ok - $name"
		passed=$((passed + 1))
		return 0
	fi
	echo "not ok - $name"
	fail "$name" <"$logs/build"
	return 1
}

beside 60 "layers" sh -c 'said=$(scripts/check-layers.sh); code=$?
	[ $code = 0 ] && echo "ok - layers: data moves one way" && exit 0
	echo "not ok - layers: data moves one way"; echo "$said" | sed "s/^/# /"; exit 1'
for t in tests/scripts/test_*.sh; do
	beside 150 "${t%.sh}" "$t"
done
while [ ${#names[@]} -gt 0 ]; do await_one; done

build "build: make" all older egress
build "build: make clients" clients
sanitized=
build "build: make SAN=1" SAN=1 B=$san all tests && sanitized=yes

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
# Days of a service on a virtual clock; `make sim` is the long run.
for life in "--seed 3 --days 0.2 --per-day 60 --fix" "--seed 1 --days 2 --conns 400 --leaks none" \
	    "--seed 2 --days 1 --conns 400 --per-day 20" "--seed 4 --days 0.02 --closely" \
	    "--seed 5 --days 0.1 --conns 400 --per-day 60 --closely --fix"; do
	[ -n "$sanitized" ] && [ -d tests/sim/service ] || continue
	launch_alone
	beside 200 "tests/sim/service $life" nice "$san/tests/sim/service/service" $life
done
export CMOCKA_MESSAGE_OUTPUT=TAP
for t in tests/unit/test_*.c; do
	[ -n "$sanitized" ] || continue
	launch_alone
	beside 150 "${t%.c}" "$san/${t%.c}"
done
for t in tests/sim/*.txt; do
	[ -n "$sanitized" ] || continue
	launch_alone
	beside 30 "$t" "$san/tests/sim/replay" "$t"
done
while [ ${#names[@]} -gt 0 ] || [ ${#alone[@]} -gt 0 ]; do
	launch_alone
	[ ${#names[@]} = 0 ] || await_one
done

# Those that take longest first: none of them is left alone at the end.
# The older kernel's are what they would be on one without the newest ways to read (6.1),
# egress's where what was sent cannot be read from its queue.
first=(patterns unix mysql "statement (older)" safety gopool "find (older)" pauses
       "statement (egress)" "soak (ASan)" fix culprit find)
declare -A begun=()
e2e()	# SUITE
{
	local t=tests/e2e/${1%% *}.py how=${1#"${1%% *}"} dir=$normal
	[ -e "$t" ] && [ -z "${begun[$1]-}" ] || return
	begun[$1]=yes
	case $1 in
	*"(older)") dir=$normal/older ;;
	*"(egress)") dir=$normal/egress ;;
	*"(ASan)") [ -n "$sanitized" ] || return; dir=$san ;;
	esac
	beside 400 "$t$how" /usr/bin/python3 "$t" --build "$dir"
}
# It judges bursts by the clock, with eighty programs: beside it only what mostly waits.
e2e truth
e2e trouble
while [[ " ${names[*]} " = *" tests/e2e/truth.py "* ]]; do await_one; done
for suite in "${first[@]}"; do e2e "$suite"; done
for t in tests/e2e/*.py; do
	[[ $t = tests/e2e/alone_* ]] || { t=${t##*/}; e2e "${t%.py}"; }
done
while [ ${#names[@]} -gt 0 ]; do await_one; done

if [ ${#failures[@]} -gt 0 ]; then
	echo
	echo "# what failed:"
	printf '%s\n' "${failures[@]}"
	echo
fi
if [ $((passed + failed)) = 0 ]; then
	echo "no test ran" >&2
	failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
