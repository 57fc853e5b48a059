# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that cannot run does not leak: its quiet clocks stand still."""

import ctypes
import os
import signal
import time

from lib import client, daemon, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same, true

GRACE = 2.0
shared = server.Shared(Postgres)


def mount_of(kind, option=None):
    """Where a cgroup hierarchy is mounted, or None."""
    with open("/proc/self/mountinfo") as f:
        for line in f:
            head, tail = line.split(" - ")
            fs, _, options = tail.split()[:3]
            if fs == kind and (option is None or option in options.split(",")):
                return head.split()[4]
    return None


class Stop:
    """SIGSTOP, as job control or an impatient operator does it."""

    def __init__(self, b, pid):
        self.pid = pid
        b.later(self.go)
        os.kill(pid, signal.SIGSTOP)

    def go(self):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


class Freezer:
    """A control group that is frozen, as `docker pause` does it."""

    def __init__(self, b, pid, mount, file, frozen, thawed):
        self.dir = os.path.join(mount, f"plimsoll-e2e-{os.getpid()}-{pid}")
        self.root, self.file, self.thawed, self.pid = mount, file, thawed, pid
        os.mkdir(self.dir)
        b.later(self.close)
        self._write(self.dir, "cgroup.procs", pid)
        self._write(self.dir, file, frozen)

    @staticmethod
    def _write(where, file, text):
        with open(os.path.join(where, file), "w") as f:
            f.write(f"{text}\n")

    def go(self):
        self._write(self.dir, self.file, self.thawed)

    def close(self):
        self.go()
        try:
            self._write(self.root, "cgroup.procs", self.pid)
        except ProcessLookupError:
            pass
        tap.wait_for(self._is_removed, 5, "the group to be empty")

    def _is_removed(self):
        try:
            os.rmdir(self.dir)
            return True
        except OSError:
            return False


class Debugger:
    """A debugger that holds the process at a breakpoint."""

    PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17

    def __init__(self, b, pid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.pid, self.held = pid, True
        same(self.libc.ptrace(self.PTRACE_SEIZE, pid, None, None), 0, "ptrace")
        b.later(self.go)
        same(self.libc.ptrace(self.PTRACE_INTERRUPT, pid, None, None), 0, "ptrace")
        os.waitpid(pid, 0x40000000)  # __WALL

    def go(self):
        if self.held:
            self.held = False
            self.libc.ptrace(self.PTRACE_DETACH, self.pid, None, None)


def hold(b, how, pid):
    if how == "SIGSTOP":
        return Stop(b, pid)
    if how == "a debugger":
        return Debugger(b, pid)
    if how == "the freezer (cgroup v1)":
        mount, what = mount_of("cgroup", "freezer"), ("freezer.state", "FROZEN", "THAWED")
    else:
        mount, what = mount_of("cgroup2"), ("cgroup.freeze", "1", "0")
    if not mount:
        raise tap.Skip("no such hierarchy on this machine")
    return Freezer(b, pid, mount, *what)


HOLDS = ("SIGSTOP", "a debugger", "the freezer (cgroup v2)", "the freezer (cgroup v1)")


@tap.test("a process that cannot run in its transaction is not found; when it goes on, its clock "
          "does", each=HOLDS)
def clock_stands(b, how):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("2s"))
    app = client.Client(b, pg, "libpq")
    backend = app.leak()
    held = hold(b, how, app.pid)
    conn = tap.wait_for(lambda: (c := d.conn_of(app.pid, backend)) and c["paused"] and c, 3,
                        "the connection to be paused")
    seen = []
    end = time.monotonic() + 3 * GRACE
    while time.monotonic() < end:
        seen += [f for f in d.leaks() if f["pid"] == app.pid]
        time.sleep(0.1)
    same([f for f in seen if f["state"] == "confirmed"], [], "findings on a process that cannot run")
    quiet = d.conn_of(app.pid, backend)["quiet_s"]
    true(quiet < GRACE, f"quiet for {quiet} s, {conn['quiet_s']} s when it was stopped")

    held.go()
    began = time.monotonic()
    f = d.wait_confirmed(app.pid)
    took = time.monotonic() - began
    b.note(f"quiet for {quiet:.2f} s while it was stopped; confirmed {took:.2f} s after it went on")
    true(GRACE - quiet - 0.2 <= took <= GRACE + 2, f"found {took:.2f} s after it went on")
    same(d.conn_of(app.pid, backend)["paused"], False, "paused")
    true(GRACE - 0.1 <= f["quiet_s"] < took + quiet + 1, f"quiet_s {f['quiet_s']}")


@tap.test("what was found before its process was stopped stays found")
def found_before(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq")
    backend = app.leak(2)
    f = d.wait_confirmed(app.pid)
    held = hold(b, "SIGSTOP", app.pid)
    tap.wait_for(lambda: d.conn_of(app.pid, backend)["paused"], 3, "the connection to be paused")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        same([x["id"] for x in d.confirmed(app.pid)], [f["id"]], "the finding")
        time.sleep(0.1)
    held.go()
    tap.wait_for(lambda: not d.conn_of(app.pid, backend)["paused"], 3, "the process to go on")
    same([x["id"] for x in d.confirmed(app.pid)], [f["id"]], "the finding")
    app.must("rollback")
    tap.wait_for(lambda: not d.confirmed(app.pid), 2, "the finding to be taken back")


COLLECTS_S = 12


@tap.test("a Java program that does nothing but collect garbage is given time", limit=120)
def garbage(b):
    my = MariaDB()
    b.later(my.close)
    d = daemon.Daemon(b, daemon.config_observe("6s"))
    app = client.Client(b, my, "mariadb-java-client")
    app.say("heap 15", timeout=60)
    app.leak()
    app.must(f"gc {COLLECTS_S}")
    began = time.monotonic()
    f = d.wait_confirmed(app.pid, 60)
    took = time.monotonic() - began
    b.note(f"confirmed {took:.1f} s after it began to collect for {COLLECTS_S} s, grace 6 s")
    true(took > COLLECTS_S, f"found after {took:.1f} s, while it collected")
    same(f["kind"], "idle-in-txn", "kind")
    app.must("rollback")


tap.main(shared)
