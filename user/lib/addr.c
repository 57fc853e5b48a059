// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/addr.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

bool addr_is_v4(const uint8_t ip[static 16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

/*
 * The paths of Unix sockets, of which a host has few: each is kept once, for good, so
 * that an address stays as small as it is and can be compared as it is.
 */
#define PATHS_MAX 1024
#define PATH_LEN  112

static char paths[PATHS_MAX][PATH_LEN];
static uint16_t path_count = 1;		/* number 0 is no path */

bool addr_is_unix(const struct addr *a)
{
	return !a->port && a->ip[0] == ADDR_UNIX_MARK && a->ip[1] == ADDR_UNIX_MARK;
}

static uint16_t path_number(const char *path)
{
	uint16_t n = 1;

	while (n < path_count && strncmp(paths[n], path, PATH_LEN - 1) != 0)
		n++;
	if (!*path || n == PATHS_MAX)
		return 0;
	if (n == path_count) {
		(void)snprintf(paths[n], PATH_LEN, "%s", path);
		path_count++;
	}
	return n;
}

struct addr addr_unix(const char *path)
{
	struct addr a = { .ip = { ADDR_UNIX_MARK, ADDR_UNIX_MARK } };
	uint16_t n = path_number(path);

	memcpy(a.ip + 2, &n, sizeof(n));
	return a;
}

static void format_unix(const struct addr *a, char text[static ADDR_TEXT_LEN])
{
	uint16_t n;

	memcpy(&n, a->ip + 2, sizeof(n));
	(void)snprintf(text, ADDR_TEXT_LEN, n && n < path_count ? "unix:%s" : "unix", paths[n]);
}

const char *addr_format(const struct addr *a, char text[static ADDR_TEXT_LEN])
{
	char ip[INET6_ADDRSTRLEN];

	if (addr_is_unix(a)) {
		format_unix(a, text);
	} else if (addr_is_v4(a->ip)) {
		(void)inet_ntop(AF_INET, a->ip + sizeof(mapped), ip, sizeof(ip));
		(void)snprintf(text, ADDR_TEXT_LEN, "%s:%u", ip, a->port);
	} else {
		(void)inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
		(void)snprintf(text, ADDR_TEXT_LEN, "[%s]:%u", ip, a->port);
	}
	return text;
}

/* Digits alone, at most 65535: strtoul() would take signs and blanks too. */
static int parse_port(const char *text, uint16_t *ret)
{
	unsigned port = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (unsigned)(*text - '0');
		if (port > UINT16_MAX)
			return -EINVAL;
	}
	*ret = (uint16_t)port;
	return 0;
}

int addr_parse(const char *text, struct addr *ret)
{
	bool bracketed = *text == '[';
	const char *ip = text + bracketed;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN] = "";
	struct addr a = { 0 };
	size_t len;

	if (!strncmp(text, "unix:", 5) && text[5]) {
		*ret = addr_unix(text + 5);
		return 0;
	}
	if (!colon || colon < ip + bracketed)
		return -EINVAL;
	len = (size_t)(colon - ip) - bracketed;
	if (len >= sizeof(host) || (bracketed && ip[len] != ']'))
		return -EINVAL;
	memcpy(host, ip, len);
	if (!bracketed)
		memcpy(a.ip, mapped, sizeof(mapped));
	if (bracketed ? inet_pton(AF_INET6, host, a.ip) != 1
		      : inet_pton(AF_INET, host, a.ip + sizeof(mapped)) != 1)
		return -EINVAL;
	if (parse_port(colon + 1, &a.port) < 0)
		return -EINVAL;
	*ret = a;
	return 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && !memcmp(a->ip, b->ip, sizeof(a->ip));
}
