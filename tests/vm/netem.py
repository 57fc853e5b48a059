# SPDX-License-Identifier: GPL-2.0-or-later
"""A wire that delays, jitters and loses (tc netem): the load line follows its formula, a server
that is cut off is half-dead within three retransmissions, and loss alone is nothing."""

import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from lib import client, daemon, net, tap
from lib.line import watermark
from lib.postgres import Postgres
from lib.tap import same, true

CONFIG = """
detectors:
  idle-in-txn: { grace: 60s }
  half-dead: { grace: 4s, sure: 5 }
"""


class Wire(net.Wire):
    """One whose ends can be impaired by netem."""

    def impair(self, host, *how):
        """What this host sends goes so ("delay", "20ms"); nothing: as it was at first."""
        if how:
            host.run("tc", "qdisc", "replace", "dev", "wire", "root", "netem", *how)
        else:
            host.run("tc", "qdisc", "del", "dev", "wire", "root")

    def round_trips(self, pg):
        """The kernel's own (mean, mean deviation) in ms, of each connection to the server."""
        said = self.near.run("ss", "-Htin", "dst", f"{pg.address}:{pg.port}")
        return [(float(mean), float(deviation))
                for mean, deviation in re.findall(r" rtt:([\d.]+)/([\d.]+)", said)]

    def resent(self, pg, port):
        """How often the client at this port has sent something again, by its tcp_info."""
        said = self.near.run("ss", "-Htin", "sport", f"{port}", "dst", f"{pg.address}:{pg.port}")
        total = re.search(r" retrans:\d+/(\d+)", said)
        return int(total[1]) if total else 0


def far_server(b):
    wire = Wire(b)
    pg = Postgres(far=wire.far)
    b.later(pg.close)
    return wire, pg


def drop_route(wire):
    wire.near.run("ip", "route", "del", "10.87.0.0/24")


def black_hole(wire):
    wire.near.run("ip", "route", "add", "blackhole", wire.far.address)


def no_way_back(wire):
    wire.far.run("ip", "route", "del", "10.87.0.0/24")


def link_down(wire):
    wire.far.run("ip", "link", "set", "wire", "down")


def mend(wire):
    wire.far.run("ip", "link", "set", "wire", "up")
    wire.near.run("ip", "route", "flush", "type", "blackhole")
    for host in (wire.near, wire.far):
        host.run("ip", "route", "replace", "10.87.0.0/24", "dev", "wire", "src", host.address)


CUTS = {"route deleted": drop_route, "black hole": black_hole, "no way back": no_way_back,
        "link down": link_down}


@tap.test("suspected within three retransmissions, confirmed, and taken back when it answers",
          limit=240, each=CUTS)
def cut_off(b, how):
    wire, pg = far_server(b)
    d = daemon.Daemon(b, CONFIG)
    app = client.Client(b, pg, "libpq", wrap=wire.near.wrap)
    app.must("query select 1")
    c = tap.wait_for(lambda: d.conn_of(app.pid), 10, "the connection")
    port = c["local"].rpartition(":")[2]
    before = wire.resent(pg, port)
    CUTS[how](wire)
    app.send("query select 2")

    def half_dead(*states):
        return [f for f in d.leaks() if (f["pid"], f["kind"]) == (app.pid, "half-dead")
                and f["state"] in states]

    f = tap.wait_for(lambda: half_dead("suspect", "confirmed"), 30, "a suspicion", 0.2)[0]
    resent = wire.resent(pg, port) - before
    b.note(f"{f['state']} after {resent} retransmissions: {f['evidence']}")
    true(resent <= 3, f"retransmissions until it was suspected: {resent}")
    f = tap.wait_for(lambda: half_dead("confirmed"), 60, "a confirmation", 0.2)[0]
    b.note(f"confirmed after {wire.resent(pg, port) - before} retransmissions: {f['evidence']}")

    mend(wire)
    true(app.answer(timeout=90).ok, "the answer comes after all")
    tap.wait_for(lambda: not half_dead("suspect", "confirmed"), 10,
                 "the finding to be taken back", 0.2)
    same([e["state"] for e in d.journal() if e.get("id") == f["id"] and "state" in e][-1:],
         ["retracted"], "the journal's last word of it")


@tap.test("a third of all packets lost for a minute, each way: nothing is found", limit=300)
def loss(b):
    wire, pg = far_server(b)
    d = daemon.Daemon(b)
    apps = [client.Client(b, pg, "libpq", wrap=wire.near.wrap) for _ in range(4)]
    for app in apps:
        app.must("busy 2")
    for host in (wire.near, wire.far):
        wire.impair(host, "loss", "30%")
    before = wire.retransmissions()
    time.sleep(60)
    b.note(f"{wire.retransmissions() - before} retransmissions")
    true(wire.retransmissions() - before > 50, "much was lost")
    same([f for f in d.ask("leaks") if f["pid"] in [app.pid for app in apps]], [], "findings")
    said = [e for e in d.journal() if e.get("kind") == "half-dead"]
    same(said, [], "what the journal says")


class Line:
    """The load line of a process's pool, looked at every two seconds."""

    def __init__(self, d, app):
        self.d, self.pid = d, app.pid
        self.rows = []
        self.fell_at = None

    def look(self):
        row = self.d.ask("pools", f"pid={self.pid}")[0]
        same(row["watermark"], watermark(row), f"the watermark of {row}")
        same(row["line"], row["watermark"], "the line, for there is no cap")
        self.judge_step(row["line"], time.monotonic())
        self.rows.append(row)
        return row

    def judge_step(self, line, now):
        """Down by a tenth at most (the formula truncates twice), and not twice in 5 s."""
        before = self.rows[-1]["line"] if self.rows else line
        if line >= before:
            return
        true(line >= before * 0.9 - 3, f"one step down: from {before} to {line}")
        true(self.fell_at is None or now - self.fell_at > 2.5, f"twice down, to {line}")
        self.fell_at = now

    def watch(self, seconds):
        """The rows of a while."""
        begun, end = len(self.rows), time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(2)
        return self.rows[begun:]

    def turns(self, rows):
        """
        How often the line rose after it had fallen, but for the connection that lies idle beside:
        it goes stale meanwhile, and that draws the line down, whatever the network does.
        """
        lines = [watermark({**row, "decay_factor": 1}) for row in rows]
        moves = [b > a for a, b in zip(lines, lines[1:]) if b != a]
        return sum(up and not was_up for was_up, up in zip(moves, moves[1:]))


def story(rows):
    lines = [row["line"] for row in rows]
    last = rows[-1]
    return (f"line {lines[0]} to {lines[-1]} ({min(lines)} to {max(lines)}), now rtt "
            f"{last['rtt_us'] / 1e3:.2f} ms, variance {last['rtt_var_now_ms2']:.2f} ms2, "
            f"jitter rate {last['jitter_rate_now']:.3f}")


@tap.test("the load line follows delay and jitter by its formula, in steps, and comes back",
          limit=900)
def line_follows(b):
    wire, pg = far_server(b)
    d = daemon.Daemon(b, CONFIG)
    app = client.Client(b, pg, "libpq", wrap=wire.near.wrap)
    app.must("busy 1")
    pool = Line(d, app)
    tap.wait_for(lambda: pool.look()["rtt_us"], 20, "a round trip")
    calm = pool.watch(15)
    b.note(f"calm: {story(calm)}")
    true(calm[-1]["rtt_var_now_ms2"] < 0.5, "no variance to speak of")

    for how in (("delay", "20ms"), ("delay", "20ms", "5ms"), ("delay", "20ms", "20ms")):
        before = pool.rows[-1]
        wire.impair(wire.near, *how)
        rows = pool.watch(75)
        b.note(f"{' '.join(how)}: {story(rows)}")
        # Up at once is the rule, so one late answer in the middle of a fall may lift it.
        moves = [(r["line"], round(r["rtt_var_ms2"], 2), round(r["jitter_rate"], 3)) for r in rows]
        true(pool.turns(rows) <= 1, f"it does not swing: {moves}")
        if how == ("delay", "20ms"):
            # Both round trips lie in the window: variance, and with it the line, goes up.
            true(max(row["rtt_var_now_ms2"] for row in rows) > 25, "the variance of the change")
            peak = max(row["line"] for row in rows)
            true(peak > before["line"] * 1.5, f"the line rises from {before['line']}")

    wire.impair(wire.near)
    highest = max(row["line"] for row in calm)
    began = time.monotonic()
    tap.wait_for(lambda: pool.look()["line"] <= highest, 300, "the line of calm days", pause=1)
    b.note(f"calm again: back at {pool.rows[-1]['line']} after {time.monotonic() - began:.0f} s")


@tap.test("jitter rate and round trip are the kernel's own", limit=300, each=(
    ("20ms",), ("20ms", "5ms"), ("20ms", "20ms")))
def truly_measured(b, how):
    wire, pg = far_server(b)
    wire.impair(wire.near, "delay", *how)
    d = daemon.Daemon(b, CONFIG)
    app = client.Client(b, pg, "libpq", wrap=wire.near.wrap)
    app.must("busy 1")
    pool = Line(d, app)
    pool.watch(15)
    ours, theirs, rtt_ms = [], [], []
    for row in pool.watch(20):
        ours.append(row["jitter_rate_now"])
        rtt_ms.append(row["rtt_us"] / 1e3)
        theirs += [deviation / mean for mean, deviation in wire.round_trips(pg)]
    ours, theirs, rtt_ms = (statistics.median(x) for x in (ours, theirs, rtt_ms))
    b.note(f"jitter rate {ours:.3f}, by tcp_info {theirs:.3f}; rtt {rtt_ms:.1f} ms")
    true(17 < rtt_ms < 30, f"the round trip: {rtt_ms:.1f} ms")
    true(theirs / 2 < ours < theirs * 2, f"the jitter rate is {ours:.3f}, by tcp_info {theirs:.3f}")


tap.main()
