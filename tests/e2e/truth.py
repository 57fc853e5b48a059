# SPDX-License-Identifier: GPL-2.0-or-later
"""
The truth set: what is found of the leaks in real drivers and pools, and what else is.

All programs (clients/truth*) run at once beside one daemon.  Each of LEAKING says what it
leaks as it does so; each of HEALTHY rests, works, bursts, and leaks nothing.  Then what was
injected is laid beside what was confirmed.

In `make check` the graces are short, and the programs that leak run once.  `make truth` has
them start again and again for MINUTES; from 30 on, with the graces of the default.
"""

import collections
import datetime
import json
import os
import signal
import statistics
import subprocess
import threading
import time

from lib import client, daemon, pooler, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

MINUTES = int(os.environ.get("MINUTES", "0"))
SHORT = {"idle-in-txn": 4, "unread": 4, "close-wait": 4, "held": 4, "unused": 4, "growth": 4,
         "shared": 10, "churn": 20}
USUAL = {"idle-in-txn": 30, "unread": 300, "close-wait": 60, "held": 60, "unused": 600,
         "growth": 60, "shared": 30, "churn": 120}
GRACES = USUAL if MINUTES >= 30 else SHORT
SLACK = 0 if GRACES is USUAL else 4     # seconds that a busy host may lose, beside short graces
OWN = "growth: { grace: %ds, connections: 20, window: 5s }"
SPAN = 45           # seconds after the last program began

POSTGRES = {
    "psycopg2": (
        "txn getconn_txn held held_by_workers hurried alone exhausted thread_each unread "
        "open_unused opened throw grow closed forked",
        "busy burst large_burst queued_burst reserve leftovers two_pools listen long_running "
        "copy cursor steps prefork ping lifetimes job"),
    "sqlalchemy": ("session stream held", "busy burst recycle two_engines steps"),
    "lib/pq": ("tx conn rows many-rows exhausted pool-each",
               "busy burst reserve lifetimes two-pools steps slow-rows listen"),
    "pgx": ("tx conn rows many-rows exhausted pool-each",
            "busy burst reserve lifetimes two-pools steps slow-rows"),
    "hikari": ("held held-reserve held-full txn portions",
               "busy burst reserve two-pools nested handed"),
    "node-postgres": ("held txn failed opened unread", "busy burst kept steps twoPools"),
    "libpq": ("txn unread copy_unread copy_begun unused opened forked",
              "busy slow_copy slow_rows steps prefork listen reserve"),
}
MYSQL = {
    "go-sql-driver": ("tx conn rows many-rows exhausted pool-each",
                      "busy burst reserve lifetimes two-pools steps slow-rows"),
    "mysql2": ("held txn unread", "busy burst steps twoPools"),
    "hikari-mariadb": ("held", "nested"),
    "libmariadb": ("txn unread unused opened", "busy slow_rows steps long_running ping"),
}
POOLED = {"psycopg2": "busy steps ping", "libpq": "busy steps"}     # through pgbouncer

# Injected and not expected to be found: the last so many connections (None: all; below 0: the
# first), and why.
POOL_EACH = "each lies free in a pool of its own; the growth is told"
FIRST = "the connection with which HikariCP began: the application's own thread dialled it"
FOLLOWED = "not followed by three more after it was seen at rest"
LAST = "nothing was opened after the last, and after the one before sooner than it was seen at rest"
UNSEEN = {
    ("psycopg2", "alone"): (None, "one leak alone: its pool dialled past it once"),
    ("psycopg2", "exhausted"): (None, "none is dialled after the last of the pool"),
    ("psycopg2", "thread_each"): (None, "each dial has a thread of its own"),
    ("psycopg2", "grow"): (8, "not followed by three more a quarter of a second later"),
    ("psycopg2", "hurried"): (None, "all within a second, and none later: a burst looks the same"),
    ("psycopg2", "open_unused"): (4, FOLLOWED),
    ("psycopg2", "opened"): (2, LAST),
    ("hikari", "held-reserve"): (-1, FIRST),
    ("hikari", "held-full"): (-1, FIRST),
    ("node-postgres", "opened"): (2, LAST),
    ("lib/pq", "pool-each"): (None, POOL_EACH),
    ("pgx", "pool-each"): (None, POOL_EACH),
    ("go-sql-driver", "pool-each"): (None, POOL_EACH),
    ("libpq", "copy_begun"): (None, "a COPY that waits for its client looks like a slow one"),
    ("libpq", "unused"): (4, FOLLOWED),
    ("libpq", "opened"): (2, LAST),
    ("libmariadb", "unused"): (4, FOLLOWED),
    ("libmariadb", "opened"): (2, LAST),
}

# Found though nothing leaks: not right, and known.
KNOWN_WRONG = {
    ("psycopg2", "queued_burst", "growth"):
        "the pool dials for one after the other, slower than the work is done",
}

# What only a pattern shows is owed from when it is there: after so many of the same program.
PATTERN = {"held": 5, "unused": 4}
ASKED = ("conn", "rows", "exhausted")       # of database/sql, which says itself what it lent

# What may be said of the whole pool, too, by what its connections are.
OF_POOL = {"held": "growth", "unused": "growth"}


def modes(programs, which):
    return [(driver, mode) for driver, both in programs.items() for mode in both[which].split()]


class Program:
    """One of clients/truth*, started anew for each round."""

    def __init__(self, driver, mode, env):
        command, more = client.truth_of(driver)
        self.driver, self.mode = driver, mode
        self.ready = threading.Event()
        self.leaks = []
        self.process = subprocess.Popen(
            command + [mode], env={**env, **more, "TRUTH_GRACE": str(GRACES["idle-in-txn"])},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=tap.die_with_parent)
        self.pid = self.process.pid
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if said:
                self.leaks.append({**said, "pid": self.pid})
            self.ready.set()

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __str__(self):
        return f"{self.driver} {self.mode}"

    def ended(self):
        """What it said last, if it ended by itself; else None."""
        if self.process.poll() is None:
            return None
        return f"{self} ended with {self.process.returncode}: {self.process.stderr.read()[-600:]}"

    def kill(self):
        """With all its children."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def prompt(b, pg):
    """psql at its prompt; it asked one thing."""
    psql = subprocess.Popen(["script", "-qefc", "psql -X", "/dev/null"], env=pg.env(),
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, preexec_fn=tap.die_with_parent)
    b.later(psql.wait)
    b.later(psql.kill)
    psql.stdin.write(b"select count(*) from account;\n")
    psql.stdin.flush()
    return psql


class Bench:
    """The servers, the daemon, and what runs beside it."""

    def __init__(self, b):
        self.b = b
        self.pg = Postgres(max_connections=900)
        b.later(self.pg.close)
        self.maria = MariaDB(max_connections=500)
        b.later(self.maria.close)
        self.between = pooler.Pooler(b, self.pg, "transaction")
        self.daemon = daemon.Daemon(b, config())
        self.healthy = self.start(1, pooled=True)
        prompt(b, self.pg)

    def start(self, which, pooled=False):
        wanted = [(*m, self.pg) for m in modes(POSTGRES, which)]
        wanted += [(*m, self.maria) for m in modes(MYSQL, which)]
        if pooled:
            wanted += [(driver, mode, self.between) for driver, all_modes in POOLED.items()
                       for mode in all_modes.split()]
        programs = []
        for driver, mode, where in wanted:
            programs.append(Program(driver, mode, where.env()))
            self.b.later(programs[-1].kill)
        for p in programs:
            tap.wait_for(lambda: p.ready.is_set() or p.ended(), 60, f"{p} to be ready")
        for p in programs:
            p.begin()
            time.sleep(0.05)
        return programs

    def alive(self, programs):
        same([why for p in programs if (why := p.ended())], [], "programs that ended")

    def confirmed(self):
        """All findings that were ever confirmed on these servers, by their id."""
        here = {f"{s.address}:{s.port}" for s in (self.pg, self.maria)}
        here.add(f"127.0.0.1:{self.between.port}")
        found = {}
        for e in self.daemon.journal():
            if e.get("state") == "confirmed" and e["endpoint"] in here:
                found.setdefault(e["id"], e)
        return list(found.values())


def config():
    if GRACES is USUAL:
        return ""
    lines = [f"  {k}: {{ grace: {s}s }}" for k, s in GRACES.items() if k != "growth"]
    return "\n".join(["detectors:"] + lines + ["  " + OWN % GRACES["growth"]]) + "\n"


def rounds(bench):
    """Lets all run; the programs that leaked, of all rounds."""
    end = time.monotonic() + MINUTES * 60
    span = SPAN if GRACES is SHORT else 2.2 * max(GRACES.values()) + SPAN
    done = []
    while True:
        leaking = bench.start(0)
        time.sleep(span)
        bench.alive(leaking + bench.healthy)
        for p in leaking:
            p.kill()
        done += leaking
        if time.monotonic() + span > end:
            return done


def expected(program):
    """What it leaked, each with why it is not found (else None), and from when it could be."""
    last, why = UNSEEN.get((program.driver, program.mode), (0, None))
    ours = [leak for leak in program.leaks if leak["backend"] is not None]
    blind = ours if last is None else ours[:-last] if last < 0 else ours[len(ours) - last:]
    for leak in program.leaks:
        pattern = 0 if program.mode in ASKED else PATTERN.get(leak["kind"], 0)
        same_kind = [x["at"] for x in program.leaks if x["kind"] == leak["kind"]][:pattern]
        yield leak, why if leak in blind else None, max(same_kind + [leak["at"]])


class Score:
    """What was injected of one kind in one driver, and what became of it."""

    def __init__(self):
        self.injected = self.found = self.unseen = self.by_chance = self.wrong = 0
        self.late, self.missed, self.delays = [], [], []

    def line(self, driver, kind):
        median = f"{statistics.median(self.delays):.1f} s" if self.delays else "-"
        more = f", of {self.unseen} not expected {self.by_chance} found" if self.unseen else ""
        return (f"{driver:15s} {kind:12s} injected {self.injected:3d}, found {self.found:3d}, "
                f"median {median:>7s}, wrong {self.wrong}{more}")


def when(finding):
    """When it was confirmed, as time.time() says it."""
    return datetime.datetime.fromisoformat(finding["at"]).timestamp()


def about(finding, leak):
    """Whether a finding is on what leaked: the same session, or the whole pool."""
    if finding["conn"] is None:
        return finding["pid"] == leak["pid"] and \
            finding["kind"] in (leak["kind"], OF_POOL.get(leak["kind"]))
    return leak["backend"] is not None and finding["backend_pid"] == leak["backend"] and \
        finding["pid"] == leak["pid"]


def right(finding, leak):
    return finding["kind"] in (leak["kind"], OF_POOL.get(leak["kind"])) and about(finding, leak)


def compare(programs, findings):
    """Scores by driver and kind; findings on nothing that leaked are left over."""
    scores, left = collections.defaultdict(Score), list(findings)
    for p in programs:
        for leak, why, there in expected(p):
            score = scores[p.driver, leak["kind"]]
            mine = [f for f in findings if right(f, leak)]
            left = [f for f in left if f not in mine]
            delays = [when(f) - leak["at"] for f in mine if f["kind"] == leak["kind"]]
            if why:
                score.unseen += 1
                score.by_chance += bool(delays)
                continue
            score.injected += 1
            score.found += bool(delays)
            score.delays += delays[:1]
            if not delays:
                score.missed.append(f"{p}: {leak}")
            elif leak["at"] + delays[0] > there + 2 * GRACES[leak["kind"]] + SLACK:
                score.late.append(f"{p}: {leak['kind']} after {delays[0]:.1f} s")
    return scores, left


def known(f, programs):
    """Why it is known to be found though it is no leak, or None."""
    for p in programs:
        if p.pid == f["pid"]:
            return KNOWN_WRONG.get((p.driver, p.mode, f["kind"]))
    return None


def keep(programs, findings):
    """All there is to know, for who looks into it later."""
    with open(os.path.join(tap.build_dir(), "truth.json"), "w") as f:
        json.dump({"leaks": {f"{p} {p.pid}": p.leaks for p in programs}, "findings": findings}, f,
                  indent=1)


def driver_of(f, programs):
    return next((p.driver for p in programs if p.pid == f["pid"]), f["comm"])


def tell(f, programs):
    who = [str(p) for p in programs if p.pid == f["pid"]] or [f["comm"]]
    return f"{who[0]} ({f['pid']}, backend {f['backend_pid']}): {f['kind']}: {f['evidence']}"


@tap.test("each leak of each driver is found in time, and nothing else",
          limit=MINUTES * 60 + 900 if MINUTES else 200)
def truth(b):
    bench = Bench(b)
    leaking = rounds(bench)
    findings = bench.confirmed()
    keep(leaking, findings)
    scores, left = compare(leaking, findings)
    programs = leaking + bench.healthy
    wrong = [f for f in left if known(f, programs) is None]
    for f in left:
        scores[driver_of(f, programs), f["kind"]].wrong += 1
    for (driver, kind), score in sorted(scores.items()):
        b.note(score.line(driver, kind))
    for (driver, mode), (count, why) in sorted(UNSEEN.items()):
        which = "all" if count is None else f"last {count}" if count > 0 else f"first {-count}"
        b.note(f"not expected: {driver} {mode}, {which}: {why}")
    missed = [text for s in scores.values() for text in s.missed]
    late = [text for s in scores.values() for text in s.late]
    injected = sum(s.injected for s in scores.values())
    for f in left:
        if f not in wrong:
            b.note(f"wrong, and known: {tell(f, programs)}: {known(f, programs)}")
    for text in [f"missed: {t}" for t in missed] + [f"late: {t}" for t in late] + \
            [f"wrong: {tell(f, programs)}" for f in wrong]:
        b.note(text)
    b.note(f"{injected} injected, {injected - len(missed)} found, {len(late)} of them late, "
           f"{len(wrong)} wrong, {len(bench.healthy) + 1} healthy programs")
    same([tell(f, programs) for f in wrong], [], "wrong findings")
    true(len(missed) + len(late) <= injected / 100, "missed or late, of a hundred")


tap.main()
