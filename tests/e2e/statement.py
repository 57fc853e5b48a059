# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding carries the statement that holds it, with nothing in it that was data."""

import os

from lib import client, daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

CANARY = "Zk9canary"
TRACE = "0af7651916cd43dd8448eb211c80319c"
shared = server.Shared(Postgres)


@tap.test("the last statement of a forgotten transaction is shown, redacted", each=client.DRIVERS)
def shown(b, driver):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, driver)
    app.must("begin")
    app.must(f"query update account set balance = balance + 0 * 7 where '{CANARY}' <> $q${CANARY}$q$ "
             "and id = 7")
    f = d.wait_confirmed(app.pid)
    same(f["sql"], "update account set balance = balance + ? * ? where ? <> ? and id = ?", "sql")
    same(d.conn_of(app.pid)["sql"], f["sql"], "the connection shows the same")
    for document in (d.leaks(), d.conns(), d.journal()):
        true(CANARY not in str(document), "nothing that was data is shown")
    d.stop()
    for name in os.listdir(d.state):
        with open(os.path.join(d.state, name), "rb") as kept:
            true(CANARY.encode() not in kept.read(), f"nothing that was data is kept in {name}")


@tap.test("the trace id of sqlcommenter is kept, the rest of the comment is not")
def trace(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "psycopg2")
    app.must("begin")
    app.must(f"query select 1 /*route='{CANARY}',traceparent='00-{TRACE}-b7ad6b7169203331-01'*/")
    f = d.wait_confirmed(app.pid)
    same((f["sql"], f["trace_id"]), ("select ?", TRACE), "sql and trace id")
    true(CANARY not in str(f), "the rest of the comment")


@tap.test("outside a transaction no statement is kept")
def outside(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "psycopg2")
    app.must("query select 1")
    same(d.conn_of(app.pid)["sql"], None, "sql before")
    app.must("begin")
    app.must("query select 2")
    same(d.conn_of(app.pid)["sql"], "select ?", "sql inside")
    app.must("commit")
    same(d.conn_of(app.pid)["sql"], None, "sql after")


@tap.test("a statement longer than what is kept is cut between tokens")
def long_one(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq")
    app.must("begin")
    columns = ", ".join(f"id as column_{n}" for n in range(60))
    app.must(f"query select {columns} from account where id = 1")
    f = d.wait_confirmed(app.pid)
    true(f["sql"].startswith("select id as column_0, id as column_1,"), f["sql"])
    true(f["sql"].endswith("…") and len(f["sql"]) < 260, f["sql"])


tap.main(shared)
