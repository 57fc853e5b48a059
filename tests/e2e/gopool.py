# SPDX-License-Identifier: GPL-2.0-or-later
"""Go programs' pools as they say themselves, read from outside."""

import ctypes
import json
import os
import signal
import time

from lib import client, daemon, proc, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

DRIVERS = ("lib/pq", "pgx", "go-sql-driver")
postgres, maria = server.Shared(Postgres), server.Shared(MariaDB)


class Both:
    def close(self):
        postgres.close()
        maria.close()


class App(client.Client):
    """clients/pool_go."""

    def __init__(self, b, driver="lib/pq", build="", **more):
        self.server = (maria if driver == "go-sql-driver" else postgres).get()
        super().__init__(b, self.server, driver, command=client.pools_of(driver, build), **more)

    def stats(self):
        """db.Stats() of each pool, added up by name."""
        all_stats = json.loads(self.must("stats"))
        return {name: sum(s[key] for s in all_stats) for name, key in (
            ("open", "OpenConnections"), ("in_use", "InUse"), ("idle", "Idle"),
            ("max_open", "MaxOpenConnections"), ("wait_count", "WaitCount"),
            ("wait_ns", "WaitDuration"))}


def word(row):
    """What a row of `pools` has, by the names of App.stats()."""
    return {"open": row["open"], "in_use": row["in_use"], "idle": row["idle"],
            "max_open": row["max_open"], "wait_count": row["wait_count"],
            "wait_ns": None if row["wait_s"] is None else round(row["wait_s"] * 1e9)}


def rows(d, app):
    return d.ask("pools", f"pid={app.pid}")


def wait_word(d, app, timeout=8):
    """Waits until the only pool of the process says what db.Stats() says; the row."""
    def agreed():
        found = rows(d, app)
        return found[0] if len(found) == 1 and word(found[0]) == app.stats() else None
    try:
        return tap.wait_for(agreed, timeout, "the pool's own word")
    except AssertionError:
        same([word(r) for r in rows(d, app)], [app.stats()], "the pool's word")
        raise


def lending(d, app):
    """How many connections of the process are free, lent, not known."""
    said = [c["lending"] for c in d.conns(f"pid={app.pid}")]
    return said.count("free"), said.count("lent"), said.count(None)


def wait_lending(d, app, wanted, timeout=6):
    tap.wait_for(lambda: lending(d, app) == wanted, timeout,
                 f"{wanted} free, lent, unknown; last {lending(d, app)}")


def known(d, app):
    """The next call of the program tells where its pool lies."""
    def told():
        app.must("ping 0")
        return all(r["wait_count"] is not None for r in rows(d, app)) and rows(d, app)
    tap.wait_for(told, 10, "the pool to be found", pause=0.1)


@tap.test("the pool's word equals db.Stats(), with waits and with leaks of each kind", limit=60,
          each=DRIVERS)
def equal(b, driver):
    app = App(b, driver)
    d = daemon.Daemon(b)
    app.must("open 5 4")
    known(d, app)
    app.must("crowd 0 9 100")
    row = wait_word(d, app)
    true(row["wait_count"] >= 4 and row["wait_s"] > 0.2, f"some had to wait: {word(row)}")
    same((row["open"], row["idle"]), (4, 4), "a healthy pool, everything returned")
    same(row["handles"][0]["max_idle"], 4, "the limit it was given")
    wait_lending(d, app, (4, 0, 0))
    lent = set()
    for n, what in enumerate(("rows", "tx", "conn")):
        app.must(f"leak 0 {what}")
        wait_lending(d, app, (3 - n, n + 1, 0))
        wait_word(d, app)
        now = {c["id"] for c in d.conns(f"pid={app.pid}") if c["lending"] == "lent"}
        true(lent < now, f"those lent before are lent still: {lent} {now}")
        lent = now
    kinds = sorted(c["activity"] for c in d.conns(f"pid={app.pid}") if c["id"] in lent)
    true("idle-in-txn" in kinds, f"the one with a transaction is among them: {kinds}")
    app.must("return 0")
    wait_lending(d, app, (2, 2, 0))


@tap.test("stripped, at any address, and silent since before the daemon came", limit=60,
          each=("", "_stripped", "_pie"))
def builds(b, build):
    app = App(b, "pgx", build)
    app.must("open 6 6")
    app.must("borrow 0 3")
    app.must("leak 0 rows")
    app.must("return 0")
    d = daemon.Daemon(b)
    wait_word(d, app)
    wait_lending(d, app, (3, 1, 0))


@tap.test("exhausted: all are leaked, and callers wait", limit=60,
          each=("before the daemon came", "since"))
def exhausted(b, when):
    app = App(b)
    if when == "since":
        d = daemon.Daemon(b)
    app.must("open 3 3")
    for what in ("rows", "tx", "conn"):
        app.must(f"leak 0 {what}")
    app.must("queue 0 4")
    tap.wait_for(lambda: app.stats()["wait_count"] == 4, 5, "them to wait")
    if when != "since":
        d = daemon.Daemon(b)
    row = wait_word(d, app, 5)
    same((row["open"], row["in_use"], row["max_open"], row["wait_count"]), (3, 3, 3, 4), "its word")
    wait_lending(d, app, (0, 3, 0))
    app.must("queue 0 2")
    same(wait_word(d, app, 5)["wait_count"], 6, "its word, after more of them")


@tap.test("one call, ever, among busy and silent ones of the same file and of others", limit=90)
def quiet(b):
    d = daemon.Daemon(b)
    for n in range(24):
        app = App(b, build=("", "_stripped", "_pie")[n % 3])
        app.must("open 3 1")
        app.must("busy 0 2" if n < 6 else "ping 0")
    for build in ("", "_stripped", "_pie"):
        app = App(b, "pgx", build)
        app.must("open 4 2")
        app.must("ping 0")
        wait_word(d, app, 5)


@tap.test("two pools of a process: one row where they go to the same place, else two", limit=60)
def two(b):
    app = App(b)
    d = daemon.Daemon(b)
    app.must("open 3 3")
    app.must("open 4 2")
    known(d, app)
    app.must("borrow 0 2")
    app.must("borrow 1 3")
    row = wait_word(d, app)
    same((row["open"], row["in_use"], row["max_open"]), (5, 5, 7), "one row for both")
    same(sorted((h["max_open"], h["open"], h["idle"]) for h in row["handles"]),
         [(3, 2, 0), (4, 3, 0)], "each of them")
    app.must("open 2 1 postgres")
    app.must("borrow 2 1")

    def by_database():
        return {r["database"]: (r["open"], r["max_open"]) for r in rows(d, app)}
    wanted = {"shop": (5, 7), "postgres": (1, 2)}
    tap.wait_for(lambda: by_database() == wanted, 8, f"two rows, last {by_database()}")
    same(lending(d, app), (0, 6, 0), "all borrowed")


@tap.test("a connection beside the pool: it is never called lent", limit=60)
def beside(b):
    app = App(b)
    d = daemon.Daemon(b)
    app.must("open 3 3")
    app.must("listen x")
    known(d, app)
    app.must("borrow 0 2")

    def said():
        return lending(d, app), [(r["open"], r["wait_count"]) for r in rows(d, app)]

    def unknown():
        return [c["id"] for c in d.conns(f"pid={app.pid}") if c["lending"] is None]
    tap.wait_for(lambda: said() == ((0, 2, 1), [(3, 0)]), 10, "both to be lent")
    beside_it = unknown()
    app.must("return 0")
    tap.wait_for(lambda: said() == ((2, 0, 1), [(3, 0)]), 10, "both to be free")
    same(unknown(), beside_it, "the one beside the pool")
    true(rows(d, app)[0]["idle"] >= 2, f"they lie idle: {rows(d, app)}")


@tap.test("another process under the same number: nothing of the first is said of it", limit=60)
def reused(b):
    app = App(b)
    d = daemon.Daemon(b)
    app.must("open 5 5")
    known(d, app)
    app.must("borrow 0 3")
    wait_word(d, app)
    pid = app.pid
    app.kill()
    other = Reborn(b, pid)
    same(other.pid, pid, "the number")
    other.must("open 2 2")
    other.must("borrow 0 1")
    row = wait_word_or_none(d, other)
    true(row["max_open"] in (None, 2), f"its own limit, or none: {word(row)}")
    known(d, other)
    same(wait_word(d, other)["max_open"], 2, "its own")


def wait_word_or_none(d, app):
    tap.wait_for(lambda: len(rows(d, app)) == 1, 5, "its connection")
    return rows(d, app)[0]


class Reborn(App):
    """The same program, started under a given process number."""

    def __init__(self, b, pid):
        self.wanted = pid
        super().__init__(b)

    def spawn(self, command, env):
        return Forced(command, env, self.wanted)


class Forced:
    """As much of Popen as a client needs."""

    def __init__(self, command, env, pid):
        inner, outer = os.pipe(), os.pipe()
        tid = ctypes.c_int(pid)
        args = (ctypes.c_uint64 * 10)()
        args[4] = signal.SIGCHLD
        args[8], args[9] = ctypes.addressof(tid), 1
        clone3 = 435
        made = ctypes.CDLL(None, use_errno=True).syscall(clone3, args, ctypes.sizeof(args))
        if made < 0:
            raise tap.Skip("process numbers cannot be chosen here")
        if made == 0:
            try:
                os.dup2(inner[0], 0)
                os.dup2(outer[1], 1)
                os.execve(command[0], command, env)
            finally:
                os._exit(127)
        os.close(inner[0])
        os.close(outer[1])
        self.pid = made
        self.stdin = os.fdopen(inner[1], "wb", 0)
        self.stdout = os.fdopen(outer[0], "rb", 0)

    def poll(self):
        return None

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        os.waitpid(self.pid, 0)


@tap.test("a program whose memory lies: nothing is said of it, and all of the others", limit=60,
          each=("list", "count", "stuck"))
def hostile(b, how):
    liar, honest = App(b), App(b)
    d = daemon.Daemon(b)
    for app in (liar, honest):
        app.must("open 4 4")
        known(d, app)
        app.must("borrow 0 2")
        wait_word(d, app)
    answer = liar.say(f"corrupt 0 {how}")
    if not answer.ok:
        raise tap.Skip(f"{how}: {answer}")
    tap.wait_for(lambda: rows(d, liar)[0]["wait_count"] is None, 15, "no word on the liar")
    tap.wait_for(lambda: lending(d, liar) == (0, 0, 2), 5, "and none on its connections")
    honest.must("borrow 0 1")
    wait_word(d, honest, 15)
    same(d.process.poll(), None, "the daemon runs")
    began = time.monotonic()
    d.cli("status")
    true(time.monotonic() - began < 2, "and answers")
    if how == "stuck":
        true("does not answer" in d.log(), f"it says so: {d.log()}")


def probes(d, app):
    """How many probes the daemon has on this program: its child holds a link for each."""
    path = os.readlink(f"/proc/{app.pid}/exe")
    links = [text for pid in proc.children(d.pid) for text in proc.fdinfo(pid)]
    # Before 6.6 a link is "perf" and says no path.
    return sum("link_type:\tperf" in text or f"path:\t{path}\n" in text for text in links)


@tap.test("what it costs: nobody has a probe in it, known or not", limit=60)
def free(b):
    d = daemon.Daemon(b)
    app = App(b)
    app.must("open 3 3")
    app.must("listen x")
    app.must("spin 0 300")
    tap.wait_for(lambda: [r["wait_count"] for r in rows(d, app)] == [0], 8, "its word")
    app.must("spin 0 4000")
    same(probes(d, app), 0, "probes, though one connection is in no pool")


@tap.test("one that has more memory than is searched: its calls tell, and then no more", limit=60)
def large(b):
    app = App(b)
    d = daemon.Daemon(b)
    app.must("hoard 100")
    app.must("open 3 3")
    app.must("ping 0")

    def told():     # the call may come, and the probe go, between two looks of ours
        rows = d.ask("pools", f"pid={app.pid}")
        return probes(d, app) or (rows and rows[0]["wait_count"] is not None)
    tap.wait_for(told, 15, "a probe, or what it told")
    known(d, app)
    wait_word(d, app)
    tap.wait_for(lambda: not probes(d, app), 12, "the probe to be gone")


tap.main(Both())
