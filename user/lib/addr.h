/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses: 16 bytes with IPv4 mapped, port in host order. */
#ifndef PLIMSOLL_ADDR_H
#define PLIMSOLL_ADDR_H

#include <stdbool.h>
#include <stdint.h>

struct addr {
	uint8_t ip[16];
	uint16_t port;
};

#define ADDR_TEXT_LEN 64

/* "10.0.0.2:5432" or "[fe80::1]:5432"; a mapped address reads as IPv4. */
const char *addr_format(const struct addr *a, char text[static ADDR_TEXT_LEN]);

/* The reverse, also of "[::ffff:10.0.0.2]:5432".  0 or -EINVAL. */
int addr_parse(const char *text, struct addr *ret);

/* Whether these 16 bytes are an IPv4 address; it then is their last four. */
bool addr_is_v4(const uint8_t ip[static 16]);

bool addr_equal(const struct addr *a, const struct addr *b);

#endif
