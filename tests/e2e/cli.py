# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, with a daemon and without, in the right hands and the wrong ones."""

import json
import os
import pwd
import select
import socket
import subprocess

from lib import client, daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres)
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]


def reachable_by_nobody(b):
    """Copies the programs to where any user may run them from; the tree may be private."""
    for name in ("plimsoll", "plimsolld"):
        subprocess.run(["install", "-m", "755", daemon.program(name), b.dir], check=True)
    return lambda name: os.path.join(b.dir, name)


@tap.test("without a daemon root gets the answer all the same", limit=40)
def no_daemon(b):
    pg = shared.get()
    app = client.Client(b, pg, "libpq")
    app.must("busy 2")
    empty = os.path.join(b.dir, "none")
    said = daemon.cli("--json", "conns", f"pid={app.pid}", run=empty)
    same(said.code, 0, f"exit code: {said.err}")
    true(said.err.strip(), "says on stderr that it goes without a daemon")
    rows = said.json()["conns"]
    same({c["pid"] for c in rows}, {app.pid}, "pids")
    true(len(rows) == 3, f"connections: {len(rows)}")
    true(all(c["age_is_lower_bound"] for c in rows), "ages are lower bounds")
    nothing = daemon.cli("--json", "conns", "pid=1", run=empty)
    same(nothing.code, 3, f"nothing matched: {nothing.out} {nothing.err}")


@tap.test("tables fit 100 columns and align")
def tables(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "psycopg2")
    app.must("busy 3")
    app.leak(1)
    d.wait_confirmed(app.pid)
    for command in (["conns"], ["pools"], ["leaks"], ["journal"], ["status"], ["doctor"]):
        said = d.cli(*command)
        same(said.code, 0, f"{command}: {said.err}")
        lines = said.out.splitlines()
        true(len(lines) >= 2, f"{command} prints something: {said.out!r}")
        wide = [line for line in lines if len(line) > 100]
        same(wide, [], f"{command}: lines of more than 100 columns")
        true("\x1b" not in said.out, f"{command}: no colour into a pipe")
    true(str(app.pid) in d.cli("conns").out, "conns names the pid")
    true("idle-in-txn" in d.cli("leaks").out, "leaks names the kind")


@tap.test("every command prints one JSON document, and conns has every key")
def documents(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq")
    app.leak(2)
    f = d.wait_confirmed(app.pid)
    for command in ("conns", "pools", "leaks", "journal", "status", "doctor"):
        document = d.cli("--json", command).json()
        same(document["schema"], 1, f"{command}: schema")
        true(command in document, f"{command}: its own key in {list(document)}")
    wanted = {
        "conns": "id pid comm cgroup protocol local remote user database backend_pid stage activity "
                 "opened_at age_s age_is_lower_bound quiet_s txn_s queries rtt_us rtt_var_ms2 "
                 "jitter_rate sql sql_note trace_id language goroutine thread stack stack_at "
                 "netns findings",
        "pools": "pid comm endpoint protocol database user open in_use idle in_txn wait_count "
                 "wait_s level watermark gear rtt_us rtt_var_ms2 jitter_rate decay_factor findings",
        "leaks": "id kind conn pid comm state since_s confidence evidence sql sql_note trace_id "
                 "language goroutine stack_at stack endpoint user database",
    }
    for command, keys in wanted.items():
        row = d.ask(command)[0]
        same([k for k in keys.split() if k not in row], [], f"{command}: keys that are missing")
    shown = d.cli("--json", "show", f["conn"])
    true(f["conn"] in shown.out, f"show: {shown.out} {shown.err}")
    true(f["conn"] in d.cli("show", f["conn"]).out, "show as text")


@tap.test("filters choose, unknown ones are usage errors, nothing matched is exit 3")
def filters(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    one, two = (client.Client(b, pg, "libpq") for _ in range(2))
    one.leak(3)
    d.wait_confirmed(one.pid)
    end = f"127.0.0.1:{pg.port}"
    for args, pids in (((f"pid={two.pid}",), {two.pid}),
                       ((f"endpoint={end}", "comm=leak_libpq"), {one.pid, two.pid}),
                       ((f"endpoint={end}", "database=shop", "user=app"), {one.pid, two.pid}),
                       ((f"endpoint={end}", "leaked"), {one.pid}),
                       ((f"endpoint={end}", "kind=idle-in-txn"), {one.pid}),
                       ((f"endpoint={end}", "protocol=postgresql"), {one.pid, two.pid}),
                       ((f"endpoint={end}", "user=somebody"), set())):
        same({c["pid"] for c in d.conns(*args)}, pids, f"conns {args}")
    same(d.cli("conns", "user=somebody").code, 3, "nothing matched")
    for args in (("conns", "colour=red"), ("conns", "pid=abc"), ("dance",), (), ("fix",),
                 ("journal", "--since", "yesterday")):
        said = d.cli(*args)
        same(said.code, 2, f"plimsoll {args}: {said.out[:80]} {said.err[:80]}")
        true(said.err.strip(), f"{args}: says why")
    same(d.cli("show", "c0000.123456").code, 3, "show of an unknown id")


@tap.test("watch tells of a finding as it happens, one object a line")
def watch(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", "500ms"))
    process = subprocess.Popen([daemon.program("plimsoll"), "--json", "--run", d.run, "watch"],
                               stdout=subprocess.PIPE, preexec_fn=tap.die_with_parent)
    b.later(process.wait)
    b.later(process.kill)
    app = client.Client(b, pg, "libpq")
    tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection")
    app.leak(4)
    seen, buffer = [], b""
    while not any(e.get("outcome") == "done" for e in seen):
        ready, _, _ = select.select([process.stdout], [], [], 10)
        true(ready, f"the stream goes on; so far {seen}")
        data = os.read(process.stdout.fileno(), 65536)
        true(data, "the stream is open")
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        seen += [json.loads(line) for line in lines]
    states = [e["state"] for e in seen if e.get("pid") == app.pid and "state" in e]
    true("confirmed" in states, f"states seen {states}")
    app.say("rollback")


BAD = (
    ("mode: observ\n", 1, 7),
    ("colour: red\n", 1, 1),
    ("detectors:\n  idle-in-txn: { grce: 3s }\n", 2, 18),
    ("detectors:\n  idle-in-txn: { grace: 3oo }\n", 2, 25),
    ("detectors:\n  idle-in-txn: { grace: -1s }\n", 2, 25),
    ("detectors:\n  nonesuch: { grace: 3s }\n", 2, 3),
    ("mode: fix\nmode: fix\n", 2, 1),
    ("rules: 5\n", 1, 8),
    ("rules:\n  - match: { kind: idle-in-txn }\n    act: [ dance ]\n", 3, 12),
    ("rules:\n  - match: { shoe: 9 }\n    act: [ defuse ]\n", 2, 14),
    ("budget: { share: 101% }\n", 1, 18),
    ("budget: { per_pool: lots }\n", 1, 21),
    ("mode: [fix\n", None, None),
    ("\tmode: fix\n", None, None),
)


@tap.test("every wrong configuration is refused with its place and reason", limit=90)
def configuration(b):
    for text, line, column in BAD:
        d = daemon.Daemon(b, text, start=False)
        d.spawn()
        code = d.process.wait(10)
        same(code, 2, f"{text!r}: exit code; {d.log()}")
        where = f"plimsoll.yaml:{line}:{column}: " if line else "plimsoll.yaml:"
        true(where in d.log(), f"{text!r}: {where} in {d.log()!r}")
        true(not os.path.exists(os.path.join(d.run, "control.sock")), "nothing was started")
        true(not os.path.exists(os.path.join(d.state, "journal.db")), "no journal was made")
    d = daemon.Daemon(b, "", start=False)
    os.unlink(d.config)
    d.spawn()
    same(d.process.wait(10), 2, f"a file that was named and is not there: {d.log()}")


@tap.test("a bad reload keeps the old configuration")
def reload(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    with open(d.config, "w") as f:
        f.write("mode: fixx\n")
    d.process.send_signal(1)
    tap.wait_for(lambda: "plimsoll.yaml:1:7" in d.log(), 3, "the reason in the log")
    with open(d.config, "w") as f:
        f.write(daemon.config_fix(pg, "defuse", "300ms"))
    app = client.Client(b, pg, "libpq")
    backend = app.leak(5)
    d.process.send_signal(1)
    tap.wait_for(lambda: not pg.row_locks(backend), 5, "the new configuration at work")
    app.say("rollback")


@tap.test("not root: one sentence and exit 4 or 5")
def not_root(b):
    at = reachable_by_nobody(b)
    d = subprocess.run(AS_NOBODY + [at("plimsolld"), "--foreground", "--run", f"{b.dir}/r",
                                    "--state", f"{b.dir}/s"],
                       capture_output=True, text=True, timeout=20)
    same(d.returncode, 4, f"plimsolld: {d.stderr}")
    same(len(d.stderr.strip().splitlines()), 1, f"plimsolld says one sentence: {d.stderr}")
    true("root" in d.stderr or "CAP_" in d.stderr, f"says what is missing: {d.stderr}")
    c = subprocess.run(AS_NOBODY + [at("plimsoll"), "--run", f"{b.dir}/none", "conns"],
                       capture_output=True, text=True, timeout=20)
    same(c.returncode, 5, f"plimsoll without a daemon: {c.stderr}")
    same(c.stdout, "", "nothing on stdout")


@tap.test("another user sees, and acts on, only its own connections")
def roles(b):
    pg = shared.get()
    at = reachable_by_nobody(b)
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    theirs = client.Client(b, pg, "psycopg2", wrap=AS_NOBODY)
    ours = client.Client(b, pg, "libpq")
    backend = ours.leak(6)
    f = d.wait_confirmed(ours.pid)

    def nobody(*args):
        done = subprocess.run(AS_NOBODY + [at("plimsoll"), "--json", "--run", d.run, *args],
                              capture_output=True, text=True, timeout=20)
        return daemon.Result(done)

    said = nobody("conns")
    same(said.code, 0, f"nobody asks: {said.err}")
    same({c["pid"] for c in said.json()["conns"]}, {theirs.pid}, "sees only its own")
    same(nobody("leaks").code, 3, "no leaks of others")
    true(nobody("show", f["conn"]).code in (3, 4), "shows nothing of others")
    true(nobody("fix", f["conn"], "--yes").code in (3, 4, 7), "mends nothing of others")
    same(nobody("stop").code, 4, "may not stop repairs")
    true(pg.row_locks(backend), "the lock is still held")
    ours.must("commit")


@tap.test("a second daemon on the same run directory is refused")
def second(b):
    d = daemon.Daemon(b, "")
    other = daemon.Daemon(b, "", run=d.run, start=False)
    other.spawn()
    true(other.process.wait(10) != 0, "exit code of the second")
    true(other.log().strip(), "says why")
    same(d.cli("status").code, 0, "the first one still answers")


@tap.test("a hostile client of the control socket hurts nobody", limit=60)
def hostile(b):
    d = daemon.Daemon(b, "")
    path = os.path.join(d.run, "control.sock")

    def connect():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        return s

    idle = [connect() for _ in range(50)]
    for data in (b"\0" * 1000, b"{" * 100000, b"not json\0", b"[]\0", b"{}\0", b"null\0",
                 b'{"method": 5}\0', b'{"method": "x.y.Z", "parameters": []}\0',
                 b'{"method": "org.varlink.service.GetInfo"}\0' * 1000,
                 b'{"method": "' + b"A" * 500000 + b'"}\0', os.urandom(10000) + b"\0",
                 b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"\0", b'{"method": "\xff\xfe"}\0'):
        s = connect()
        try:
            s.sendall(data)
            s.recv(65536)
        except OSError:
            pass
        s.close()
        true(d.process.poll() is None, f"the daemon lives after {data[:30]!r}: {d.log()}")
    endless = connect()
    try:
        for _ in range(2000):
            endless.sendall(b"A" * 65536)
    except OSError:
        pass
    endless.close()
    for s in idle:
        s.close()
    same(d.cli("status").code, 0, "it still answers")
    with open(f"/proc/{d.pid}/status") as f:
        resident = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    true(resident < (400 if tap.sanitized() else 64) * 1024, f"resident {resident} KiB")


tap.main(shared)
