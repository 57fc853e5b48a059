# SPDX-License-Identifier: GPL-2.0-or-later
"""Leaks that only a pattern in time shows, in pools of real drivers; and healthy pools."""

import time

from lib import client, daemon, server, tap
from lib.tap import same, true

shared = server.Shared(max_connections=300)
CONFIG = """
detectors:
  held: { grace: 2s }
  unused: { grace: 3s }
  growth: { grace: 2s, connections: 20, window: 5s }
  churn: { grace: 20s, rate: 60 }
"""


def begin(b, driver):
    d = daemon.Daemon(b, CONFIG)
    return d, client.Client(b, shared.get(), driver)


def of(d, app, kind):
    return [f for f in d.confirmed(app.pid) if f["kind"] == kind]


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
    same(d.ask("status")[0]["regrets"], 0, "regrets")


@tap.test("a pool that works, bursts and rests is not found", each=client.POOLS, limit=90)
def healthy(b, driver):
    d, app = begin(b, driver)
    for threads in (4, 10, 16):
        app.must(f"burst {threads} 300")
        app.must("op 20 30")
        none_in(d, app, 3)
    app.must("op 10 400")
    none_in(d, app, 5)
    same(d.ask("status")[0]["findings"]["retracted"], 0, "suspicions that were taken back")


@tap.test("connections opened and never used are unused, and a pool that only grows grows",
          each=client.POOLS, limit=90)
def unused(b, driver):
    d, app = begin(b, driver)
    app.must("op 150 100")
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
    app.must("throw 100 250")
    found = tap.wait_for(lambda: of(d, app, "churn"), 10, "the churn")[0]
    b.note(found["evidence"])
    same((found["conn"], found["user"], found["database"]), (None, "app", "shop"), "whose")
    refused = d.cli("fix", found["id"], "--with", "close", "--yes")
    same(refused.code, 7, f"a pool is not repaired: {refused.out} {refused.err}")


tap.main(shared)
