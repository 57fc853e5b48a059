/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses: 16 bytes with IPv4 mapped, port in host order.  The address of a Unix socket
 * is two bytes of ADDR_UNIX_MARK, which begin no address of TCP's, port 0, and the number
 * under which its path is remembered.
 */
#ifndef PLIMSOLL_ADDR_H
#define PLIMSOLL_ADDR_H

#include <stdbool.h>
#include <stdint.h>

struct addr {
	uint8_t ip[16];
	uint16_t port;
};

#define ADDR_TEXT_LEN  128
#define ADDR_UNIX_MARK 0xff

/* "10.0.0.2:5432" or "[fe80::1]:5432"; a mapped address reads as IPv4. */
const char *addr_format(const struct addr *a, char text[static ADDR_TEXT_LEN]);

/* The reverse, also of "[::ffff:10.0.0.2]:5432" and "unix:/path".  0 or -EINVAL. */
int addr_parse(const char *text, struct addr *ret);

/* Whether these 16 bytes are an IPv4 address; it then is their last four. */
bool addr_is_v4(const uint8_t ip[static 16]);

bool addr_is_unix(const struct addr *a);

/*
 * The address of the Unix socket at `path`, the same for the same path; "unix:PATH" as
 * text, "unix" for one whose path is "" or that is one of too many (1,024).
 */
struct addr addr_unix(const char *path);

bool addr_equal(const struct addr *a, const struct addr *b);

#endif
