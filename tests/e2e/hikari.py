# SPDX-License-Identifier: GPL-2.0-or-later
"""HikariCP, Java's usual pool: what its threads lose, and what evidence it takes to see that."""

import json
import os
import select
import subprocess
import time

from lib import client, daemon, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

servers = {"pgjdbc": server.Shared(Postgres), "mariadb-java-client": server.Shared(MariaDB)}
CONFIG = """
%sdetectors:
  held: { grace: 2s }
  growth: { grace: 2s, connections: 20, window: 5s }
"""


class Program:
    """clients/TruthHikari in one of its modes; it says what it leaks."""

    def __init__(self, b, driver, mode):
        command, _ = client.truth_of("hikari")
        env = {**servers[driver].get().env(), "TRUTH_GRACE": "2"}
        self.process = subprocess.Popen(command + [mode], env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, preexec_fn=tap.die_with_parent)
        b.later(self.process.wait)
        b.later(self.process.kill)
        self.pid = self.process.pid
        self._said = b""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def leaked(self):
        """The sessions lost so far."""
        out = self.process.stdout
        while select.select([out], [], [], 0)[0]:
            more = os.read(out.fileno(), 65536)
            true(more, "the program lives")
            self._said += more
        lines = self._said[:self._said.rfind(b"\n") + 1].splitlines()
        return [said["backend"] for line in lines if (said := json.loads(line))]


def held(d, app):
    return {f["backend_pid"] for f in d.confirmed(app.pid) if f["kind"] == "held"}


def lose_eight(b, d, driver):
    app = Program(b, driver, "held")
    tap.wait_for(lambda: len(app.leaked()) == 8, 60, "eight leaks")
    return app


def all_held(d, app):
    end = time.monotonic() + 15
    while time.monotonic() < end and len(held(d, app)) < 8:
        time.sleep(0.2)
    return len(held(d, app)) == 8


@tap.test("what a thread loses is held, by evidence only", each=tuple(servers), limit=120)
def lost(b, driver):
    d = daemon.Daemon(b, CONFIG % "")
    blind = daemon.Daemon(b, CONFIG % "evidence: off\n")
    app = lose_eight(b, d, driver)
    if not all_held(d, app):    # chance has it how it came to them; not twice
        b.note(f"only {len(held(d, app))} of 8 held, at the first try")
        app = lose_eight(b, d, driver)
        true(all_held(d, app), f"all to be held: {held(d, app)} of {app.leaked()}")
    same(held(d, app) - set(app.leaked()), set(), "others that were found")
    pool = d.ask("pools", f"pid={app.pid}")[0]
    true(pool["in_use"] >= 8, f"they are in use: {pool}")
    same([f for f in blind.leaks() if f["pid"] == app.pid], [], "findings without evidence")


@tap.test("of what many threads lose, nothing else is held", limit=180)
def lost_in_threads(b):
    d = daemon.Daemon(b, CONFIG % "")
    app = Program(b, "pgjdbc", "held-threads")
    tap.wait_for(lambda: len(app.leaked()) == 12, 100, "twelve leaks")
    time.sleep(10)      # chance has it how many show
    b.note(f"{len(held(d, app))} of 12 held")
    same(held(d, app) - set(app.leaked()), set(), "others that were found")


@tap.test("loans within loans, and what is given back by others, are not held", limit=60)
def healthy(b):
    d = daemon.Daemon(b, CONFIG % "")
    apps = [Program(b, "pgjdbc", mode) for mode in ("nested", "handed")]
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for app in apps:
            same([f for f in d.leaks() if f["pid"] == app.pid], [], "findings")
            same(app.process.poll(), None, "its end")
        time.sleep(0.5)


tap.main()
