// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes whose connections are no pool of theirs: proxies and tunnels have one for
 * each client that they serve, tools one for each window that somebody has open.  They
 * dial when another client comes, whatever lies idle.  So do poolers, where a client keeps
 * its connection for as long as it likes (pgbouncer's session mode); and they fill a
 * reserve one by one.  What their clients lose shows at the clients' own connections.
 * Names as the kernel cuts them, at 15 characters.
 */
#include <string.h>

#include "level.h"
#include "lib/cleanup.h"

bool is_forwarder(const char *comm)
{
	static const char *const names[] = {
		"haproxy", "envoy", "nginx", "traefik", "caddy", "stunnel", "stunnel4", "socat",
		"ncat", "ssh", "sshd", "autossh", "kubectl", "docker-proxy", "rootlessport",
		"slirp4netns", "cloud-sql-proxy", "cloud_sql_proxy", "alloydb-auth-pr", "linkerd2-proxy",
		"pgbouncer", "odyssey", "pgcat", "pgagroal", "pgdog", "pgpool", "proxysql",
		"maxscale", "mysqlrouter", "gost", "frpc", "frps", "tsh", "teleport", "boundary",
		"dbeaver", "pgadmin4", "datagrip", "tableplus", "beekeeper-studi", "mysql-workbench",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(comm, names[i], 15) == 0)
			return true;
	return false;
}

bool fills_ahead(const char *comm)
{
	return strcmp(comm, "java") == 0 || strcmp(comm, "jsvc") == 0;
}
