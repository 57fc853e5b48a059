# SPDX-License-Identifier: GPL-2.0-or-later
"""With evidence, a finding names who sent the statement that opened the transaction."""

from lib import client, daemon, server, tap
from lib.tap import same, true

SOURCE = {"libpq": "leak_libpq.c", "lib/pq": "main.go", "pgx": "main.go",
          "psycopg2": "leak_psycopg2.py"}
shared = server.Shared()


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
    if driver in ("lib/pq", "pgx"):
        true(f["goroutine"] and 0 < int(f["goroutine"]) < 10000, f"goroutine {f['goroutine']}")
    else:
        same(f["goroutine"], None, "goroutine of a program without any")
        same(f["thread"].split()[0], str(app.pid), "thread")
    shown = d.cli("leaks", f"pid={app.pid}").out
    true(SOURCE[driver] in shown, f"plimsoll leaks names the place: {shown}")


@tap.test("without evidence there is no stack, and no hook on sending")
def off(b):
    pg = shared.get()
    d = daemon.Daemon(b, evidence("off"))
    app = client.Client(b, pg, "libpq")
    app.leak()
    f = d.wait_confirmed(app.pid)
    same(f["stack"], None, "stack")
    facts = {fact["way"]: fact for fact in d.ask("doctor")[0]["facts"]}
    same(facts["tp_btf/sock_send_length"]["works"], False, "the hook")


@tap.test("the thread that began is named, not the one that connected")
def thread(b):
    pg = shared.get()
    d = daemon.Daemon(b, evidence("all"))
    app = client.Client(b, pg, "lib/pq")
    app.leak()
    f = tap.wait_for(lambda: [f for f in d.leaks() if f["pid"] == app.pid and f["stack"]], 5,
                     "the stack")[0]
    true(f["thread"].endswith(" (leak_go)"), f"thread with its name: {f['thread']}")


tap.main(shared)
