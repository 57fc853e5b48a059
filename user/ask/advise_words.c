// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rule of thumb: as many connections as are at work in the busiest second, and as
 * many again for what is not even; never fewer than were seen in use at once.  All of
 * them may lie idle where they were thrown away and dialled again, half of them else.
 * And none so old that a failover, a new password or a bloated backend lasts for days.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ask/advise.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/language.h"
#include "lib/text.h"

#define SEEN_LEAST_NS	  (10 * NS_PER_S)
#define QUERIES_LEAST	  100
#define OPEN_LEAST	  2
#define LIFE_LEAST_S	  1800
#define LIFE_S		  3600
#define PLATEAU_S	  1	/* all in use at once, for so long: it wanted more */
#define YOUNG_LEAST	  10	/* connections thrown away young, before that is a habit */

static bool is_churning(const struct demand *d)
{
	return d->ended_young >= YOUNG_LEAST && d->ended_young * 2 >= d->ended;
}

struct advice advise(const struct demand *d, uint64_t now_ns)
{
	double latency_s = demand_latency_s(d), wanted = ceil(d->peak_per_s * latency_s * 2);
	struct advice a = { 0 };

	if (elapsed_ns(d->since_ns, now_ns) < SEEN_LEAST_NS || d->queries < QUERIES_LEAST ||
	    latency_s <= 0 || d->peak_per_s <= 0)
		return a;
	a.enough = true;
	a.max_open = wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX;
	if (a.max_open < d->in_use_max)
		a.max_open = d->in_use_max;
	if (a.max_open < OPEN_LEAST)
		a.max_open = OPEN_LEAST;
	a.max_idle_least = a.max_open / 2 + a.max_open % 2;
	a.max_idle = is_churning(d) ? a.max_open : a.max_idle_least;
	a.lifetime_least_s = LIFE_LEAST_S;
	a.lifetime_s = LIFE_S;
	return a;
}

struct guess advise_guess(const struct demand *d, uint64_t now_ns)
{
	bool seen = elapsed_ns(d->since_ns, now_ns) >= SEEN_LEAST_NS;

	return (struct guess){
		/* One connection is no pool that stands at its limit. */
		.max_open = seen && d->full_s >= PLATEAU_S && d->open_max > 1 ? d->open_max : 0,
		.max_idle = is_churning(d) ? d->idle_max : 0,
		.unlimited_life = d->oldest_ns > (LIFE_S + LIFE_S / 10) * NS_PER_S,
	};
}

enum library library_of(const char *comm, const char *exe_name)
{
	static const struct {
		const char *language;
		enum library library;
	} rows[] = {
		{ "jvm", LIBRARY_HIKARICP },
		{ "python", LIBRARY_SQLALCHEMY },
		{ "node", LIBRARY_NODE_POSTGRES },
	};
	const char *language = language_by_name(exe_name);

	if (text_match("php-fpm*", comm) || text_match("php-fpm*", exe_name))
		return LIBRARY_PHP_FPM;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(language, rows[i].language) == 0)
			return rows[i].library;
	return LIBRARY_MAX;
}

const char *library_name(enum library l)
{
	static const char *const names[] = {
		"database/sql", "HikariCP", "SQLAlchemy", "node-postgres", "PHP-FPM",
	};

	_Static_assert(ARRAY_SIZE(names) == LIBRARY_MAX, "every library has a name");
	return names[l];
}

void library_settings(enum library l, const struct advice *a, char *out, size_t out_size)
{
	unsigned long life_s = a->lifetime_least_s;
	uint32_t open = a->max_open, idle = a->max_idle;

	switch (l) {
	case LIBRARY_DATABASE_SQL:
		(void)snprintf(out, out_size,
			       "db.SetMaxOpenConns(%u); db.SetMaxIdleConns(%u); "
			       "db.SetConnMaxLifetime(%lu * time.Minute)",
			       open, idle, life_s / 60);
		return;
	case LIBRARY_HIKARICP:
		(void)snprintf(out, out_size, "maximumPoolSize=%u minimumIdle=%u maxLifetime=%lu",
			       open, idle, life_s * 1000);
		return;
	case LIBRARY_SQLALCHEMY:
		(void)snprintf(out, out_size,
			       "create_engine(..., pool_size=%u, max_overflow=%u, pool_recycle=%lu)",
			       idle, open - idle, life_s);
		return;
	case LIBRARY_NODE_POSTGRES:
		(void)snprintf(out, out_size,
			       "new Pool({ max: %u, maxLifetimeSeconds: %lu, idleTimeoutMillis: 60000 })"
			       " (it keeps no number of idle ones, but each for that time)",
			       open, life_s);
		return;
	default:
		(void)snprintf(out, out_size,
			       "pm.max_children = %u, pm.max_spare_servers = %u, pm.max_requests so "
			       "that a worker lives some %lu min (each worker has its own connection)",
			       open, idle, life_s / 60);
	}
}
