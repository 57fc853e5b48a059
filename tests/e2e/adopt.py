# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that are older than the observer."""

import os

from lib import client, daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

# What is old and silent is known by the port alone, so this server has the usual one.
shared = server.Shared(Postgres, usual_port=True)


@tap.test("an old connection is listed, unknown until it speaks, then right", each=(
    "psycopg2", "libpq", "pgx"))
def adopted(b, driver):
    pg = shared.get()
    app = client.Client(b, pg, driver)
    backend = app.backend()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed")
    same((c["activity"], c["age_is_lower_bound"]), ("unknown", True), f"as adopted: {c}")
    true(c["comm"], "its owner is known")
    true(c["user"] in (None, "app") and c["database"] in (None, "shop"),
         f"user and database are null or right: {c['user']} {c['database']}")
    true(c["backend_pid"] in (None, backend), f"backend {c['backend_pid']}")
    same(c["txn_s"], None, "no transaction is made up")

    app.must("query select 1")
    tap.wait_for(lambda: d.conn_of(app.pid)["activity"] == "idle", 2, "idle after a statement")
    true(d.conn_of(app.pid)["age_is_lower_bound"], "the age stays a lower bound")
    app.must("begin")
    app.must("query select 1")
    tap.wait_for(lambda: d.conn_of(app.pid)["activity"] == "idle-in-txn", 2, "the transaction")
    d.wait_confirmed(app.pid)


@tap.test("on an unusual port an old connection is known by its neighbours")
def neighbours(b):
    pg = Postgres()
    b.later(pg.close)
    app = client.Client(b, pg, "libpq")
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    other = client.Client(b, pg, "libpq")
    tap.wait_for(lambda: d.conn_of(other.pid), 3, "the new connection to be listed")
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the old one to be listed with it")
    same((c["activity"], c["age_is_lower_bound"], c["user"]), ("unknown", True, None), f"{c}")


@tap.test("a transaction that was open before is a leak only once it is known")
def leaked_before(b):
    pg = shared.get()
    app = client.Client(b, pg, "libpq")
    backend = app.leak(50)
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", "500ms"))
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed")
    if c["activity"] == "unknown":
        tap.wait_for(lambda: d.ask("status") or True, 2, "a look")
        true(pg.row_locks(backend), "what is not known is not acted upon")
    app.must("query select 1")
    tap.wait_for(lambda: not pg.row_locks(backend), 5, "found and mended after it spoke")
    app.say("rollback")
    app.must("query select 1")


@tap.test("the daemon takes up after a restart where it left")
def restarted(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq")
    app.leak(51)
    first = d.wait_confirmed(app.pid)
    d.stop()
    d.start()
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed again")
    same(c["id"], first["conn"], "a connection keeps its id over a restart")
    app.must("query select 1")
    d.wait_confirmed(app.pid)
    app.must("commit")
    true(os.path.exists(os.path.join(d.state, "journal.db")), "the journal is there")


tap.main(shared)
