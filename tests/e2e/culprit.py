# SPDX-License-Identifier: GPL-2.0-or-later
"""With evidence, a finding names who sent the statement that opened the transaction."""

import os
import subprocess

from lib import client, daemon, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

GO = ("lib/pq", "pgx", "lib/pq static")
SOURCE = {"libpq": "leak_libpq.c", **dict.fromkeys(GO, "main.go"),
          "psycopg2": "leak_psycopg2.py"}
shared, shared_my = server.Shared(Postgres), server.Shared(MariaDB)


class Both:
    def close(self):
        shared.close()
        shared_my.close()


def evidence(tier):
    return f"evidence: {tier}\n" + daemon.config_observe("1s")


@tap.test("the finding names the code that leaked", each=list(SOURCE))
def named(b, driver):
    pg = shared.get()
    d = daemon.Daemon(b, evidence("transactions"))
    app = client.Client(b, pg, driver)
    app.leak()
    d.wait_confirmed(app.pid)
    f = tap.wait_for(lambda: [f for f in d.leaks() if f["pid"] == app.pid and f["stack"]], 5,
                     "the stack")[0]
    own = [frame for frame in f["stack"] if frame["application"]]
    same(len(own), 1, f"application frames marked in {f['stack']}")
    true((own[0]["file"] or "").endswith(SOURCE[driver]), f"the application's frame: {own[0]}")
    if driver != "psycopg2":
        true(own[0]["function"] and own[0]["line"], f"function and line: {own[0]}")
    drivers = [frame["module"] or "" for frame in f["stack"][:f["stack"].index(own[0])]]
    true(drivers, "the driver's frames are shown as well")
    if driver in GO:
        true(f["goroutine"] and 0 < int(f["goroutine"]) < 10000, f"goroutine {f['goroutine']}")
    else:
        same(f["goroutine"], None, "goroutine of a program without any")
        same(f["thread"].split()[0], str(app.pid), "thread")
    shown = d.cli("leaks", f"pid={app.pid}").out
    true(SOURCE[driver] in shown, f"plimsoll leaks names the place: {shown}")


@tap.test("of many that leak at once each names its code", limit=90)
def crowd(b):
    pg = shared.get()
    d = daemon.Daemon(b, evidence("transactions"))
    apps = {}
    for n in range(24):
        app = client.Client(b, pg, ("libpq", "lib/pq", "pgx")[n % 3])
        apps[app.pid] = app
    for row, app in enumerate(apps.values(), 1):
        app.leak(row)

    def nameless():
        found = {f["pid"]: f for f in d.leaks() if f["pid"] in apps}
        own = {pid: [s for s in f["stack"] or [] if s["application"]] for pid, f in found.items()}
        return [app.driver for pid, app in apps.items()
                if not any((s["file"] or "").endswith(SOURCE[app.driver]) and s["line"]
                           for s in own.get(pid, []))]

    tap.wait_for(lambda: not nameless(), 40, "each to be named", pause=0.5)


LANGUAGE = {"libpq": "native", "lib/pq": "go", "pgx": "go", "psycopg2": "python",
            "node-postgres": "node"}


@tap.test("of an idle connection it is known who dialled it, and in which language",
          each=list(LANGUAGE))
def dialled(b, driver):
    pg = shared.get()
    d = daemon.Daemon(b, evidence("transactions"))
    app = client.Client(b, pg, driver)
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection")
    o = d.ask("show", c["id"])[0]
    tap.wait_for(lambda: d.conn_of(app.pid)["language"] == LANGUAGE[driver], 5, "its language")
    true(o["connect_stack"], f"who connected: {o}")
    true(o["connect_thread"].split()[0].isdigit() and "(" in o["connect_thread"],
         f"by which thread: {o['connect_thread']}")
    same((o["stack_at"], o["thread"], o["stack_pending"]), ("connect", o["connect_thread"], False),
         "what the rest says")
    own = [frame for frame in o["connect_stack"] if frame["application"]]
    if driver != "node-postgres":
        same([f["file"].rpartition("/")[2] for f in own], [SOURCE[driver]], f"the place: {own}")
    if driver in ("lib/pq", "pgx"):
        same((own[0]["function"], o["goroutine"]), ("main.main", "1"), "function and goroutine")
    # Once it is in a transaction, who began that is the better answer.
    app.leak()
    f = tap.wait_for(lambda: [f for f in d.leaks() if f["pid"] == app.pid and f["stack"]], 5,
                     "the finding's stack")[0]
    same((f["stack_at"], f["language"]), ("statement", LANGUAGE[driver]), "of the finding")
    o = d.ask("show", c["id"])[0]
    same(o["stack_at"], "statement", "and of the connection")
    true(o["opening_sql"] and o["opening_sql"].lower().startswith("begin"), o["opening_sql"])
    same(d.conn_of(app.pid)["thread"], f["thread"], "its row names the same thread")


@tap.test("without a daemon, show waits for the stack as well")
def dialled_without_daemon(b):
    pg = shared.get()
    app = client.Client(b, pg, "libpq")
    app.must("query select 1")
    # Older than the observer: nobody saw it connect.
    rows = daemon.cli("--json", "conns", f"pid={app.pid}", run=b.dir).json()["conns"]
    o = daemon.cli("--json", "show", rows[0]["id"], run=b.dir).json()["show"][0]
    same((o["connect_stack"], o["stack_pending"]), (None, False), "what can be known")


@tap.test("without evidence there is no stack, and no hook on sending")
def off(b):
    pg = shared.get()
    d = daemon.Daemon(b, evidence("off"))
    app = client.Client(b, pg, "libpq")
    app.leak()
    f = d.wait_confirmed(app.pid)
    same((f["stack"], f["stack_at"]), (None, None), "stack")
    tap.wait_for(lambda: d.leaks(f"pid={app.pid}")[0]["language"] == "native", 5, "its language")
    same(d.ask("show", f["conn"])[0]["connect_stack"], None, "of connect()")
    facts = {fact["way"]: fact for fact in d.ask("doctor")[0]["facts"]}
    same(facts["tp_btf/sock_send_length"]["works"], False, "the hook")


def perf_map(b, app):
    path = f"/tmp/perf-{app.pid}.map"
    b.later(lambda: os.path.exists(path) and os.unlink(path))
    return path


@tap.test("a node program that writes a perf map has its functions named", each=("node-postgres", "mysql2"))
def node(b, driver):
    db = (shared if driver == "node-postgres" else shared_my).get()
    d = daemon.Daemon(b, evidence("transactions"))
    # It also leaves a log where it is started.
    app = client.Client(b, db, driver, wrap=["env", "-C", b.dir], NODE_OPTIONS="--perf-basic-prof")
    perf_map(b, app)
    app.leak()
    f = tap.wait_for(lambda: [f for f in d.leaks() if f["pid"] == app.pid and f["stack"]], 5,
                     "the stack")[0]
    own = [frame for frame in f["stack"] if frame["application"]]
    source = "leak_node.js" if driver == "node-postgres" else "leak_mysql2.js"
    same([(o["function"], o["file"].rpartition("/")[2]) for o in own], [("run", source)],
         "the first function of the application")
    names = [frame["function"] for frame in f["stack"]]
    true("obey" in names[names.index("run"):], f"and its caller: {names}")
    same(f["language"], "node", "language")


@tap.test("a Java program has its thread named, and its methods where a perf map names them")
def java(b):
    d = daemon.Daemon(b, evidence("transactions"))
    # Of the application all is compiled, with frame pointers, as who writes such maps has it.
    app = client.Client(b, shared_my.get(), "mariadb-java-client", JDK_JAVA_OPTIONS=" ".join((
        "-XX:+PreserveFramePointer", "-Xcomp", "-XX:CompileCommand=quiet",
        "-XX:CompileCommand=compileonly,LeakJdbc::*",
        "-XX:CompileCommand=compileonly,LeakJdbc$$Lambda*::*")))
    path = perf_map(b, app)
    # What there is to be named is compiled by then: the map is written once.
    app.must("forget warm-up")
    app.must("rollback")
    subprocess.run(["jcmd", str(app.pid), "Compiler.perfmap"], check=True, stdout=subprocess.DEVNULL)
    true(os.path.exists(path), "the map")
    app.must("forget shop-worker-7")
    f = tap.wait_for(lambda: [f for f in d.leaks() if f["pid"] == app.pid and f["stack"]], 5,
                     "the stack")[0]
    true(f["thread"].endswith(" (shop-worker-7)"), f"thread: {f['thread']}")
    same(f["language"], "jvm", "language")
    own = [frame["function"] for frame in f["stack"] if frame["application"]]
    same([name.partition("(")[0] for name in own], ["LeakJdbc.query"], f"{f['stack']}")


@tap.test("the thread that began is named, not the one that connected")
def thread(b):
    pg = shared.get()
    d = daemon.Daemon(b, evidence("all"))
    app = client.Client(b, pg, "lib/pq")
    app.leak()
    f = tap.wait_for(lambda: [f for f in d.leaks() if f["pid"] == app.pid and f["stack"]], 5,
                     "the stack")[0]
    true(f["thread"].endswith(" (leak_go)"), f"thread with its name: {f['thread']}")


tap.main(Both())
