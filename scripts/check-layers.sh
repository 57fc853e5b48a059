#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each stage may include its own header, those to its left, lib/ and event.h:
# data moves one way.  Prints every include that goes the other way; exit 1 if any.
# usage: check-layers.sh [TREE]
cd "${1:-$(dirname "$0")/..}" || exit 2

# Left to right.  What joins the stages stands right of them all.
stages="events sql conn level detect policy repair journal"
joints="drivers symbols culprits libraries turns borrowers pauses gopools engine drive ask control main cli plimsoll"

rank()	# STAGE, sets $rank
{
	rank=0
	for s in $stages; do
		rank=$((rank + 1))
		[ "$s" = "$1" ] && return
	done
	# The configuration is made of the stages' settings, so it stands behind
	# policy, but no stage may know it.
	rank=90
	[ "$1" = config ] && return
	rank=99
	for s in $joints; do
		[ "$s" = "$1" ] && return
	done
	rank=0
}

bad=0
say()
{
	echo "$1"
	bad=1
}

judge()	# FILE INCLUDED
{
	file=$1 inc=$2
	below=${file#user/}
	stage=${below%%[/.]*}
	rank "$stage"
	mine=$rank
	theirs=${inc#user/}
	rank "${theirs%%[/.]*}"
	theirs=$rank

	case "$inc" in
	*.skel.h)
		[ "$stage" = events ] || say "$file: includes $inc, only the event stage may"
		return ;;
	bpf/*)
		[ "$stage" = events ] || say "$file: includes <$inc>, only the event stage may"
		return ;;
	event.h) case "$below" in lib/*) say "$file: lib/ includes $inc" ;; esac; return ;;
	lib/*) return ;;
	esac

	case "$below" in
	lib/*) say "$file: lib/ includes $inc" ;;
	*/*)
		case "$inc" in
		"$stage.h" | "$stage"/*) ;;
		*) [ "$mine" -ge 90 ] && [ "$theirs" -gt 0 ] && [ "$theirs" -le "$mine" ] ||
			say "$file: plug-in of $stage includes $inc" ;;
		esac ;;
	*)
		if [ "$mine" = 0 ]; then
			say "$file: belongs to no stage"
		elif [ "$theirs" = 0 ]; then
			say "$file: includes $inc, which belongs to no stage"
		elif [ "$theirs" -gt "$mine" ]; then
			say "$file: includes $inc from its right"
		fi ;;
	esac
}

files=$(find user -name '*.[ch]' | sort)
[ -n "$files" ] || say "no source file found"
includes=$(echo "$files" | xargs -r awk '
	/^[ \t]*#[ \t]*include[ \t]*("|<bpf\/)/ { split($0, part, /["<>]/); print FILENAME, part[2] }')
while read -r file inc; do
	[ -z "$file" ] || judge "$file" "$inc"
done <<END
$includes
END
exit $bad
