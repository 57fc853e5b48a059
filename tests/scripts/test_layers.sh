#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The layer check must refuse what it is there to refuse: plants wrong includes in a
# copy of the tree, one at a time, and looks for the reason.  Prints TAP.
root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
failed=0

result()	# OK NAME DETAIL
{
	if [ "$1" = 0 ]; then
		echo "ok - layers: $2"
	else
		echo "not ok - layers: $2"
		echo "# $3" | sed '2,$s/^/# /'
		failed=1
	fi
}

# FILE LINE REASON: with LINE added to FILE, the check prints REASON and fails.
refuses()
{
	rm -rf "$copy/user"
	cp -r "$root/user" "$copy/user"
	mkdir -p "$copy/$(dirname "$1")"
	echo "$2" >>"$copy/$1"
	said=$("$root/scripts/check-layers.sh" "$copy")
	code=$?
	[ $code = 1 ] && echo "$said" | grep -qF "$3"
	result $? "refuses $2 in $1" "exit $code, said: $said"
}

rm -rf "$copy/user"
cp -r "$root/user" "$copy/user"
said=$("$root/scripts/check-layers.sh" "$copy")
result $? "the tree as it is passes" "$said"

refuses user/conn.c '#include "policy.h"' 'user/conn.c: includes policy.h from its right'
refuses user/detect.h '#include "journal.h"' 'user/detect.h: includes journal.h from its right'
refuses user/sql.c '#include "conn.h"' 'user/sql.c: includes conn.h from its right'
refuses user/sql/planted.c '#include "conn.h"' 'plug-in of sql includes conn.h'
refuses user/policy.c '#include "config.h"' 'user/policy.c: includes config.h from its right'
refuses user/journal.c '#include "engine.h"' 'user/journal.c: includes engine.h from its right'
refuses user/detect/planted.c '#include "policy.h"' 'plug-in of detect includes policy.h'
refuses user/repair/planted.c '#include "conn.h"' 'plug-in of repair includes conn.h'
refuses user/lib/planted.c '#include "conn.h"' 'user/lib/planted.c: lib/ includes conn.h'
refuses user/lib/planted.c '#include "event.h"' 'user/lib/planted.c: lib/ includes event.h'
refuses user/policy.c '#include <bpf/libbpf.h>' 'includes <bpf/libbpf.h>, only the event stage may'
refuses user/engine.c '#include "plimsoll.skel.h"' 'only the event stage may'
refuses user/engine/planted.c '#include <bpf/bpf.h>' 'only the event stage may'
refuses user/engine/planted.c '#include "stranger.h"' 'plug-in of engine includes stranger.h'
refuses user/conn/planted.c '#include "level.h"' 'plug-in of conn includes level.h'
refuses user/events.h '#include "conn.h"' 'user/events.h: includes conn.h from its right'
refuses user/events/planted.c '#include "conn.h"' 'plug-in of events includes conn.h'
refuses user/util.c '#include "conn.h"' 'user/util.c: belongs to no stage'
exit $failed
