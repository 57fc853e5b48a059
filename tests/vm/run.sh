#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon on Debian's own kernels: boots each of them into this machine's files (read-only)
# and runs there what inside.sh names.  Streams TAP; ends with one line for each kernel.
#
# There need be no virtualisation: qemu emulates, and the VM's clock counts its instructions
# (-icount) and stands while the host does something else.  So the VM is a steady, if slow,
# machine on the busiest host, and no time-out in it is the host's doing.
#
# usage: run.sh [-k PATTERN] [KERNEL...]    KERNEL: a name out of tests/vm/kernels
set -u
cd "$(dirname "$0")/../.." || exit 2
here=tests/vm only=
if [ "${1:-}" = -k ]; then
	only=$2
	shift 2
fi
minutes=60
verdicts=()
vm=
trap '[ -z "$vm" ] || kill "$vm"' EXIT
trap 'exit 130' INT TERM

boot()	# DIR
{
	timeout --foreground --kill-after=5 ${minutes}m qemu-system-x86_64 -machine q35 -cpu max -m 3072 \
		-accel tcg -icount shift=0 -nodefaults -no-user-config -no-reboot -display none \
		-kernel "$1/vmlinuz" -initrd "$1/initrd" \
		-append "console=ttyS0 panic=-1 lockdown=integrity TREE=$PWD MODULES=$PWD/$1/lib/modules ONLY=$only" \
		-serial "file:$1/console" -chardev "stdio,id=results,logfile=$1/log" \
		-serial chardev:results \
		-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
		</dev/null &
	vm=$!
	wait $vm
	vm=
}

try()	# NAME RELEASE
{
	local dir=build/vm/$1 ok not skip
	if ! { $here/fetch.sh "$2" "$dir" && $here/initrd.sh "$dir"; }; then
		verdicts+=("$1: not ok: no kernel to boot")
		return 1
	fi
	boot "$dir"
	skip=$(grep -cE '^ok .*# SKIP' "$dir/log")
	ok=$(($(grep -cE '^ok ' "$dir/log") - skip))
	not=$(grep -cE '^not ok ' "$dir/log")
	verdicts+=("$1: $ok passed, $not failed, $skip skipped")
	if ! grep -q '^# end:' "$dir/log"; then
		verdicts+=("$1: not ok: the VM ended too soon; its console:" "$(tail -n 20 "$dir/console")")
		return 1
	fi
	[ "$ok" -gt 0 ] && grep -q '^# end: passed' "$dir/log"
}

good=0
while read -r name release; do
	case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
	try "$name" "$release" || good=1
done < <(sed 's/#.*//; /^$/d' $here/kernels)
if [ ${#verdicts[@]} = 0 ]; then
	echo "$*: no such kernel in $here/kernels" >&2
	exit 2
fi
echo
printf '%s\n' "${verdicts[@]}"
exit $good
