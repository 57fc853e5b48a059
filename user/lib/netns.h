/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces, as `ip netns` calls them. */
#ifndef PLIMSOLL_NETNS_H
#define PLIMSOLL_NETNS_H

#include <stddef.h>
#include <stdint.h>

/* Inode number of our own; 0 unknown. */
uint32_t netns_own(void);

/* "blue" for what is mounted as /run/netns/blue, else "net:[4026532281]". */
void netns_name(uint32_t inode, char *out, size_t out_size);

#endif
