# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding carries the statement that holds it, with nothing in it that was data."""

import fcntl
import os
import resource
import socket
import struct

from lib import client, daemon, server, tap
from lib.frontend import SYNC, Session, execute, message, parse, query
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


@tap.test("how requests are read on this kernel was tried, is said, and is so")
def tried(b):
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, shared.get(), "libpq")
    facts = {fact["fact"]: fact for fact in d.ask("doctor")[0]["facts"]}
    known = tap.wait_for(lambda: d.conn_of(app.pid), 3, "it to be listed")["user"] == "app"
    way = "cgroup_skb/egress" if tap.build_dir().endswith("egress") else "retransmit queue"
    same([facts["user, database, requests"][k] for k in ("way", "works")], [way, known],
         "what doctor says, and what is seen")


@tap.test("what follows 200,000 bytes of a flight is counted, and its statement is known")
def large(b):
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    s = Session(shared.get())
    b.later(s.close)
    value = message(b"B", b"\0\0" + struct.pack("!HHi", 0, 1, 200000) + b"x" * 200000 + b"\0\0")

    def shows(activity, sql):
        tap.wait_for(lambda: [(c["activity"], c["sql"]) for c in d.conns(f"pid={os.getpid()}")
                              if c["local"].endswith(f":{s.port}")] == [(activity, sql)], 2,
                     f"{activity} and {sql}")

    s.say(query("begin"))
    s.say(parse("", "select length($1)"), value, execute(), SYNC)
    shows("idle-in-txn", "select length($1)")
    s.socket.sendall(b"".join((parse("", "select length($1)"), value, execute(), SYNC,
                               query("select pg_sleep(1)"))))
    s.ready()
    shows("busy", "select pg_sleep(?)")
    s.ready()
    shows("idle-in-txn", "select pg_sleep(?)")


def last_sql(d, app):
    return d.conn_of(app.pid)["sql"]


@tap.test("outside a transaction the last statement is shown, whoever asks rarely",
          each=client.DRIVERS)
def outside(b, driver):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, driver)
    for column in ("id", "balance"):
        app.must(f"query select {column} from account where '{CANARY}' = '7'")
        tap.wait_for(lambda: last_sql(d, app) == f"select {column} from account where ? = ?", 2,
                     "the statement")
    app.must("begin")
    app.must("query select 2")
    tap.wait_for(lambda: last_sql(d, app) == "select ?", 2, "what is asked in a transaction")
    app.must("commit")
    same(last_sql(d, app), "select ?", "its end tells less than what it ends")
    for _ in range(300):     # more at once than are looked at
        app.send("query select 3")
    for _ in range(300):
        true(app.answer().ok, "one of many")
    same(last_sql(d, app), None, "after many more")


@tap.test("without evidence no statement is kept outside a transaction")
def spared(b):
    pg = shared.get()
    d = daemon.Daemon(b, "evidence: off\n" + daemon.config_observe("500ms"))
    app = client.Client(b, pg, "psycopg2")
    app.must("query select 1")
    same(last_sql(d, app), None, "sql before")
    app.must("begin")
    app.must("query select 2")
    same(last_sql(d, app), "select ?", "sql inside")
    app.must("commit")
    app.must("query select 1")
    same(last_sql(d, app), None, "sql after")


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


NEAR_SLOTS = 1024   # as in bpf/event.h


def dial_high(address):
    """A connection under a number that leaves those below 1,024 to select()."""
    with socket.create_connection(address) as s:
        return fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 1024)


@tap.test("where many connections are open, the statements of the last ones are shown as well")
def far(b):
    pg = shared.get()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * NEAR_SLOTS), hard))
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    with socket.create_server(("127.0.0.1", 0), backlog=2 * NEAR_SLOTS) as nobody:
        before = [dial_high(nobody.getsockname()) for _ in range(NEAR_SLOTS)]
        app = client.Client(b, pg, "libpq")
        app.must("begin")
        app.must("query select 1")
        same(d.wait_confirmed(app.pid)["sql"], "select ?", "the last")
        app.must("query select id from account")
        tap.wait_for(lambda: last_sql(d, app) == "select id from account", 2, "the next")
        for s in before:
            os.close(s)


tap.main(shared)
