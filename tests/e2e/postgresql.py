# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL beyond a question and its answer: flights, COPY, notices, replicas, poolers."""

import os
import socket
import struct
import threading
import time

from lib import client, daemon, pooler, server, tap
from lib.postgres import Postgres
from lib.frontend import SYNC, Session, bind, execute, message, parse, query
from lib.tap import same, true

shared = server.Shared(Postgres, wal_level="logical", max_wal_senders=5)


def row_of(d, s, what="the connection"):
    """The row of a session of ours, by its port."""
    return tap.wait_for(lambda: [c for c in d.conns(f"pid={os.getpid()}")
                                 if c["local"].endswith(f":{s.port}")], 3, what)[0]


def shows(d, s, what, **wanted):
    tap.wait_for(lambda: all(row_of(d, s)[k] == v for k, v in wanted.items()), 2,
                 f"{wanted} {what}, not {[row_of(d, s)[k] for k in wanted]}")


def no_findings(d, seconds, *pids):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        same([f for f in d.leaks() if f["pid"] in pids], [], "findings")
        time.sleep(0.1)


@tap.test("libpq's pipeline: the last of a flight is what it is in the middle of")
def pipeline(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq")
    app.must("pipeline update account set balance = balance where id = 3")
    f = d.wait_confirmed(app.pid)
    same(f["sql"], "update account set balance = balance where id = ?", "sql")
    # Both came in one flight: that the first one began is not for us to say.
    same(d.ask("show", f["conn"])[0]["opening_sql"], None, "what opened it")
    app.must("commit")
    d.wait_activity(app.pid, "idle", "after the commit")


@tap.test("flights with an error, without a Sync, with many Syncs")
def flights(b):
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    s = Session(shared.get())
    b.later(s.close)

    def one(sql):
        return parse("", sql), bind(""), execute()

    s.say(query("begin"))
    shows(d, s, "after begin", activity="idle-in-txn", sql="begin")
    s.say(*one("select 1"), *one("select nosuch"), *one("select 3"), SYNC)
    shows(d, s, "after an error in a flight", activity="failed-txn")
    s.say(*one("rollback"), SYNC, *one("select 1"), SYNC, *one("select 2"), SYNC, answers=3)
    shows(d, s, "after three answers", activity="idle")
    s.socket.sendall(b"".join(one("select pg_sleep(0.6)")) + message(b"H"))
    shows(d, s, "while it runs", activity="busy")
    while s.read()[0] != b"C":
        pass
    time.sleep(0.3)
    same(row_of(d, s)["activity"], "busy", "answered, but no Sync was sent")
    s.say(SYNC)
    shows(d, s, "after the Sync", activity="idle")
    for _ in range(3):
        s.say(*(m for n in range(300) for m in (*one(f"select {n}"), SYNC)), answers=300)
        s.say(query("select 1"))
        s.say(query("select 1"))
        shows(d, s, "after 300 in a flight", activity="idle")
    same(row_of(d, s)["uncertain"], False, "uncertain")


@tap.test("COPY in and out is work, and leaves the right state behind", limit=60)
def copy(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("400ms"))
    app = client.Client(b, pg, "libpq")
    app.send("copyin 30 50")
    # By simple query, rows of 50 ms: no pause is longer than the grace, in sum they are.
    no_findings(d, 1.2, app.pid)
    same(d.activity(app.pid), "busy", "while it copies")
    app.answer()
    d.wait_activity(app.pid, "idle", "afterwards")
    s = Session(pg)
    b.later(s.close)
    s.say(query("begin"))
    s.say(query("create temp table t (i int) on commit drop"))
    for flight in (query("copy t from stdin"), b"".join((parse("", "copy t from stdin"), bind(""),
                                                        execute(), SYNC))):
        s.socket.sendall(flight)
        while s.read()[0] != b"G":
            pass
        s.socket.sendall(message(b"d", b"1\n") * 1000)
        shows(d, s, "in the middle of COPY", activity="busy")
        no_findings(d, 1, os.getpid())
        # A Sync that was sent before the data is swallowed by COPY.
        s.say(message(b"c"), *(() if flight[:1] == b"Q" else (SYNC,)))
        s.say(query("select 1"))
        s.say(query("select 1"))
        shows(d, s, "after COPY in", activity="idle-in-txn")
    s.say(query("copy t from stdin"), message(b"d", b"1\n"), message(b"f", b"enough\0"))
    s.say(query("select 1"))
    s.say(query("select 1"))
    shows(d, s, "after a COPY that failed", activity="failed-txn")
    s.say(query("rollback"))
    s.say(query("copy (select repeat('Z', 1000) from generate_series(1, 20000)) to stdout"))
    shows(d, s, "after COPY out", activity="idle")


@tap.test("a cursor that is read slowly is work, one that is left open is not")
def cursor(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("700ms"))
    app = client.Client(b, pg, "libpq")
    app.send("cursor 10 150")
    no_findings(d, 1.3, app.pid)
    app.answer()
    s = Session(pg)
    b.later(s.close)
    s.say(query("begin"))
    s.say(parse("", "select i from generate_series(1, 1000) i"), bind("", "p"),
          message(b"E", b"p\0" + struct.pack("!I", 10)), SYNC)
    shows(d, s, "in a portal", activity="idle-in-txn",
          sql="select i from generate_series(?) i")
    s.say(message(b"E", b"p\0" + struct.pack("!I", 10)), SYNC)
    f = d.wait_confirmed(os.getpid())
    same((f["sql"], f["activity"]), ("select i from generate_series(?) i", "idle-in-txn"),
         "a portal left open")
    s.say(query("commit"))


@tap.test("a listener that is told something stays idle, and its clock goes by it")
def notify(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    s = Session(pg)
    b.later(s.close)
    s.say(query("listen news"))
    for n in range(5):
        pg.ask(f"select pg_notify('news', repeat('x', {n * 1000}))")
        same(s.read()[0], b"A", "the server's word")
        shows(d, s, "after a notice", activity="idle", txn_s=None)
        true(row_of(d, s)["quiet_s"] < 1, "its clock")
    same(row_of(d, s)["uncertain"], False, "uncertain")
    no_findings(d, 1, os.getpid())
    # Told in the middle of its own work, it hears of it with the answer.
    s.say(query("begin"))
    pg.ask("select pg_notify('news', 'more')")
    s.say(query("select 1"))
    shows(d, s, "in a transaction", activity="idle-in-txn")
    came = s.say(query("commit"))
    true(b"A" in came or s.read()[0] == b"A", "it was told at the end")
    shows(d, s, "at the end", activity="idle")


@tap.test("a cancel request is no connection, and what it cancels goes on")
def cancel(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq")
    before = app.must("backend")
    seen, over = set(), threading.Event()

    def watch():
        while not over.is_set():
            seen.update(c["id"] for c in d.conns(f"pid={app.pid}"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(5):
        app.must("cancel 100")
    over.set()
    watcher.join()
    same(len(seen), 1, "connections of the application")
    d.wait_activity(app.pid, "idle", "after it was cancelled")
    same(app.must("backend"), before, "the same backend")
    # One that stays open after it asked: the server hangs up, nobody lists it.
    with socket.create_connection(("127.0.0.1", pg.port)) as s:
        s.sendall(struct.pack("!IIII", 16, 80877102, 1, 2))
        same(s.recv(1), b"", "the server's word")
        same([c for c in d.conns(f"pid={os.getpid()}")
              if c["local"].endswith(f":{s.getsockname()[1]}")], [], "as listed")
    same([p["open"] for p in d.ask("pools", f"pid={app.pid}")], [1], "its pool")


@tap.test("a replica's connection is shown at work, and never found", each=("physical", "logical"))
def replica(b, how):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse, close after 1s", "300ms"))
    s = Session(pg, replication="true" if how == "physical" else "database")
    b.later(s.close)
    s.say(query("IDENTIFY_SYSTEM"))
    shows(d, s, "before it begins", activity="idle", protocol="postgresql")
    plugin = "LOGICAL test_decoding" if how == "logical" else "PHYSICAL"
    s.say(query(f"CREATE_REPLICATION_SLOT s_{how} TEMPORARY {plugin}"))
    where = pg.ask("select pg_current_wal_lsn()")[0][0]
    s.socket.sendall(query(f"START_REPLICATION SLOT s_{how} {how.upper()} {where}"))
    same(s.read()[0], b"W", "the server's word")
    for n in range(10):
        pg.ask("update account set balance = balance where id <= %s returning 1", n * 10 + 1)
        same(s.read()[0], b"d", "what is streamed")
        # A standby's report: written, flushed, applied, when, no reply wanted.
        s.socket.sendall(message(b"d", b"r" + struct.pack("!QQQQB", 1, 1, 1, 0, 0)))
        shows(d, s, "while it streams", activity="busy")
    no_findings(d, 1.5, os.getpid())
    shows(d, s, "when nothing happens", activity="busy")
    same([r for r in d.repairs() if r["pid"] == os.getpid()], [], "repairs")


@tap.test("through pgbouncer both ends are right: the client's and the pooler's", limit=60,
          each=("transaction", "session"))
def pooled(b, mode):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("600ms"))
    between = pooler.Pooler(b, pg, mode)
    apps = [client.Client(b, between, "libpq") for _ in range(3)]

    def ends(of):
        return [c for c in d.conns(f"pid={of}") if c["stage"] == "ready"]

    for app in apps:
        app.must("query select 1")
        d.wait_activity(app.pid, "idle", "at rest")
        c = d.conn_of(app.pid)
        same((c["remote"], c["user"], c["database"]),
             (f"127.0.0.1:{between.port}", "postgres", "shop"), "the client's end")
    # A transaction's end frees the server's connection, a session's does not.
    wanted = 1 if mode == "transaction" else 3
    tap.wait_for(lambda: len(ends(between.pid)) == wanted, 3,
                 f"{wanted} to the server: {ends(between.pid)}")
    for c in ends(between.pid):
        same((c["comm"], c["remote"], c["user"], c["database"], c["activity"]),
             ("pgbouncer", f"127.0.0.1:{pg.port}", "postgres", "shop", "idle"), "the pooler's end")
    apps[0].must("begin")
    apps[0].must("query update account set balance = balance where id = 5")
    backend = int(apps[0].must("query select pg_backend_pid()").split()[-1])
    f, g = d.wait_confirmed(apps[0].pid), d.wait_confirmed(between.pid)
    same((f["sql"], g["sql"], g["backend_pid"]),
         ("select pg_backend_pid()", "select pg_backend_pid()", backend), "on both ends")
    same([x for x in d.leaks() if x["pid"] in (apps[1].pid, apps[2].pid)], [], "the others")
    for n in range(20):
        apps[1].must(f"query select {n}")
    apps[0].must("commit")
    for pid in (apps[0].pid, between.pid):
        tap.wait_for(lambda: {c["activity"] for c in ends(pid)} == {"idle"}, 2, "idle at the end")
    same({c["uncertain"] for c in ends(between.pid)}, {False}, "nothing is uncertain")


tap.main(shared)
