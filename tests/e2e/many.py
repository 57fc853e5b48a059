# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of connections: every name is known, and it all fits."""

from lib import client, daemon, tap
from lib.tap import same, true


@tap.test("of thousands of connections opened at once every name is known")
def burst(b):
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    port = client.burst(b, 6000)

    def named():
        pools = d.ask("pools", f"endpoint=127.0.0.1:{port}")
        return [(p["user"], p["database"], p["open"]) for p in pools] == [("app", "burst", 6000)]
    tap.wait_for(named, 5, "user, database and number of connections")


def peak_kib(pid):
    """The most that was ever resident."""
    with open(f"/proc/{pid}/status") as f:
        return int(f.read().split("VmHWM:")[1].split()[0])


@tap.test("10,000 connections of 200 processes, with all evidence, fit into 64 MiB, also while listed", limit=120)
def memory(b):
    d = daemon.Daemon(b, "evidence: all\n" + daemon.config_observe("60s"))
    for _ in range(200):
        client.burst(b, 50)
    tap.wait_for(lambda: sum(p["open"] for p in d.ask("pools") if p["database"] == "burst") ==
                 10000, 20, "all of them to be counted", pause=0.5)
    rows = [c for c in d.conns() if c["database"] == "burst"]
    same(len({c["pid"] for c in rows}), 200, "their owners")
    tap.wait_for(lambda: {c["language"] for c in d.conns(f"pid={rows[0]['pid']}")} == {"native"},
                 20, "their language", pause=0.5)
    # Of 4,096 it is known who connected; the rest is counted.
    shown = (d.ask("show", c["id"])[0] for c in rows[::97])
    true(any(f["function"] == "main" for o in shown for f in o["connect_stack"] or ()),
         "who connected")
    true(d.ask("status")[0]["counters"]["connect_lost"] > 0, "what had no room is counted")
    # It was asked for all of them, too.
    kib = peak_kib(d.pid)
    b.note(f"{kib} KiB resident at the most")
    true(kib <= 64 * 1024, f"{kib} KiB resident at the most")


tap.main()
