# SPDX-License-Identifier: GPL-2.0-or-later
"""A forgotten transaction is found in time, by every driver, and nothing else is."""

import time

from lib import client, daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

GRACE = 2.0
shared = server.Shared(Postgres)


def watch_quietly(d, seconds, pids):
    """Looks for findings on any of `pids` for a while; returns those seen."""
    seen = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for f in d.leaks():
            if f["pid"] in pids:
                seen[f["id"]] = f
        time.sleep(0.1)
    return list(seen.values())


def silent_since(pg, backend):
    """When the server ended its last answer, by the clock: no client hears of it at once."""
    return float(pg.ask("select extract(epoch from state_change) from pg_stat_activity "
                        "where pid = %s", backend)[0][0])


@tap.test("a forgotten transaction is found within the grace and a second", each=client.DRIVERS)
def found_in_time(b, driver):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("2s"))
    app = client.Client(b, pg, driver)
    app.must("busy 3")
    backend = app.leak()
    began = silent_since(pg, backend)
    f = d.wait_confirmed(app.pid)
    took = time.time() - began
    b.note(f"confirmed {took:.2f} s after the last statement")
    true(GRACE - 0.1 <= took <= GRACE + 1.0, f"found after {took:.2f} s")

    same(f["kind"], "idle-in-txn", "kind")
    same(f["endpoint"], f"127.0.0.1:{pg.port}", "endpoint")
    same((f["user"], f["database"]), ("app", "shop"), "user and database")
    true(f["comm"], "comm is known")
    true(GRACE - 0.1 <= f["since_s"] <= took + 1.0, f"since_s {f['since_s']}")
    true(0 < f["confidence"] <= 1, "confidence")
    true(f["evidence"], "evidence")

    c = d.conn_of(app.pid, backend)
    true(c, f"conns shows backend {backend}: {d.conns(f'pid={app.pid}')}")
    same(f["conn"], c["id"], "the finding is on that very connection")
    same(c["activity"], "idle-in-txn", "activity")
    true(f["id"] in str(c["findings"]) or c["findings"], "the connection names its finding")


@tap.test("busy connections beside it are not found", limit=40)
def nothing_else(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    apps = [client.Client(b, pg, "psycopg2"), client.Client(b, pg, "libpq")]
    for app in apps:
        app.must("busy 3")
    backend = apps[0].leak(2)
    f = d.wait_confirmed(apps[0].pid)
    found = watch_quietly(d, 5, {a.pid for a in apps})
    same([x["conn"] for x in found], [f["conn"]], f"all findings in 5 s: {found}")
    same(d.conn_of(apps[0].pid, backend)["id"], f["conn"], "it is the one that leaks")


@tap.test("a finding is retracted when the transaction goes on, and goes when it ends")
def retracted(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq")
    app.leak(3)
    f = d.wait_confirmed(app.pid)
    app.must("query select 1")
    tap.wait_for(lambda: not d.confirmed(app.pid), 2, "the finding to be taken back")
    states = [e["state"] for e in d.journal() if e.get("id") == f["id"] and "state" in e]
    same(states[-1:], ["retracted"], f"journal says {states}")
    app.must("commit")
    d.wait_activity(app.pid, "idle", "after the commit")
    same(watch_quietly(d, 1.5, {app.pid}), [], "findings on an idle connection")


@tap.test("what a connection shows: state, backend, transaction age, query count")
def shows(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, pg, "libpq")
    backend = app.backend()
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed")
    same((c["backend_pid"], c["activity"], c["user"], c["database"], c["protocol"]),
         (backend, "idle", "app", "shop", "postgresql"), "at rest")
    same((c["remote"], c["comm"], c["stage"]),
         (f"127.0.0.1:{pg.port}", "leak_libpq", "ready"), "who and where")
    same((c["age_is_lower_bound"], c["txn_s"]), (False, None), "age and transaction")
    before = c["queries"]
    for n in range(50):
        app.must(f"query select {n}")
    tap.wait_for(lambda: d.conn_of(app.pid)["queries"] - before == 50, 1, "50 queries counted")

    app.must("begin")
    c = d.wait_activity(app.pid, "idle-in-txn", "in a transaction")
    true(c["txn_s"] is not None and c["txn_s"] < 5, f"txn_s {c['txn_s']}")
    app.say("query select 1/0")
    d.wait_activity(app.pid, "failed-txn", "in a failed transaction")
    app.must("rollback")
    app.send("query select pg_sleep(1)")
    tap.wait_for(lambda: d.conn_of(app.pid)["activity"] == "busy", 0.9, "a statement to show")
    app.answer()
    d.wait_activity(app.pid, "idle", "afterwards")
    true(d.conn_of(app.pid)["rtt_us"], "a round trip time is known")

    app.kill()
    tap.wait_for(lambda: d.conn_of(app.pid) is None, 3, "the connection to leave the list")


@tap.test("a result of any size leaves the right state behind", limit=60)
def sizes(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, pg, "libpq")
    backend = app.backend()
    wrong = []
    for size in (1, 1000, 8150, 8180, 8192, 16360, 16384, 32700, 65483, 65536, 131072, 1000000):
        for words, wanted in (("begin", "idle-in-txn"), ("commit", "idle")):
            app.must(words)
            app.must(f"query select length(repeat('x', {size})), repeat('x', {size})")
            try:
                d.wait_activity(app.pid, wanted, "as the server says", backend)
            except AssertionError:
                wrong.append((size, wanted, d.activity(app.pid, backend)))
    same(wrong, [], "states that differ from the server's")


@tap.test("a connection is known again after an answer that could not be followed", limit=60)
def reordered(b):
    """A server that changes its CPU in a long answer has segments overtake each other."""
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    apps = [client.Client(b, pg, "libpq") for _ in range(6)]
    for app in apps:
        for _ in range(5):
            app.must("query select repeat('Z', 100) from generate_series(1, 50000)")
        for _ in range(3):
            app.must("query select 1")
    lost = d.ask("status")[0]["counters"]["rx_hole"]
    b.note(f"30 long answers, {lost} with a hole")
    for app in apps:
        d.wait_activity(app.pid, "idle", "known again", app.backend())


tap.main(shared)
