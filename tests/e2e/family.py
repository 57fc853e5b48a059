# SPDX-License-Identifier: GPL-2.0-or-later
"""Address families, ports, encryption, and traffic that is no database's."""

import os
import socket
import subprocess
import threading
import time

from lib import client, daemon, frontend, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres, ssl=True)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@tap.test("IPv6 is seen as IPv4 is", limit=40)
def ipv6(b):
    if not has_ipv6():
        raise tap.Skip("this machine has no ::1")
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", "500ms"))
    app = client.Client(b, pg, "libpq", PGHOST="::1")
    backend = app.backend()
    c = tap.wait_for(lambda: d.conn_of(app.pid, backend), 3, "the connection")
    same((c["remote"], c["activity"], c["user"], c["database"]),
         (f"[::1]:{pg.port}", "idle", "app", "shop"), "as listed")
    app.leak(1)
    tap.wait_for(lambda: not pg.row_locks(backend), 5, "a repair over IPv6")
    app.say("rollback")


def mine(d, port):
    return [c for c in d.conns(f"pid={os.getpid()}") if c["local"].endswith(f":{port}")]


@tap.test("an IPv4 address in an IPv6 socket is seen as what it is")
def mapped(b):
    if not has_ipv6():
        raise tap.Skip("this machine has no IPv6 sockets")
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    s = frontend.Session(pg, socket.AF_INET6, "::ffff:127.0.0.1")
    b.later(s.close)
    same(s.say(frontend.query("begin")), b"CT", "the server's word")
    c = tap.wait_for(lambda: mine(d, s.port), 3, "the connection")[0]
    same((c["remote"], c["user"]), (f"127.0.0.1:{pg.port}", "postgres"), "as listed")
    tap.wait_for(lambda: d.confirmed(os.getpid()), 5, "the leak to be found")
    same(s.say(frontend.query("commit")), b"CI", "the server's word")


@tap.test("a start-up packet and answers in single bytes are understood", limit=40)
def dribble(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    s = frontend.Session(pg, cut=9)
    b.later(s.close)
    c = tap.wait_for(lambda: mine(d, s.port), 3, "the connection")[0]
    same(c["protocol"], "postgresql", "protocol")
    true(c["user"] in (None, "postgres") and c["database"] in (None, "shop"),
         f"right or unknown, never wrong: {c['user']} {c['database']}")
    same(s.say(frontend.query("begin")), b"CT", "the server's word")
    tap.wait_for(lambda: mine(d, s.port)[0]["activity"] in ("idle-in-txn", "unknown"),
                 2, "the transaction, or honest ignorance")


@tap.test("an encrypted connection is listed as such, unknown, and never defused", limit=40)
def tls(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", "500ms"))
    app = client.Client(b, pg, "libpq", PGSSLMODE="require")
    backend = app.leak(2)
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection")
    same((c["activity"], c["protocol"]), ("unknown", "postgresql"), f"as listed: {c}")
    same((c["txn_s"], c["backend_pid"]), (None, None), "nothing is made up")
    shown = d.cli("show", c["id"])
    true("tls" in (shown.out + str(c)).lower(), f"says that it is TLS: {shown.out}")
    refused = d.cli("fix", c["id"], "--with", "defuse", "--yes")
    same(refused.code, 7, f"defuse: {refused.out} {refused.err}")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        same([f for f in d.leaks() if f["pid"] == app.pid], [], "findings")
        true(pg.row_locks(backend), "the lock is still held")
    app.must("query select 1")
    app.must("commit")


def loopback_up(name):
    for words in (["ip", "netns", "add", name], ["ip", "-n", name, "link", "set", "lo", "up"]):
        subprocess.run(words, check=True)


def elsewhere(b, pg, label):
    """A network namespace: its name, and how to run a program in it that reaches `pg`."""
    name = f"plimsoll-{os.getpid()}-{label}"
    loopback_up(name)
    b.later(subprocess.run, ["ip", "netns", "del", name])
    # The server stays where it is: a relay in there hands on to its Unix socket.
    relay = subprocess.Popen(["ip", "netns", "exec", name, "/usr/bin/python3", "-c", RELAY,
                              str(pg.port), f"{pg.dir}/.s.PGSQL.{pg.port}"],
                             stdout=subprocess.PIPE, preexec_fn=tap.die_with_parent)
    b.later(relay.kill)
    same(relay.stdout.readline(), b"ready\n", "the relay's word")
    return name, ["ip", "netns", "exec", name]


@tap.test("what is older than the observer in another network namespace is taken in")
def older(b):
    pg = shared.get()
    name, inside = elsewhere(b, pg, "older")
    app = client.Client(b, pg, "libpq", wrap=inside, PGUSER="postgres")
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    # Its port says nothing; its first answer does.
    app.leak(8)
    c = tap.wait_for(lambda: d.conn_of(app.pid), 5, "it to be listed")
    same((c["netns"], c["age_is_lower_bound"], c["activity"]), (name, True, "idle-in-txn"), f"{c}")


@tap.test("a network namespace of its own is observed, and named")
def namespace(b):
    pg = shared.get()
    name, inside = elsewhere(b, pg, "own")
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, pg, "libpq", wrap=inside, PGUSER="postgres")
    app.leak(9)
    f = d.wait_confirmed(app.pid)
    c = d.conn_of(app.pid)
    same((c["netns"], c["user"], f["conn"]), (name, "postgres", c["id"]), "as listed")
    true(name in d.cli("show", c["id"]).out, "show names it")
    app.must("rollback")
    other = client.Client(b, pg, "libpq")
    same(tap.wait_for(lambda: d.conn_of(other.pid), 3, "one of our own")["netns"], None, "our own")


RELAY = """
import socket, sys, threading
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    inner, _ = listener.accept()
    outer = socket.socket(socket.AF_UNIX)
    outer.connect(sys.argv[2])
    for pair in ((inner, outer), (outer, inner)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


class Server(threading.Thread):
    """Says `word` to whatever it is told."""

    def __init__(self, b, word, first=b""):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.word, self.first = word, first
        b.later(self.listener.close)
        self.start()

    def run(self):
        try:
            while True:
                s, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(s,), daemon=True).start()
        except OSError:
            return

    def serve(self, s):
        try:
            if self.first:
                s.sendall(self.first)
            while s.recv(4096):
                s.sendall(self.word)
        except OSError:
            pass


@tap.test("traffic that is no database's never appears, even when it imitates one", limit=40)
def strangers(b):
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_fix(pg, "defuse", "500ms"))
    ports, socks = [], []
    for word, first in ((b"hello\n", b""), (b"Z\0\0\0\5T", b""), (b"Z\0\0\0\5T", b"Z\0\0\0\5T"),
                        (b"HTTP/1.1 200 OK\r\n\r\nZ\0\0\0\5T", b"")):
        stranger = Server(b, word, first)
        s = socket.create_connection(("127.0.0.1", stranger.port))
        b.later(s.close)
        ports.append(stranger.port)
        socks.append(s)
    for _ in range(5):
        for s in socks:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            s.recv(4096)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        listed = [c for c in d.conns() if any(c["remote"].endswith(f":{p}") for p in ports)]
        same(listed, [], "connections to what is no database")
        time.sleep(0.1)


tap.main(shared)
