# SPDX-License-Identifier: GPL-2.0-or-later
"""A thousand connections of twenty processes, counted twice."""

import collections

from lib import client, daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

PROCESSES, EACH = 20, 50
shared = server.Shared(Postgres, max_connections=1100)


@tap.test("a thousand connections: the counts equal pg_stat_activity's", limit=180)
def thousand(b):
    pg = shared.get()
    admin = pg.admin()
    b.later(admin.close)
    admin.cursor().execute("create role report login; grant connect on database shop to report")
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    apps = []
    for n in range(PROCESSES):
        who = {"PGUSER": "report", "PGDATABASE": "postgres"} if n % 4 == 3 else {"PGUSER": "report"}
        apps.append(client.Client(b, pg, "libpq", PGAPPNAME=f"app-{n}", **who))
    for app in apps:
        app.send(f"open {EACH - 1}")
    for app in apps:
        true(app.answer(60).ok, "all its connections open")
    for app in apps[:3]:
        app.must("begin")

    def by_server():
        rows = pg.ask("select application_name, datname, usename, count(*), count(*) filter "
                      "(where state = 'idle in transaction') from pg_stat_activity "
                      "where client_addr is not null group by 1, 2, 3")
        pid = {f"app-{n}": app.pid for n, app in enumerate(apps)}
        return {(pid[a], db, user): (count, txn) for a, db, user, count, txn in rows}

    def by_us():
        return {(p["pid"], p["database"], p["user"]): (p["open"], p["in_txn"])
                for p in d.ask("pools", f"endpoint=127.0.0.1:{pg.port}")}

    wanted = by_server()
    same(sum(v[0] for v in wanted.values()), PROCESSES * EACH, "connections at the server")

    def agree(timeout):
        """Waits for both counts to be the same; says where they differ."""
        try:
            tap.wait_for(lambda: by_us() == by_server(), timeout, "both counts to be the same")
        except AssertionError:
            us, them = by_us(), by_server()
            same({k: v for k, v in us.items() if them.get(k) != v},
                 {k: v for k, v in them.items() if us.get(k) != v}, "pools that differ")

    agree(5)
    conns = d.conns(f"endpoint=127.0.0.1:{pg.port}")
    same(len(conns), PROCESSES * EACH, "connections listed")
    same(len({c["id"] for c in conns}), len(conns), "ids are unique")
    counted = collections.Counter(c["activity"] for c in conns)
    same(dict(counted), {"idle": PROCESSES * EACH - 3, "idle-in-txn": 3}, "activities")
    backends = {r[0] for r in pg.ask("select pid from pg_stat_activity "
                                     "where client_addr is not null")}
    same({c["backend_pid"] for c in conns}, backends, "backends")

    for app in apps[5:]:
        app.kill()
    agree(15)


tap.main(shared)
