# SPDX-License-Identifier: GPL-2.0-or-later
"""A little of everything for a while: run with the sanitized build by `make check`."""

import os
import random
import signal
import time

from lib import client, daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

SECONDS = 20
shared = server.Shared(Postgres)


def descriptors(d):
    return len(os.listdir(f"/proc/{d.pid}/fd"))


def gave_up(d, app):
    """Whether a defuse failed, as it may on a busy host; then the next rung closes."""
    return any(r["action"] == "defuse" and r["outcome"] == "failed" and r["pid"] == app.pid
               for r in d.repairs())


@tap.test("leaks, repairs, questions, reloads and dying clients for a while", limit=150)
def soak(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse, close after 1s", "300ms"))
    at_first = descriptors(d)
    chance = random.Random(4)
    steady = client.Client(b, pg, "libpq")
    steady.must("busy 3")
    leaks = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        app = client.Client(b, pg, chance.choice(("libpq", "psycopg2")))
        for row in range(3):
            backend = app.leak(row + 10)
            leaks += 1
            tap.wait_for(lambda: not pg.row_locks(backend), 10, "a repair")
            answer = app.say("query select 1")
            if answer.sqlstate != "25P02" and gave_up(d, app):
                b.note("the server answered a defuse too late, and its connection was closed")
                break
            same(answer.sqlstate, "25P02", f"the client's next statement: {answer}")
            app.must("rollback")
        for command in (["conns"], ["pools"], ["leaks"], ["journal"], ["status"], ["doctor"]):
            true(d.cli("--json", *command).code in (0, 3), f"{command} answers")
        d.process.send_signal(signal.SIGHUP)
        app.process.kill()
        true(d.process.poll() is None, f"the daemon lives: {d.log()}")
    same(steady.must("query select 1").split()[-1], "1", "the busy client works")
    done = [r for r in d.repairs() if r["outcome"] == "done"]
    true(len(done) >= leaks, f"{len(done)} repairs of {leaks} leaks in the journal")
    same(len({r["id"] for r in d.repairs()}), len(d.repairs()), "repair ids are unique")
    at_last = descriptors(d)
    true(at_last < at_first + 20, f"open descriptors: {at_first}, then {at_last}")
    b.note(f"{leaks} leaks, {len(done)} repairs, {at_last} descriptors, {at_first} at first")
    same(d.stop(30), 0, f"it ends well: {d.log()[-3000:]}")
    true("ERROR: " not in d.log() and "runtime error" not in d.log(), d.log()[-3000:])


tap.main(shared)
