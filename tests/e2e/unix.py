# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections through Unix sockets: followed as those by TCP are, never repaired."""

import os
import socket
import threading

import psycopg2

from lib import client, daemon, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres)
shared_mysql = server.Shared(MariaDB)


def path_of(pg):
    return f"unix:{pg.dir}/.s.PGSQL.{pg.port}"


def started(b, config):
    """A daemon that hears, for there is a connection already."""
    pg = shared.get()
    keeper = pg.admin()
    b.later(keeper.close)
    d = daemon.Daemon(b, config)
    tap.wait_for(d.hears_unix, 3, "the daemon to hear")
    return d


def connect(b, driver):
    """A server and a client of it, by the Unix socket; the path, as it is shown."""
    if driver == "libmariadb":
        my = shared_mysql.get()
        return client.Client(b, my, driver, DB_HOST="localhost", MYSQL_UNIX_PORT=my.socket), \
            f"unix:{my.socket}"
    pg = shared.get()
    return client.Client(b, pg, driver, PGHOST=pg.dir), path_of(pg)


@tap.test("it is listed with all that is known of it, and gone when it is closed",
          each=client.DRIVERS + ("libmariadb",))
def listed(b, driver):
    d = started(b, daemon.config_observe())
    app, path = connect(b, driver)
    backend = app.backend()
    c = d.wait_activity(app.pid, "idle", "after a statement", backend)
    same((c["local"], c["remote"], c["user"], c["database"], c["backend_pid"]),
         ("unix", path, "app", "shop", backend), f"{c}")
    same((c["protocol_evidence"], c["adopted"], c["uncertain"], c["tls"], c["rtt_us"]),
         ("wire", False, False, False, None), f"{c}")
    true(c["comm"] and c["thread"] and c["opened_at"], f"its owner is known: {c}")
    app.must("begin")
    app.must("query select 1")
    c = d.wait_activity(app.pid, "idle-in-txn", "inside", backend)
    same((c["sql"], c["queries"] > 0), ("select ?", True), f"{c}")
    same([(p["endpoint"], p["in_txn"]) for p in d.ask("pools", f"pid={app.pid}")], [(path, 1)], "pool")
    same(len(d.conns(f"endpoint={path}", f"pid={app.pid}")), 1, "by its endpoint")
    app.must("commit")
    d.wait_activity(app.pid, "idle", "after it", backend)
    app.send("query select " + ("sleep(1)" if driver == "libmariadb" else "pg_sleep(1)"))
    d.wait_activity(app.pid, "busy", "while the server works", backend)
    true(app.answer().ok, "the answer")
    app.send("quit")
    tap.wait_for(lambda: not d.conn_of(app.pid), 2, "it to be gone")


@tap.test("a forgotten transaction is found, named, and not touched", each=("libpq", "libmariadb"))
def leaked(b, driver):
    d = started(b, "evidence: transactions\nmode: fix\n"
                         "detectors:\n  idle-in-txn: { grace: 500ms }\n"
                         "rules:\n  - { match: { kind: idle-in-txn, endpoint: \"unix:*\" },\n"
                         "      act: [ defuse, close, destroy ] }\n")
    app, _ = connect(b, driver)
    app.leak(3)
    f = d.wait_confirmed(app.pid)
    same((f["kind"], f["sql"]), ("idle-in-txn", "update account set balance = balance - ? where id = ?"),
         "finding")
    tap.wait_for(lambda: d.confirmed(app.pid)[0]["stack"], 5, "the stack")
    true(any(x["application"] and x["function"] for x in d.confirmed(app.pid)[0]["stack"]),
         "a function of the application is named")
    said = d.cli("fix", f["conn"], "--with", "close", "--yes")
    same(said.code, 7, f"refused: {said.err}")
    true("Unix socket" in said.out + said.err, f"with the reason: {said.out} {said.err}")
    refused = [e["reason"] for e in d.journal() if e["type"] == "repair" and e["conn"] == f["conn"]]
    same(set(refused), {"unix-socket"}, "every repair")
    app.must("rollback")
    tap.wait_for(lambda: not d.confirmed(app.pid), 2, "the finding to end")


@tap.test("an old one is taken in, unknown until it speaks, then right", each=("libpq", "libmariadb"))
def adopted(b, driver):
    app, path = connect(b, driver)
    app.must("query select 1")
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed")
    same((c["activity"], c["age_is_lower_bound"], c["remote"], c["user"], c["txn_s"]),
         ("unknown", True, path, None, None), f"as adopted: {c}")
    true(c["comm"] and c["protocol"], f"owner and protocol: {c}")
    app.must("begin")
    app.must("query update account set balance = 1 where id = 9")
    d.wait_activity(app.pid, "idle-in-txn", "the transaction")
    d.wait_confirmed(app.pid)


@tap.test("answers of many pieces and notices in between are followed")
def large(b):
    pg = shared.get()
    d = started(b, daemon.config_observe())
    app, _ = connect(b, "psycopg2")
    app.must("query select repeat('Z' || chr(5) || 'I', 400000)")
    app.must("begin")
    app.must("query do $$ begin for i in 1..2000 loop raise notice 'Z %', repeat('x', 100); end loop; end $$")
    c = d.wait_activity(app.pid, "idle-in-txn", "after much")
    same(c["uncertain"], False, "nothing was lost")
    lost = {k: v for k, v in d.ask("status")[0]["counters"].items() if v and k.startswith("rx")}
    same(lost, {}, "answers not read")
    app.must("rollback")
    d.wait_activity(app.pid, "idle", "at last")
    true(pg.backend_alive(c["backend_pid"]), "the session")


@tap.test("the server's end gone, it is no idle connection")
def server_gone(b):
    pg = Postgres()
    b.later(pg.close)
    d = started(b, daemon.config_observe())
    app = client.Client(b, pg, "libpq", PGHOST=pg.dir)
    app.must("query select 1")
    d.wait_activity(app.pid, "idle", "before")
    pg.ask("select pg_terminate_backend(%s)", app.backend())
    tap.wait_for(lambda: d.conn_of(app.pid)["stage"] == "degraded", 2, "its end to be seen")


@tap.test("what is no database, and what was never answered, is not listed")
def others(b):
    d = started(b, daemon.config_observe())
    pg = shared.get()
    path = os.path.join(b.dir, "echo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as nobody:
        one.connect(path)
        far, _ = listener.accept()
        for n in range(3):
            one.sendall(b"hello %d" % n)
            far.sendall(far.recv(64))
            one.recv(64)
        try:
            nobody.connect(path + "-not-there")
        except FileNotFoundError:
            pass
        silent = socket.socket(socket.AF_UNIX)
        silent.connect(f"{pg.dir}/.s.PGSQL.{pg.port}")
        app, _ = connect(b, "libpq")
        tap.wait_for(lambda: d.conn_of(app.pid), 2, "one that is")
        same([c for c in d.conns(f"pid={os.getpid()}") if path in c["remote"]], [], "the others")
        far.close()
        silent.close()
    listener.close()


@tap.test("threads that share no connection each have their own, at once")
def threads(b):
    pg = shared.get()
    d = started(b, daemon.config_observe())
    go, errors = threading.Event(), []

    def work(n):
        try:
            c = psycopg2.connect(host=pg.dir, port=pg.port, user="app", dbname="shop")
            for _ in range(200):
                c.cursor().execute("select %s", (n,))
                c.rollback()
            c.cursor().execute("select 1")
            go.wait(20)
            c.close()
        except Exception as e:
            errors.append(e)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for w in workers:
        w.start()
    tap.wait_for(lambda: [c["activity"] for c in d.conns(f"pid={os.getpid()}", "user=app")] ==
                 ["idle-in-txn"] * 8, 10, "all eight, each in its transaction")
    same(d.ask("status")[0]["counters"]["unix_clash"], 0, "nobody met anybody")
    go.set()
    for w in workers:
        w.join()
    same(errors, [], "errors")
    tap.wait_for(lambda: not d.conns(f"pid={os.getpid()}", "user=app"), 2, "all to be gone")


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@tap.test("those that take the places of others, closed a moment before, are listed too")
def successors(b):
    pg = shared.get()
    d = started(b, daemon.config_observe())
    expected = [("idle-in-txn", path_of(pg))] * 8
    for n in range(10):
        some = [psycopg2.connect(host=pg.dir, port=pg.port, user="app", dbname="shop")
                for _ in expected]
        for c in some:
            c.cursor().execute("select %s", (n,))
        tap.wait_for(lambda: [(m["activity"], m["remote"])
                              for m in d.conns(f"pid={os.getpid()}", "user=app")] == expected,
                     2, f"all of round {n}")
        backends = [c.info.backend_pid for c in some]
        for c in some:
            c.close()
        tap.wait_for(lambda: all(map(gone, backends)), 5, "the server to let go")


class Both:
    def close(self):
        shared.close()
        shared_mysql.close()


@tap.test("an answer that nobody reads is found, and one that is read slowly is not")
def unread(b):
    d = started(b, "detectors: { unread: { grace: 2s } }\n")
    pg = shared.get()
    app, slow = (client.Client(b, pg, "libpq", PGHOST=pg.dir) for _ in range(2))
    ids = {a.pid: tap.wait_for(lambda a=a: d.conn_of(a.pid), 3, "the connection")["id"]
           for a in (app, slow)}
    app.must("abandon select repeat('x', 1000) from generate_series(1, 20000)")
    slow.must("query select pg_sleep(5)")
    f = tap.wait_for(lambda: [f for f in d.confirmed(app.pid) if f["kind"] == "unread"], 8,
                     "the answer that is left")[0]
    same((f["conn"], f["sql"]), (ids[app.pid], "select repeat(?) from generate_series(?)"), "what")
    true("the server waits" in f["evidence"], f["evidence"])
    same(d.conn_of(app.pid)["activity"], "unread", "what it does")
    same(d.confirmed(slow.pid), [], "of one that waited for its answer")


tap.main(Both())
