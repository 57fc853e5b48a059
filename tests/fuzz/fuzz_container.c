// SPDX-License-Identifier: GPL-2.0-or-later
/* Any path of a cgroup: what comes out has the form that was promised, and was in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *path = strndup((const char *)bytes, size);
	struct container c;

	if (!path)
		return 0;
	container_parse(path, &c);
	must(!*c.id || (strlen(c.id) == 64 && strspn(c.id, "0123456789abcdef") == 64));
	must(strlen(c.runtime) < sizeof(c.runtime) && strlen(c.unit) < sizeof(c.unit));
	must(!*c.pod_uid || strlen(c.pod_uid) == 36 || strlen(c.pod_uid) == 32);
	must(strspn(c.pod_uid, "0123456789abcdef-") == strlen(c.pod_uid));
	must(strstr(path, c.id) && strstr(path, c.unit) && !strchr(c.unit, '/'));
	must(!*c.runtime || *c.id);
	free(path);
	return 0;
}
