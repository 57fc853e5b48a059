// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who sent the statement, where Unix sockets' hook cannot be: there it is one with theirs
 * (bpf/unix/), since each program costs every message of the host.
 */
#include "evidence.bpf.h"

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int ret, int flags)
{
	if (ret > 0)
		note_sender(sk, ret);
	return 0;
}
