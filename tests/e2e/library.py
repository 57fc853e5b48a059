# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the wire is blind, the client library says what is asked."""

import os
import shutil

from lib import client, daemon, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

EVIDENCE = "evidence: transactions\n"
CANARY = "Zk9canary"
shared = server.Shared(Postgres, ssl=True)
shared_mysql = server.Shared(MariaDB, ssl=True)


def connect(b, driver="handles", wrap=(), **env):
    if driver in ("libmariadb", "libmariadb-static"):
        return client.Client(b, shared_mysql.get(), driver, wrap, DB_SSL="1", **env)
    return client.Client(b, shared.get(), driver, wrap, PGSSLMODE="require", **env)


def sql_of(d, app):
    c = d.conn_of(app.pid)
    return c and c["sql"]


def wait_sql(d, app, ask, wanted):
    """Until the library is watched nothing is known; from then on, the statement is."""
    def known():
        app.must(ask)
        return sql_of(d, app)
    tap.wait_for(known, 10, "the library to be found")
    app.must(ask)
    same(sql_of(d, app), wanted, "sql")


@tap.test("the last statement on an encrypted connection is shown, redacted, and no more is said",
          each=("libpq", "psycopg2", "libmariadb", "libmariadb-static"))
def shown(b, driver):
    d = daemon.Daemon(b, EVIDENCE + daemon.config_observe("500ms"))
    app = connect(b, driver)
    same(tap.wait_for(lambda: d.conn_of(app.pid), 5, "the connection")["tls"], True,
         "it is encrypted")
    wait_sql(d, app, f"query select '{CANARY}', 5 from account where id = 7",
             "select ?, ? from account where id = ?")
    app.must("begin")
    app.must("query update account set balance = 1 where id = 1")
    same(sql_of(d, app), "update account set balance = ? where id = ?", "the last one")
    c = d.conn_of(app.pid)
    same((c["activity"], c["txn_s"], c["queries"]), ("unknown", None, None), "nothing is guessed")
    same(d.leaks(f"pid={app.pid}"), [], "nor found")
    true(CANARY not in str((d.conns(), d.journal(), d.log())), "no data is shown")


@tap.test("a process that comes later is covered from its first statement")
def later(b):
    d = daemon.Daemon(b, EVIDENCE + daemon.config_observe())
    first = connect(b)
    wait_sql(d, first, "query select 1", "select ?")
    second = connect(b)
    second.must("query select 1 + 1")
    tap.wait_for(lambda: d.conn_of(second.pid), 2, "the second one")
    same(sql_of(d, second), "select ? + ?", "its first statement")
    same(d.conn_of(second.pid)["handles"], {"connections": 1, "results": 0}, "its handles")


@tap.test("what was prepared is known when it is run, and else said to be unknown")
def prepared(b):
    d = daemon.Daemon(b, EVIDENCE + daemon.config_observe())
    app = connect(b)
    app.must("prepare select 41")
    wait_sql(d, app, "query select 1", "select ?")
    tap.wait_for(lambda: d.ask("doctor")[0]["libraries"]["watched"], 5, "all its calls to be watched")
    app.must("execute")
    c = d.conn_of(app.pid)
    same((c["sql"], bool(c["sql_note"])), (None, True), f"prepared before: {c}")
    other = connect(b)
    other.must("prepare select id from account where id = 3")
    other.must("query select 1")
    other.must("execute")
    same(sql_of(d, other), "select id from account where id = ?", "prepared in sight")
    my = connect(b, "libmariadb")
    wait_sql(d, my, "prepared select id from account where id = 4", "select id from account where id = ?")


@tap.test("handles that are not given back are counted")
def handles(b):
    d = daemon.Daemon(b, EVIDENCE + daemon.config_observe())
    wait_sql(d, connect(b), "query select 1", "select ?")
    app = connect(b)

    def counts():
        return d.conn_of(app.pid)["handles"]
    tap.wait_for(lambda: d.conn_of(app.pid), 2, "the connection")
    app.must("query select 1")
    same(counts(), {"connections": 1, "results": 0}, "careful so far")
    app.must("results 7")
    app.must("connections 3")
    same(counts(), {"connections": 4, "results": 7}, "forgotten")
    app.must("clear")
    app.must("finish")
    same(counts(), {"connections": 1, "results": 0}, "given back")


@tap.test("in every process, if the configuration says so; else a plain one pays nothing")
def plain(b):
    pg = shared.get()
    d = daemon.Daemon(b, EVIDENCE + daemon.config_observe())
    # A file of its own: what others do with theirs, encrypted, is no affair of its.
    shutil.copy(client.libpq(), os.path.join(b.dir, "libpq.so.5"))
    app = client.Client(b, pg, "handles", LD_LIBRARY_PATH=b.dir)
    app.must("results 3")
    tap.wait_for(lambda: d.conn_of(app.pid), 2, "the connection")
    same(d.conn_of(app.pid)["handles"], None, "nothing is watched")
    d.stop()
    d = daemon.Daemon(b, "evidence: { tier: transactions, handles: true }\n")
    tap.wait_for(lambda: (app.must("results 5"), d.conn_of(app.pid)["handles"])[1], 5,
                 "libpq to be found")
    before = d.conn_of(app.pid)["handles"]["results"]
    app.must("results 5")
    same(d.conn_of(app.pid)["handles"]["results"], before + 5, "forgotten in sight")


@tap.test("a library under another name in another mount namespace is found by its functions")
def renamed(b):
    place = os.path.join(b.dir, "wheel")
    os.mkdir(place)
    real = client.libpq()
    script = (f"mount -t tmpfs none {place} && cp -L {real} {place}/renamed-e8a033dd.so.5.15 && "
              f"ln -s renamed-e8a033dd.so.5.15 {place}/libpq.so.5 && "
              f"exec env LD_LIBRARY_PATH={place} \"$@\"")
    d = daemon.Daemon(b, EVIDENCE + daemon.config_observe())
    app = connect(b, wrap=("unshare", "-m", "sh", "-c", script, "sh"))
    with open(f"/proc/{app.pid}/maps") as f:
        true("renamed-e8a033dd" in f.read(), "it uses that one")
    true(not os.path.exists(f"{place}/libpq.so.5"), "which is not to be seen from here")
    wait_sql(d, app, "query select 1", "select ?")


def hostile(path, kind):
    with open("/usr/bin/true", "rb") as f:
        elf = bytearray(f.read())
    if kind == "sections":
        elf[0x28:0x30] = (len(elf) - 64).to_bytes(8, "little")
        elf[0x3c:0x3e] = b"\xff\xff"
    elif kind == "nonsense":
        elf[64:] = os.urandom(len(elf) - 64)
    with open(path, "wb") as f:
        f.write(elf[:100] if kind == "short" else elf)


@tap.test("a hostile file among the libraries, or a FIFO in its place, stops nothing")
def hostile_files(b):
    d = daemon.Daemon(b, EVIDENCE + daemon.config_observe())
    app = connect(b)
    for kind in ("sections", "nonsense", "short"):
        path = os.path.join(b.dir, kind)
        hostile(path, kind)
        app.must(f"map {path}")
    copy = os.path.join(b.dir, "copy")
    shutil.copy("/usr/bin/true", copy)
    app.must(f"map {copy}")
    os.unlink(copy)
    os.mkfifo(copy)
    wait_sql(d, app, "query select 1", "select ?")
    tap.wait_for(lambda: d.ask("doctor")[0]["libraries"]["watched"], 2, "doctor's word")
    for _ in range(20):
        same(d.cli("status", timeout=2).code, 0, "the daemon answers")


class Both:
    def close(self):
        shared.close()
        shared_mysql.close()


tap.main(Both())
