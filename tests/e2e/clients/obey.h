/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the clients in C that do as they are told have in common; see lib/client.py. */
#ifndef OBEY_H
#define OBEY_H

#include <stdio.h>
#include <string.h>

/* Says that it is ready, and hands each line's first word and the rest to `obey` until "quit". */
static void obey_lines(void (*obey)(char *word, char *rest))
{
	static char line[65536];

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ok\n");
	while (fgets(line, sizeof(line), stdin)) {
		char *rest;

		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "quit"))
			return;
		rest = line + strcspn(line, " ");
		if (*rest)
			*rest++ = '\0';
		obey(line, rest);
	}
}

#endif
