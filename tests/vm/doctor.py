# SPDX-License-Identifier: GPL-2.0-or-later
"""What this kernel lets be seen: each fact has a way, or is said to be blind, with the reason."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from lib import client, daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres)
VERSION = tuple(int(n) for n in os.uname().release.split("-")[0].split("+")[0].split(".")[:2])

# What came with a later kernel than the oldest that is supported.
SINCE = {
    "thread, goroutine, stack": (6, 3),
    "on which connection": (6, 3),
    "who sends on a shared connection": (6, 3),
    "what is said on Unix sockets": (6, 3),
    "what libraries are asked": (6, 6),
    "what libraries hand out": (6, 6),
    "who opens a Unix socket, and where to": (6, 7),
}


@tap.test("each fact is obtained, or it is said what this kernel lacks")
def facts(b):
    d = daemon.Daemon(b, daemon.config_observe())
    known = d.ask("doctor")[0]
    same(known["kernel"], os.uname().release, "the kernel")
    blind = [f for f in known["facts"] if not f["works"]]
    for f in blind:
        b.note(f"blind: {f['fact']}: {f['why_not']}")
        true(f["why_not"], f"the reason of {f}")
    true(all(f["way"] for f in known["facts"] if f["works"]), "the way of what works")
    missing = [f["fact"] for f in blind if VERSION >= SINCE.get(f["fact"], (6, 1))]
    same(missing, [], "facts that this kernel could give")


@tap.test("names, statements and states are right where they are said to be seen")
def believed(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, pg, "libpq")
    backend = app.backend()
    c = tap.wait_for(lambda: d.conn_of(app.pid, backend), 10, "the connection to be listed")
    same((c["user"], c["database"], c["protocol"]), ("app", "shop", "postgresql"), "its names")
    queries = c["queries"]
    for n in range(20):
        app.must(f"query select {n}")
    tap.wait_for(lambda: d.conn_of(app.pid)["queries"] == queries + 20, 10, "20 statements counted")
    app.must("begin")
    app.must("query update account set balance = 7 where id = 7")
    c = d.wait_activity(app.pid, "idle-in-txn", "in a transaction", timeout=10)
    true("update account" in (c["sql"] or ""), f"its statement: {c['sql']}")
    app.must("rollback")
    d.wait_activity(app.pid, "idle", "after it", timeout=10)
    lost = {n: v for n, v in d.ask("status")[0]["counters"].items() if v}
    same(lost, {}, "what was lost")


tap.main(shared)
