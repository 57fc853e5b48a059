// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines of "start size name", the numbers in hex.  V8 writes file and line into the
 * name: "JS:*borrow /srv/app.js:12:7"; HotSpot the type of what is returned before it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/perf_map.h"

#define NAME_MAX_BYTES 1024

/* Hex digits at *at and one space behind them. */
static bool hex(const char **at, const char *end, uint64_t *ret)
{
	uint64_t v = 0;
	const char *s = *at;

	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	for (; s < end && *s != ' '; s++) {
		int digit = *s >= '0' && *s <= '9'   ? *s - '0'
			    : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10
			    : *s >= 'A' && *s <= 'F' ? *s - 'A' + 10
						     : -1;

		if (digit < 0 || v >> 60)
			return false;
		v = v << 4 | (uint64_t)digit;
	}
	if (s == *at || s == end)
		return false;
	*at = s + 1;
	*ret = v;
	return true;
}

/* ":line:column" or ":line" at the end of `name` is cut off; the line, or 0. */
static uint32_t cut_line(char *name)
{
	unsigned long numbers[2] = { 0, 0 };
	size_t n = 0;

	while (n < 2) {
		char *colon = strrchr(name, ':');

		if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
			break;
		numbers[n++] = strtoul(colon + 1, NULL, 10);
		*colon = '\0';
	}
	n = n ? n - 1 : 0;
	return numbers[n] <= UINT32_MAX ? (uint32_t)numbers[n] : 0;
}

static void set_v8(char *name, struct place *ret)
{
	char *function = strchr(name, ':') + 1;
	char *space = strchr(function, ' ');

	/* How far it was optimised. */
	function += strspn(function, "~*^+'");
	if (space) {
		*space = '\0';
		ret->line = cut_line(space + 1);
		place_set_file(ret, space + 1);
	}
	(void)snprintf(ret->function, sizeof(ret->function), "%s",
		       function[0] && function != space ? function : "(anonymous)");
}

/* HotSpot writes "void a.B.c(int, long)": a name begins with what it is in. */
static const char *behind_type(const char *name)
{
	const char *end = strchr(name, '('), *space = end;

	while (space && space > name && *space != ' ')
		space--;
	return space && *space == ' ' && space + 1 < end ? space + 1 : name;
}

static void set(const char *text, size_t len, struct place *ret)
{
	static const char *const v8[] = { "JS:", "LazyCompile:", "Function:", "Script:", "Eval:" };
	char name[NAME_MAX_BYTES];

	*ret = (struct place){ 0 };
	(void)snprintf(name, sizeof(name), "%.*s",
		       (int)(len < sizeof(name) ? len : sizeof(name) - 1), text);
	for (size_t i = 0; i < sizeof(v8) / sizeof(v8[0]); i++) {
		if (!strncmp(name, v8[i], strlen(v8[i]))) {
			set_v8(name, ret);
			return;
		}
	}
	place_set_function(ret, behind_type(name));
}

bool perf_map_find(const char *text, size_t len, uint64_t address, struct place *ret)
{
	const char *end = text + len, *found = NULL;
	size_t found_len = 0;

	for (const char *line = text, *next; line < end; line = next) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		const char *at = line;
		uint64_t start, size;

		/* A last line without its end is still being written. */
		if (!eol)
			break;
		next = eol + 1;
		if (!hex(&at, eol, &start) || !hex(&at, eol, &size) || at == eol)
			continue;
		if (address >= start && address - start < size) {
			found = at;
			found_len = (size_t)(eol - at);
		}
	}
	if (found)
		set(found, found_len, ret);
	return found != NULL;
}
