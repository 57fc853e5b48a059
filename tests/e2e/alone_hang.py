# SPDX-License-Identifier: GPL-2.0-or-later
"""Probes that the kernel neither puts nor takes away for a while: nobody waits for them."""

import os
import shutil
import signal
import subprocess
import time

from lib import client, daemon, proc, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

CONFIG = "evidence: { handles: true }\n"
shared = server.Shared(Postgres)


class Held:
    """clients/held.py: from now on, until it is let go."""

    def __init__(self, b, path):
        mounted = os.path.join(b.dir, "mounted")
        os.makedirs(mounted, exist_ok=True)
        self.process = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(client.HERE, "clients/held.py"), path, mounted,
             "40"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=tap.die_with_parent)
        b.later(self.close)
        if self.process.stdout.readline() != "held\n":
            raise tap.Skip(f"no map can be held here: {self.process.stderr.read()}")

    def let_go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        same(self.process.stdout.readline(), "over\n", "the map is free again")

    def close(self):
        self.process.kill()
        self.process.communicate()


class App:
    """A client whose libpq is its own: no other test's probes lie on it."""

    def __init__(self, b):
        self.library = os.path.join(b.dir, "libpq.so.5")
        if not os.path.exists(self.library):
            shutil.copy(client.libpq(), self.library)
        self.client = client.Client(b, shared.get(), "handles", LD_LIBRARY_PATH=b.dir)
        self.pid = self.client.pid


def beside(d):
    """The daemon's process that holds the probes."""
    for pid in proc.pids():
        name, _, rest = proc.read(pid, "stat").rpartition(") ")
        if name.endswith("(plimsoll-probes") and rest.split()[1] == str(d.pid):
            return pid
    return None


def runs(pid):
    return bool(proc.read(pid, "stat"))


def watched(d):
    return d.ask("doctor")[0]["libraries"]["watched"]


def answers(d, until):
    """Asks it again and again until `until()` is true: no answer takes long."""
    while not until():
        began = time.monotonic()
        same(d.cli("status").code, 0, "its answer")
        took = time.monotonic() - began
        true(took < 1, f"an answer took {took:.1f} s")
        time.sleep(0.05)


def stops(d):
    """Ends it; how long that took."""
    began = time.monotonic()
    same(d.stop(15), 0, "its exit code")
    return time.monotonic() - began


@tap.test("a probe that is not to be put: it answers, does its work, and puts it later")
def put(b):
    d = daemon.Daemon(b, CONFIG + daemon.config_observe())
    app, other = App(b), client.Client(b, shared.get(), "psycopg2")
    held = Held(b, app.library)
    tap.wait_for(lambda: d.conn_of(app.pid), 10, "the connection")
    answers(d, lambda: "keeps the kernel from" in d.log())
    true(app.library in d.log(), f"it says what is in the way: {d.log()}")
    other.must("begin")
    d.wait_activity(other.pid, "idle-in-txn", "while it is so")
    held.let_go()
    tap.wait_for(lambda: watched(d), 5, "the library to be watched after all")


@tap.test("a probe that is not to be put, or not to be taken away: it ends all the same",
          each=("put", "taken away"))
def end(b, what):
    d = daemon.Daemon(b, CONFIG + daemon.config_observe())
    app = App(b)
    if what == "taken away":
        tap.wait_for(lambda: watched(d), 10, "the library to be watched")
    worker = beside(d)
    true(worker, "a process that holds the probes")
    held = Held(b, app.library)
    if what == "put":
        tap.wait_for(lambda: d.conn_of(app.pid), 10, "the connection")
        tap.wait_for(lambda: "D (disk" in proc.read(worker, "status"), 10, "the kernel to wait")
    took = stops(d)
    true(took < 2, f"it took {took:.1f} s to end")
    held.let_go()
    tap.wait_for(lambda: not runs(worker), 5, "what it had put to be gone")


@tap.test("the process that holds the probes is killed: they are put again")
def again(b):
    d = daemon.Daemon(b, CONFIG + daemon.config_observe())
    app = App(b)
    tap.wait_for(lambda: watched(d), 10, "the library to be watched")
    first = beside(d)
    os.kill(first, signal.SIGKILL)
    tap.wait_for(lambda: beside(d) not in (None, first), 5, "another one")
    true("put again" in d.log(), f"it says so: {d.log()}")
    tap.wait_for(lambda: any("bpf_link" in link for link in proc.links(beside(d))), 5,
                 "the probes to be there")
    true(stops(d) < 2, "it ends")


tap.main(shared)
