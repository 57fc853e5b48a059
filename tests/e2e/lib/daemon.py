# SPDX-License-Identifier: GPL-2.0-or-later
"""plimsolld with directories of its own, and the CLI that talks to it."""

import json
import os
import signal
import subprocess
import tempfile

from . import proc, tap

DEFUSE = """
mode: fix
detectors:
  idle-in-txn: { grace: %s }
rules:
  - match: { kind: idle-in-txn, endpoint: "*:%d" }
    act: [ %s ]
budget: { per_pool: 1000/min, per_endpoint: 1000/min, total: 1000/min, share: 100%%, cool_down: 0s }
"""


def config_fix(pg, act="defuse", grace="2s"):
    """Acts on connections to this server only: the host may have others."""
    return DEFUSE % (grace, pg.port, act)


def config_observe(grace="2s"):
    return "detectors:\n  idle-in-txn: { grace: %s }\n" % grace


def program(name):
    path = os.path.join(tap.build_dir(), name)
    if not os.path.exists(path):
        raise AssertionError(f"{path} was not built")
    return path


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"not JSON (exit {self.code}): {self.out!r} {self.err!r}")


def cli(*args, run=None, wrap=(), timeout=30, env=None):
    """Runs plimsoll; `run` is the daemon's directory."""
    command = list(wrap) + [program("plimsoll")]
    if run:
        command += ["--run", run]
    done = subprocess.run(command + list(args), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, env=env)
    return Result(done)


class Daemon:
    def __init__(self, bench, config="", mode=None, run=None, state=None, start=True):
        self.dir = tempfile.mkdtemp(dir=bench.dir, prefix="d-")
        os.chmod(self.dir, 0o755)
        self.run = run or os.path.join(self.dir, "run")
        self.state = state or os.path.join(self.dir, "state")
        self.config = os.path.join(self.dir, "plimsoll.yaml")
        self.log_path = os.path.join(self.dir, "log")
        self.mode = mode
        with open(self.config, "w") as f:
            f.write(config)
        self.process = None
        bench.later(self.close)
        if start:
            self.start()

    def spawn(self):
        command = [program("plimsolld"), "--foreground", "--run", self.run, "--state", self.state,
                   "--config", self.config]
        if self.mode:
            command += ["--mode", self.mode]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=tap.die_with_parent)
        self.pid = self.process.pid

    def start(self, timeout=40):
        self.spawn()
        tap.wait_for(self._answers, timeout, "plimsolld to answer")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"plimsolld ended with {self.process.poll()}: {self.log()}")
        socket = os.path.join(self.run, "control.sock")
        return os.path.exists(socket) and self.cli("status").code == 0

    def hears_unix(self):
        """Whether it listens to what any socket receives, which costs all of them."""
        return any("sock_recv_length" in text for text in proc.fdinfo(self.pid))

    def cli(self, *args, **more):
        return cli(*args, run=self.run, **more)

    def ask(self, command, *args):
        """The list that `plimsoll --json COMMAND` prints; [] when nothing matched."""
        result = self.cli("--json", command, *args)
        if result.code == 3:
            return []
        tap.same(result.code, 0, f"exit code of {command} {args}: {result.err}")
        document = result.json()
        tap.same(document["schema"], 1, "schema")
        return document[command]

    def conns(self, *args):
        return self.ask("conns", *args)

    def conn_of(self, pid, backend=None):
        """The connection of a process (with that backend), or None."""
        for c in self.conns(f"pid={pid}"):
            if backend is None or c["backend_pid"] == backend:
                return c
        return None

    def wait_activity(self, pid, wanted, what, backend=None, timeout=1):
        """Waits for the next look of the daemon to show `wanted`; returns the connection."""
        tap.wait_for(lambda: self.activity(pid, backend) == wanted, timeout,
                     f"{wanted} {what}, last {self.activity(pid, backend)}")
        return self.conn_of(pid, backend)

    def activity(self, pid, backend=None):
        c = self.conn_of(pid, backend)
        return c and c["activity"]

    def leaks(self, *args):
        """Findings that stand: suspected or confirmed."""
        return [f for f in self.ask("leaks", *args) if f["state"] in ("suspect", "confirmed")]

    def confirmed(self, pid):
        return [f for f in self.leaks() if f["pid"] == pid and f["state"] == "confirmed"]

    def wait_confirmed(self, pid, timeout=10):
        try:
            return tap.wait_for(lambda: self.confirmed(pid), timeout,
                                f"a confirmed finding on process {pid}")[0]
        except AssertionError as e:
            counted = {k: v for k, v in self.ask("status")[0]["counters"].items() if v}
            raise AssertionError(f"{e}; its connections: {self.conns(f'pid={pid}')}; "
                                 f"findings: {self.leaks()}; lost: {counted}") from None

    def journal(self):
        return self.ask("journal")

    def repairs(self, conn=None):
        """Journal entries that are repairs with an outcome, oldest first."""
        return [e for e in self.journal() if e.get("outcome") and e.get("action")
                and (conn is None or e.get("conn") == conn)]

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def tell(self):
        return f"\nlog of plimsolld:\n{self.log()[-4000:]}"

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=10):
        """Ends it the polite way; returns its exit code."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("plimsolld did not end on SIGTERM")
        return self.process.poll() if self.process else None

    def close(self):
        self.stop()
