// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose connections are no pool of its own, and whose pools dial ahead of need: by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "level.h"
#include "lib/cleanup.h"

static void proxies_tunnels_and_tools_forward(void **state)
{
	static const char *const names[] = {
		"haproxy", "envoy", "ssh", "sshd", "kubectl", "mysqlrouter", "dbeaver",
		/* Of longer names the kernel keeps fifteen characters. */
		"alloydb-auth-pr", "beekeeper-studi", "mysql-workbench",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!is_forwarder(names[i]))
			fail_msg("%s forwards", names[i]);
}

static void applications_do_not(void **state)
{
	static const char *const names[] = {
		"java", "python3", "shop", "", "haproxy2", "hapro", "ssh-agent",
		"alloydb", "Envoy",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (is_forwarder(names[i]))
			fail_msg("%s does not forward", names[i]);
}

static void javas_pools_dial_ahead(void **state)
{
	static const char *const others[] = { "javac", "jav", "python3", "node", "" };

	(void)state;
	assert_true(fills_ahead("java"));
	assert_true(fills_ahead("jsvc"));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (fills_ahead(others[i]))
			fail_msg("%s does not", others[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proxies_tunnels_and_tools_forward),
		cmocka_unit_test(applications_do_not),
		cmocka_unit_test(javas_pools_dial_ahead),
	};

	return cmocka_run_group_tests_name("forwarder", tests, NULL, NULL);
}
