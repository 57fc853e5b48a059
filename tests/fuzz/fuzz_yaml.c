// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever is called a configuration: it is read or refused with one line that
 * names a place, and nothing else happens.
 *
 * `make fuzz` builds and runs it.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool action_known(const char *name)
{
	return !strcmp(name, "defuse") || !strcmp(name, "close") || !strcmp(name, "destroy");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char why[512] = "";
	struct config c;

	if (!config_parse("fuzz", bytes, size, action_known, &c, why, sizeof(why))) {
		config_done(&c);
		return 0;
	}
	if (strncmp(why, "fuzz:", 5) || strchr(why, '\n') || strlen(why) < 8)
		abort();
	return 0;
}
