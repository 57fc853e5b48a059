# SPDX-License-Identifier: GPL-2.0-or-later
"""The troubles that are silence: unread, half-dead, close-wait, shared - and their likes."""

import os
import time

import pymysql

from lib import client, daemon, net, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres)

CONFIG = """
detectors:
  idle-in-txn: { enabled: false }
  unread: { grace: %s }
  close-wait: { grace: 2s }
  half-dead: { grace: 4s, sure: %d }
  shared: { grace: 2s }
"""


def config(unread="2s", sure=9):
    return CONFIG % (unread, sure)


def found(d, pid):
    return [(f["kind"], f["state"]) for f in d.leaks() if f["pid"] == pid]


def wait_found(d, pid, kind, state, timeout=15):
    def there():
        return [f for f in d.leaks() if f["pid"] == pid and (f["kind"], f["state"]) == (kind, state)]
    return tap.wait_for(there, timeout, f"{kind} {state}, found {found(d, pid)}")[0]


def nothing_for(d, pids, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        same([f for f in d.leaks() if f["pid"] in pids], [], what)
        time.sleep(0.1)


@tap.test("an answer that nobody reads is found, and the connection destroyed by order")
def abandoned(b):
    pg = shared.get()
    d = daemon.Daemon(b, config(), mode="fix")
    app = client.Client(b, pg, "libpq")
    backend = app.backend()
    app.must("abandon select repeat('x', 1000) from generate_series(1, 20000)")
    c = d.wait_activity(app.pid, "unread", "with the receive buffer full", timeout=8)
    pools = d.ask("pools", f"pid={app.pid}")
    same((pools[0]["in_use"], pools[0]["idle"]), (1, 0), f"the pool: {pools}")
    f = wait_found(d, app.pid, "unread", "confirmed")
    same(f["conn"], c["id"], "its connection")
    true("the server waits" in f["evidence"], f"evidence: {f['evidence']}")
    close = d.cli("--json", "fix", f["id"], "--with", "close", "--yes")
    same(close.code, 7, f"close would leave the server hanging: {close.out} {close.err}")
    done = d.cli("fix", f["id"], "--yes")
    same(done.code, 0, f"fix: {done.out} {done.err}")
    tap.wait_for(lambda: not pg.backend_alive(backend), 5, "the backend to end")
    r = d.repairs(f["conn"])[-1]
    same((r["action"], r["outcome"], r["helped"]), ("destroy", "done", True), f"journal: {r}")


@tap.test("a small answer that nobody reads is found as well")
def small(b):
    pg = shared.get()
    d = daemon.Daemon(b, config())
    app = client.Client(b, pg, "libpq")
    app.must("abandon select 42")
    wait_found(d, app.pid, "unread", "confirmed")


@tap.test("on MariaDB, too: rows that were asked for one by one, and forgotten")
def forgotten_rows(b):
    my = MariaDB()
    b.later(my.close)
    d = daemon.Daemon(b, config())
    app = pymysql.connect(host=my.address, port=my.port, user="app", password=server.PASSWORD,
                          database="shop", cursorclass=pymysql.cursors.SSCursor)
    b.later(app._sock.close)
    app.cursor().execute("select 1")
    rows = app.cursor()
    rows.execute("select repeat('x', 1000) from seq_1_to_100000")
    rows.fetchone()
    f = wait_found(d, os.getpid(), "unread", "confirmed", 20)
    same(d.conn_of(os.getpid())["activity"], "unread", "what it does")
    true("the server waits" in f["evidence"], f["evidence"])


@tap.test("a slow reader is not")
def slow(b):
    pg = shared.get()
    d = daemon.Daemon(b, config())
    app = client.Client(b, pg, "libpq")
    app.send("trickle 400 25 20000")
    nothing_for(d, [app.pid], 9, "a reader of 40 rows a second")
    same(d.activity(app.pid), "busy", "what it does")
    true(app.answer().ok, "it reads all")


@tap.test("nor one that reads a row a second, at the grace as it comes", limit=90)
def slower(b):
    pg = shared.get()
    d = daemon.Daemon(b)
    app = client.Client(b, pg, "libpq")
    app.send("trickle 300 1000 500")
    nothing_for(d, [app.pid], 12, "a reader of one row a second")


@tap.test("nor a notification that lies unread, nor what a running statement has said")
def listening(b):
    pg = shared.get()
    d = daemon.Daemon(b, config("1s"))
    app = client.Client(b, pg, "libpq")
    app.must("query listen news")
    other = client.Client(b, pg, "libpq")
    other.must("query set client_min_messages = notice")
    other.must("abandon do $$ begin raise notice 'begun'; perform pg_sleep(7); end $$")
    for n in range(3):
        pg.ask("select pg_notify('news', %s)", str(n))
    nothing_for(d, [app.pid, other.pid], 6, "nobody has to read these")
    same(d.activity(app.pid), "idle", "the listener")
    same(d.activity(other.pid), "busy", "the running statement")


@tap.test("a connection that only the server closed is found, and closed by order")
def closed(b):
    pg = shared.get()
    d = daemon.Daemon(b, config(), mode="fix")
    app = client.Client(b, pg, "libpq")
    backend = app.backend()
    pg.ask("select pg_terminate_backend(%s)", backend)
    f = wait_found(d, app.pid, "close-wait", "confirmed")
    same(d.conn_of(app.pid)["stage"], "degraded", "its stage")
    done = d.cli("fix", f["id"], "--yes")
    same(done.code, 0, f"fix: {done.out} {done.err}")
    r = d.repairs(f["conn"])[-1]
    same((r["action"], r["outcome"], r["helped"]), ("close", "done", True), f"journal: {r}")
    tap.wait_for(lambda: not d.conn_of(app.pid), 5, "it to be gone")
    true(not app.say("query select 1").ok, "the client finds it closed")


@tap.test("one that was closed before the observer came is found too")
def closed_before(b):
    pg = Postgres(usual_port=True)
    b.later(pg.close)
    app = client.Client(b, pg, "libpq")
    pg.ask("select pg_terminate_backend(%s)", app.backend())
    d = daemon.Daemon(b, config())
    wait_found(d, app.pid, "close-wait", "confirmed")


@tap.test("a client that closes when its server does is not")
def closing(b):
    pg = Postgres()
    b.later(pg.close)
    d = daemon.Daemon(b, config())
    app = client.Client(b, pg, "psycopg2")
    pg.ask("select pg_terminate_backend(%s)", app.backend())
    true(not app.say("query select 1").ok, "the client notices")
    tap.wait_for(lambda: not d.conn_of(app.pid), 5, "the connection to be gone")
    same(found(d, app.pid), [], "findings")


@tap.test("two processes that use one connection are found", limit=90)
def forked(b):
    pg = shared.get()
    d = daemon.Daemon(b, config())
    app = client.Client(b, pg, "libpq")
    app.must("query select 1")
    app.must("share 400")

    def used():
        app.say("query select 1")
        return [f for f in d.leaks() if (f["pid"], f["kind"]) == (app.pid, "shared")
                and f["state"] == "confirmed"]
    f = tap.wait_for(used, 60, "shared, confirmed", pause=0.3)[0]
    true("2 processes" in f["evidence"], f["evidence"])
    refused = d.cli("--json", "fix", f["id"], "--yes")
    same(refused.code, 7, f"nobody knows whose it is: {refused.out} {refused.err}")
    same(d.ask("status")[0]["regretted"] if "regretted" in d.ask("status")[0] else 0, 0, "regret")


@tap.test("a child that inherited it and does nothing with it is none", limit=90)
def inherited(b):
    pg = shared.get()
    d = daemon.Daemon(b, config())
    app = client.Client(b, pg, "libpq")
    app.must("query select 1")
    app.must("fork")
    tap.wait_for(lambda: (d.conn_of(app.pid) or {}).get("holders") == 2, 40, "two holders")
    end = time.monotonic() + 6
    while time.monotonic() < end:
        app.must("query select 1")
        same(found(d, app.pid), [], "findings")
        time.sleep(0.2)


def far_server(b):
    wire = net.Wire(b)
    pg = Postgres(far=wire.far)
    b.later(pg.close)
    return wire, pg


@tap.test("a peer behind a dropped route is half-dead within three retransmissions")
def no_route(b):
    wire, pg = far_server(b)
    d = daemon.Daemon(b, config(), mode="fix")
    app = client.Client(b, pg, "libpq", wrap=wire.near.wrap)
    app.must("query select 1")
    tap.wait_for(lambda: d.conn_of(app.pid), 5, "the connection")
    before = wire.retransmissions()
    wire.drop_route()
    app.send("query select 2")
    f = wait_found(d, app.pid, "half-dead", "confirmed", 20)
    sent = wire.retransmissions() - before
    b.note(f"{sent} retransmissions: {f['evidence']}")
    true("cannot reach" in f["evidence"], f["evidence"])
    true(sent <= 3, f"retransmissions until it was found: {sent}")
    done = d.cli("fix", f["id"], "--yes")
    same(done.code, 0, f"fix: {done.out} {done.err}")
    same(d.repairs(f["conn"])[-1]["action"], "destroy", "what helps")
    true(not app.answer().ok, "the client is told at last")


@tap.test("one that falls silent is suspected within three, and confirmed later")
def silent(b):
    wire, pg = far_server(b)
    d = daemon.Daemon(b, config(sure=5))
    app = client.Client(b, pg, "libpq", wrap=wire.near.wrap)
    app.must("query select 1")
    before = wire.retransmissions()
    wire.lose(100)
    app.send("query select 2")
    f = wait_found(d, app.pid, "half-dead", "suspect", 20)
    sent = wire.retransmissions() - before
    true(sent <= 3, f"retransmissions until it was suspected: {sent}")
    f = wait_found(d, app.pid, "half-dead", "confirmed", 20)
    sent = wire.retransmissions() - before
    true(sent >= 5, f"retransmissions until it was sure: {sent}")
    b.note(f["evidence"])


@tap.test("loss alone confirms nothing: a third of all packets, both ways", limit=120)
def loss(b):
    wire, pg = far_server(b)
    d = daemon.Daemon(b, config("1s"))
    apps = [client.Client(b, pg, "libpq", wrap=wire.near.wrap) for _ in range(6)]
    for app in apps:
        app.must("busy 2")
    wire.lose(30)
    before = wire.retransmissions()
    pids = {app.pid for app in apps}
    suspected, end = set(), time.monotonic() + 40
    while time.monotonic() < end:
        for f in d.leaks():
            if f["pid"] in pids:
                suspected.add(f["id"])
                same(f["state"], "suspect", f"{f['kind']}: {f['evidence']}")
        time.sleep(0.1)
    b.note(f"{wire.retransmissions() - before} retransmissions, {len(suspected)} suspicions")
    true(wire.retransmissions() - before > 50, "much was lost")


tap.main(shared)
