/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PLIMSOLL_CALLS_BPF_H
#define PLIMSOLL_CALLS_BPF_H

/* x86's numbers of the system calls that move a message's bytes. */
enum { CALL_READ = 0, CALL_WRITE = 1, CALL_READV = 19, CALL_WRITEV = 20, CALL_SENDTO = 44,
       CALL_RECVFROM = 45, CALL_SENDMSG = 46, CALL_RECVMSG = 47 };

#endif
