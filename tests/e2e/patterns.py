# SPDX-License-Identifier: GPL-2.0-or-later
"""Leaks that only a pattern in time shows, in pools of real drivers; and healthy pools."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time

import psycopg2
import pymysql
from psycopg2 import extensions

from lib import client, daemon, pooler, proc, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres, max_connections=300)
CONFIG = """
detectors:
  held: { grace: 2s }
  unused: { grace: 3s }
  growth: { grace: 2s, connections: 20, window: 5s }
  churn: { grace: 15s, rate: 60 }
  stuck: { grace: 2s }
  cancelled: { grace: 2s }
  idle-in-txn: { grace: 10min }
"""


def begin(b, driver):
    d = daemon.Daemon(b, CONFIG)
    return d, client.Client(b, shared.get(), driver)


def of(d, app, kind):
    return [f for f in d.confirmed(app.pid) if f["kind"] == kind]


def taken_back(d, app):
    return [e for e in d.journal() if e.get("pid") == app.pid and e.get("state") == "retracted"]


def none_in(d, app, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        same([f for f in d.leaks() if f["pid"] == app.pid], [], "findings")
        time.sleep(0.2)


@tap.test("connections that are borrowed and not returned are held", each=client.POOLS, limit=60)
def held(b, driver):
    d, app = begin(b, driver)
    app.must("op 5 50")
    app.must("leak 7 400")
    began = time.monotonic()
    found = tap.wait_for(lambda: len(of(d, app, "held")) >= 5 and of(d, app, "held"), 8,
                         "five of seven to be held")
    b.note(f"{len(found)} held {time.monotonic() - began:.1f} s after the last: "
           f"{found[0]['evidence']}")
    app.must("op 20 50")
    conns = {c["id"]: c for c in d.conns(f"pid={app.pid}")}
    idle = {f["conn"] for f in of(d, app, "held")}
    true(all(conns[i]["activity"] == "idle" for i in idle), f"they are idle: {conns}")
    true(len(idle) <= 7, f"{len(idle)} found of seven, and one that works")
    same(taken_back(d, app), [], "regrets")


@tap.test("a pool that works, bursts and rests, and who listens, is not found", each=client.POOLS, limit=90)
def healthy(b, driver):
    d, app = begin(b, driver)
    for threads in (4, 10, 16):
        app.must(f"burst {threads} 300")
        app.must("op 20 30")
        none_in(d, app, 3)
    app.must("listen 7 400")
    app.must("op 10 300")
    none_in(d, app, 5)
    same(taken_back(d, app), [], "suspicions that were taken back")


@tap.test("connections opened and never used are unused, and a pool that only grows grows",
          each=client.POOLS, limit=90)
def unused(b, driver):
    d, app = begin(b, driver)
    app.must("op 125 100")
    app.must("connect 24 150")
    found = tap.wait_for(lambda: of(d, app, "growth"), 5, "the growth")[0]
    b.note(found["evidence"])
    same(found["conn"], None, "it is the pool's")
    pool = [p for p in d.ask("pools", f"pid={app.pid}") if p["open"] > 20][0]
    true(found["id"] in pool["findings"], f"the pool names it: {pool['findings']}")
    text = d.cli("leaks").out
    true("the whole pool" in text, f"leaks says so: {text}")
    if driver == "psycopg2 pool":     # the other sets each connection up with a query
        tap.wait_for(lambda: len(of(d, app, "unused")) >= 20, 10, "twenty of 24 unused")
    conns = {c["id"]: c for c in d.conns(f"pid={app.pid}")}
    for f in of(d, app, "unused"):
        same(conns[f["conn"]]["queries"], 0, "queries of an unused one")


@tap.test("connections for one query each are churn", each=client.POOLS, limit=90)
def churn(b, driver):
    d, app = begin(b, driver)
    for _ in range(3):
        app.must("throw 32 200")
    found = tap.wait_for(lambda: of(d, app, "churn"), 10, "the churn")[0]
    b.note(found["evidence"])
    same((found["conn"], found["user"], found["database"]), (None, "app", "shop"), "whose")
    refused = d.cli("fix", found["id"], "--with", "close", "--yes")
    same(refused.code, 7, f"a pool is not repaired: {refused.out} {refused.err}")


def session(b, pg):
    """A session spoken by hand: (socket, its local address as we print it)."""
    s = socket.create_connection(("127.0.0.1", pg.port))
    b.later(s.close)
    words = b"user\0postgres\0database\0shop\0\0"
    s.sendall(struct.pack("!II", 8 + len(words), 196608) + words)
    ready(s)
    return s, "127.0.0.1:%d" % s.getsockname()[1]


def ready(s):
    data = b""
    while data[-6:-1] != b"Z\0\0\0\5":
        data += s.recv(65536)


def message(kind, body):
    return kind + struct.pack("!I", 4 + len(body)) + body


def found_on(d, local, kind=None):
    ids = {c["id"] for c in d.conns(f"pid={os.getpid()}") if c["local"] == local}
    return [f for f in d.leaks() if f["conn"] in ids and kind in (None, f["kind"])]


@tap.test("half of a request and no more is stuck; slow statements and COPY are not", limit=60)
def stuck(b):
    pg = shared.get()
    d = daemon.Daemon(b, CONFIG)
    half, half_at = session(b, pg)
    slow, slow_at = session(b, pg)
    copy, copy_at = session(b, pg)
    for s in (half, slow, copy):
        s.sendall(message(b"Q", b"select 1\0"))
        ready(s)
    time.sleep(0.5)     # for a look to see them at rest
    half.sendall(message(b"Q", b"select 'something long'\0")[:15])
    slow.sendall(message(b"Q", b"select pg_sleep(12)\0"))
    copy.sendall(message(b"Q", b"copy account from stdin\0"))
    true(copy.recv(100)[:1] == b"G", "the server awaits COPY")
    copy.sendall(message(b"d", b"900\t1\n")[:7])
    tap.wait_for(lambda: [f for f in found_on(d, half_at, "stuck") if f["state"] == "confirmed"],
                 5, "the half request")
    time.sleep(5)
    same((found_on(d, slow_at), found_on(d, copy_at)), ([], []), "what is merely slow")
    half.sendall(message(b"Q", b"select 'something long'\0")[15:])
    ready(half)
    tap.wait_for(lambda: not found_on(d, half_at), 2, "the finding to be taken back")


@tap.test("a statement given up by its client, and not given back, is cancelled", limit=60)
def cancelled(b):
    pg = shared.get()
    d = daemon.Daemon(b, CONFIG)
    left, deaf, again, idle = (
        psycopg2.connect(host="127.0.0.1", port=pg.port, user="postgres", dbname="shop",
                         sslmode="disable", gssencmode="disable") for _ in range(4))
    idle.autocommit = again.autocommit = True

    def ask(c, sql):
        try:
            c.cursor().execute(sql)
        except psycopg2.Error as e:
            true(e.pgcode in ("57014", None), f"cancelled: {e}")

    threads = [threading.Thread(target=ask, args=(c, "select pg_sleep(30)"), daemon=True)
               for c in (left, deaf, again, idle)]
    for t in threads:
        t.start()

    def conn_of(c):
        return d.conn_of(os.getpid(), c.info.backend_pid)

    for c in (left, deaf, again, idle):
        tap.wait_for(lambda c=c: (conn_of(c) or {}).get("activity") == "busy", 3, "the statement")
    os.kill(deaf.info.backend_pid, signal.SIGSTOP)
    b.later(lambda: os.kill(deaf.info.backend_pid, signal.SIGCONT))
    for c in (left, deaf, again, idle):
        c.cancel()
    for t in (threads[0], threads[2], threads[3]):
        t.join(5)
    same(left.info.transaction_status, extensions.TRANSACTION_STATUS_INERROR, "what is left")
    retry = threading.Thread(target=ask, args=(again, "select pg_sleep(12)"), daemon=True)
    retry.start()

    def kinds(c):
        return sorted({f["kind"] for f in found_on(d, conn_of(c)["local"])
                       if f["state"] == "confirmed"})

    tap.wait_for(lambda: (kinds(left), kinds(deaf)) == (["cancelled"], ["cancelled"]), 6,
                 "both to be found")
    time.sleep(4)
    same((kinds(again), kinds(idle)), ([], []), "a retry, and one at rest")
    left.rollback()
    tap.wait_for(lambda: not kinds(left), 2, "the finding to be taken back")


@tap.test("a statement killed by its client, its transaction left open, is cancelled", limit=60)
def killed(b):
    my = MariaDB()
    b.later(my.close)
    d = daemon.Daemon(b, CONFIG)

    def connect():
        return pymysql.connect(host="127.0.0.1", port=my.port, user="app", database="shop",
                               password=server.PASSWORD, autocommit=True)

    def ask(c, sql):
        try:
            c.cursor().execute(sql)
        except pymysql.Error as e:
            same(e.args[0], 1317, "the error of one that was killed")

    left, again, killer = connect(), connect(), connect()
    for c in (left, again):
        c.cursor().execute("begin")
    threads = [threading.Thread(target=ask, args=(c, "select sleep(30)"), daemon=True)
               for c in (left, again)]
    for t in threads:
        t.start()

    def conn_of(c):
        return d.conn_of(os.getpid(), c.thread_id())

    for c in (left, again):
        tap.wait_for(lambda c=c: (conn_of(c) or {}).get("activity") == "busy", 3, "the statement")
    for c in (left, again):
        killer.cursor().execute(f"KILL QUERY {c.thread_id()}")
    for t in threads:
        t.join(5)
    again.cursor().execute("select 1")

    def kinds(c):
        return sorted({f["kind"] for f in found_on(d, conn_of(c)["local"])
                       if f["state"] == "confirmed"})

    tap.wait_for(lambda: kinds(left) == ["cancelled"], 6, "the one that is left open")
    same(conn_of(left)["activity"], "idle-in-txn", "its transaction is still open")
    same(kinds(again), [], "one that went on")
    left.rollback()
    tap.wait_for(lambda: not kinds(left), 2, "the finding to be taken back")


class Program(client.Client):
    """One of the truth set's: it says {} when it is ready, and what it leaks when it does."""

    def __init__(self, b, where, driver, mode):
        command, more = client.truth_of(driver)
        self.driver = f"{driver} {mode}"
        self.process = self.spawn(command + [mode], where.env(TRUTH_GRACE="2", **more))
        self.pid = self.process.pid
        self._buffer = b""
        b.later(self.kill)
        same(self._read(20).line, "{}", "its word")
        self.send("")

    def spawn(self, command, env):
        return subprocess.Popen(command, env=env, bufsize=0, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, start_new_session=True,
                                preexec_fn=tap.die_with_parent)

    def kill(self):
        """With all its children."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def family(self):
        return {self.pid, *proc.children(self.pid)}


def found_in(d, pids):
    return [f for f in d.leaks() if f["pid"] in pids]


@tap.test("sessions of SQLAlchemy that are never closed are held, and name their script", limit=60)
def sessions(b):
    d = daemon.Daemon(b, CONFIG)
    app = Program(b, shared.get(), "sqlalchemy", "held")
    found = tap.wait_for(lambda: len(of(d, app, "held")) >= 3 and of(d, app, "held"), 15,
                         "three to be held")
    tap.wait_for(lambda: all(f["stack"] for f in of(d, app, "held")), 5, "who sent it")
    for f in of(d, app, "held"):
        same([s["file"].split("/")[-1] for s in f["stack"] if s["application"]],
             ["truth_sqlalchemy.py"], "the application's frame")
        true(f["sql"].startswith("select"), f"the statement: {f['sql']}")
    pool = d.ask("pools", f"pid={app.pid}")[0]
    true(pool["in_use"] >= len(found), f"what is held is in use: {pool}")
    same(pool["open"], pool["in_use"] + pool["idle"], "and nothing is counted twice")


@tap.test("what is healthy behind and before pgbouncer is not found", limit=60)
def pooled(b):
    between = pooler.Pooler(b, shared.get(), "transaction")
    d = daemon.Daemon(b, CONFIG)
    apps = [Program(b, between, "psycopg2", mode) for mode in ("busy", "steps", "ping")]
    apps.append(Program(b, between, "libpq", "busy"))
    pids = {app.pid for app in apps} | {between.pid}
    end = time.monotonic() + 12
    while time.monotonic() < end:
        same([(f["pid"], f["kind"], f["evidence"]) for f in found_in(d, pids)], [], "findings")
        time.sleep(0.2)
    listed = {c["pid"] for c in d.conns()}
    true(pids <= listed, f"both sides of it are seen: {pids - listed}")


@tap.test("a pre-forking server is not found, whoever of it connects", limit=60,
          each=("psycopg2", "libpq"))
def preforking(b, driver):
    d = daemon.Daemon(b, CONFIG + "  shared: { grace: 2s }\n")
    app = Program(b, shared.get(), driver, "prefork")
    tap.wait_for(lambda: len({c["pid"] for c in d.conns()} & app.family()) > 1, 10,
                 "its children to connect")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = found_in(d, app.family())
        same([(f["pid"], f["kind"], f["evidence"]) for f in found], [], "findings")
        time.sleep(0.2)


tap.main(shared)
