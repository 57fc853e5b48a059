# SPDX-License-Identifier: GPL-2.0-or-later
"""What must never happen: a wrong finding, a wrong repair, a process left stopped."""

import json
import os
import select
import signal
import subprocess
import time

from lib import client, daemon, proc, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres)
LOOK = "500ms"


def run_watched(d, app, line, limit=30):
    """Has the client do something long; returns its answer and all findings meanwhile."""
    app.send(line)
    seen = []
    end = time.monotonic() + limit
    while not select.select([app.process.stdout], [], [], 0.1)[0]:
        seen += [f for f in d.leaks() if f["pid"] == app.pid]
        true(time.monotonic() < end, f"{line[:60]} ends in {limit} s")
    return app.answer(), seen


def no_finding(b, app, d, line):
    answer, seen = run_watched(d, app, line)
    true(answer.ok, f"{line[:60]}: {answer}")
    same(seen, [], f"findings during {line[:60]}")


@tap.test("a client that wakes in the very moment is not hurt", limit=90)
def edge(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", LOOK))
    apps = [client.Client(b, pg, "libpq") for _ in range(3)]
    for row, app in enumerate(apps, 60):
        app.send(f"edge 500 40 {row}")
    said = [app.answer(60).rest for app in apps]
    hurt = sum(int(s.split()[0]) for s in said)
    lost = sum(int(s.split()[2]) for s in said)
    repairs = d.repairs()
    done = [r for r in repairs if r["outcome"] == "done"]
    b.note(f"120 transactions: {len(done)} mended, {hurt} aborted, "
           f"{len([r for r in repairs if r['outcome'] == 'changed'])} left alone as changed")
    true(repairs, "some repair was begun at all")
    same(lost, 0, "clients that lost more than a forgotten transaction")
    same(hurt, len(done), "aborted transactions, and repairs that say done")
    true(all(r["outcome"] in ("done", "changed", "gone") for r in repairs),
         f"outcomes {[r['outcome'] for r in repairs]}")


# A ready mark with state T, as result data that ends a segment would carry it.
FAKE = r"\x5a0000000554"
DONE = r"\x430000000d53454c454354203100"


@tap.test("result data that imitates a ready mark makes no finding", limit=90)
def imitation(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", LOOK))
    app = client.Client(b, pg, "libpq")
    seen = []
    # The server sends its buffer of 8192 bytes when it is full: whatever lies at the end
    # of a full buffer ends a segment, and pg_sleep lets it be the last word for a while.
    for pad in range(8192 - 60, 8192 - 20, 2):
        sql = (f"select decode(repeat('00', {pad}), 'hex') || '{FAKE}'::bytea "
               f"union all select ''::bytea from (select pg_sleep(0.05)) s")
        answer, found = run_watched(d, app, f"binary {sql}")
        true(answer.ok, f"pad {pad}: {answer}")
        seen += found
    for fake in (FAKE, DONE + FAKE[2:]):
        sql = f"select decode(repeat('{fake[2:]}', 4000), 'hex') from " \
              f"generate_series(1, 3) i, lateral (select pg_sleep(0.4 * i)) s"
        answer, found = run_watched(d, app, f"binary {sql}")
        true(answer.ok, f"repeated mark: {answer}")
        seen += found
    for text in ("select 'Z' || chr(1) || 'T'", f"select '{FAKE}'::bytea",
                 f"select repeat(convert_from('{FAKE.replace('00', '01')}', 'UTF8'), 20000)"):
        no_finding(b, app, d, f"query {text}")
    same(seen, [], "findings while the server still answered")
    d.wait_activity(app.pid, "idle", "afterwards")
    same([r for r in d.repairs() if r["outcome"] == "done"], [], "repairs")


@tap.test("an idle connection whose last result imitates state T is idle")
def imitation_idle(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", LOOK))
    app = client.Client(b, pg, "libpq")
    app.must(f"binary select decode(repeat('{FAKE[2:]}', 3000), 'hex')")
    d.wait_activity(app.pid, "idle", "after the result")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        same(d.conn_of(app.pid)["activity"], "idle", "activity")
        same([f for f in d.leaks() if f["pid"] == app.pid], [], "findings")


@tap.test("work under way in a transaction makes no finding", limit=60)
def at_work(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", LOOK))
    app = client.Client(b, pg, "libpq")
    app.must("begin")
    no_finding(b, app, d, "query select pg_sleep(2.5)")
    app.must("commit")
    no_finding(b, app, d, "pipeline select pg_sleep(2.5)")
    no_finding(b, app, d, "copyin 20 150")
    no_finding(b, app, d, "cursor 15 200")
    no_finding(b, app, d, "slowread 2500")
    same(d.repairs(), [], "repairs")


@tap.test("a stopped process is not acted upon")
def stopped(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", LOOK))
    app = client.Client(b, pg, "libpq")
    backend = app.leak(20)
    os.kill(app.pid, signal.SIGSTOP)
    b.later(os.kill, app.pid, signal.SIGCONT)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        true(pg.row_locks(backend), "the lock of a stopped process is left alone")
        time.sleep(0.1)
    same(app.state(), "T", "and it is still stopped, as its owner wanted")
    same([r for r in d.repairs() if r["outcome"] == "done"], [], "repairs")
    os.kill(app.pid, signal.SIGCONT)
    tap.wait_for(lambda: not pg.row_locks(backend), 10, "a repair once it runs again")


@tap.test("a connection shared after fork is refused")
def shared_by_fork(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", LOOK))
    app = client.Client(b, pg, "libpq")
    backend = app.leak(21)
    app.must("fork")
    app.must("query select 1")
    f = d.wait_confirmed(app.pid)
    refused = d.cli("--json", "fix", f["conn"], "--yes")
    same(refused.code, 7, f"fix: {refused.out} {refused.err}")
    true("shared" in refused.out + refused.err or "more than one process" in
         refused.out + refused.err, f"says why: {refused.out} {refused.err}")
    true(pg.row_locks(backend), "the lock is still held")
    app.must("query select 1")
    app.must("commit")


def loaded_programs():
    """Ids of all BPF programs in the kernel."""
    tool = next((p for p in ("/usr/sbin/bpftool", "/usr/local/sbin/bpftool")
                 if os.path.exists(p)), "bpftool")
    try:
        out = subprocess.run([tool, "-j", "prog", "show"], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise tap.Skip("bpftool does not work here")
    return {p["id"] for p in json.loads(out)}


def held_by(pid):
    """Ids of the BPF programs and of those behind the links that a process holds."""
    return {int(line.split()[1]) for text in proc.fdinfo(pid) for line in text.splitlines()
            if line.startswith("prog_id:")}


@tap.test("kill -9 of the daemon leaves nobody stopped and no program behind", limit=120)
def killed(b):
    pg = shared.get()
    apps = [client.Client(b, pg, "libpq") for _ in range(4)]
    backends = [app.backend() for app in apps]
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", "250ms"), start=False)
    for n in range(8):
        d.start()
        loaded = held_by(d.pid)
        for i, app in enumerate(apps):
            app.must("begin")
            app.must(f"query update account set balance = balance where id = {30 + i}")
        # Around the moment when the repairs run, each time at another point of them.
        due = time.monotonic() + 0.45 + 0.03 * n
        tap.wait_for(lambda: time.monotonic() > due, 2, "the moment", pause=0.001)
        d.kill9()
        tap.wait_for(lambda: all(a.state() not in "Tt" for a in apps), 1, "all clients to run")
        tap.wait_for(lambda: not (loaded & loaded_programs()), 3, "the daemon's programs to go")
        for app in apps:
            answer = app.say("query select 1")
            true(answer.ok or answer.sqlstate == "25P02", f"the client goes on: {answer}")
            app.say("rollback")
            app.must("query select 1")
    same([a.backend() for a in apps], backends, "all on their old connections")
    b.note(f"{len(loaded)} programs were attached by the daemon")
    true(loaded, "the daemon holds BPF programs while it runs")

    d.start()
    open_ends = [e for e in d.journal() if e.get("action") and e.get("verdict") == "act"
                 and not e.get("outcome")]
    same(open_ends, [], "intents of former lives without an outcome")


@tap.test("a daemon that is asked to end does so, and leaves nothing")
def ended(b):
    pg = shared.get()
    app = client.Client(b, pg, "libpq")
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", LOOK))
    backend = app.leak(40)
    tap.wait_for(lambda: not pg.row_locks(backend), 5, "a repair")
    loaded = held_by(d.pid)
    same(d.stop(), 0, "exit code")
    tap.wait_for(lambda: not (loaded & loaded_programs()), 3, "the programs to go")
    true(not os.path.exists(os.path.join(d.run, "control.sock")), "the socket is gone")


tap.main(shared)
