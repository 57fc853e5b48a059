// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The programs as they are on a kernel before 6.2: linked in place of the question what
 * the kernel has (`--wrap`).
 */
#include <stdbool.h>

bool __wrap_events_kernel_has(const char *function);

bool __wrap_events_kernel_has(const char *function)
{
	(void)function;
	return false;
}
