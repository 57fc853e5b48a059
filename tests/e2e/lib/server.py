# SPDX-License-Identifier: GPL-2.0-or-later
"""A database server of one's own: private directory, private port, gone with the test."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile

from . import tap

PASSWORD = "secret-of-app"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def own_address():
    """A loopback address that nobody else uses, so that any port is free there."""
    return f"127.{os.getpid() % 200 + 50}.{os.getpid() // 200 % 250}.{random.randrange(1, 250)}"


class Server:
    """What all of them have.  A kind says `name`, `owner`, and how it is made in make()."""

    name = None             # as people say it
    owner = None            # whose process it is, where there is such a user
    port_of_kind = None     # the usual one
    refused = ()            # what connecting raises while it starts
    farewell = signal.SIGKILL
    patience_s = 30

    def __init__(self, address=None, usual_port=False, **options):
        self.address = address or (own_address() if usual_port else "127.0.0.1")
        self.port = self.port_of_kind if usual_port else free_port()
        self.dir = tempfile.mkdtemp(prefix="plimsoll-db-")
        self.data = os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "log")
        self.process = None
        self.user = self._user()
        self.as_user = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}",
                        "--clear-groups", f"--pdeathsig={self.farewell.name[3:]}"]
        try:
            self.give(self.dir)
            self.make(**options)
        except BaseException:
            self.close()
            raise

    def _user(self):
        try:
            return pwd.getpwnam(self.owner)
        except KeyError:
            return pwd.getpwnam("nobody")

    def give(self, *paths):
        for path in paths:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def certificate(self):
        """A key and its certificate, for this server alone."""
        key, cert = (os.path.join(self.dir, n) for n in ("server.key", "server.crt"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        os.chmod(key, 0o600)
        self.give(key, cert)
        return key, cert

    def start(self, command):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/",
                                            stdin=subprocess.DEVNULL)
        tap.wait_for(self._answers, self.patience_s,
                     f"{self.name} to start; its log:\n{self.log()}")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} did not start:\n{self.log()}")
        try:
            self.admin(None).close()
            return True
        except self.refused:
            return False

    def ask(self, sql, *args, database="shop"):
        """All rows of one statement."""
        c = self.admin(database)
        try:
            cursor = c.cursor()
            cursor.execute(sql, args or None)
            return cursor.fetchall() if cursor.description else ()
        finally:
            c.close()

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.farewell)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Shared:
    """One server for all tests of a file, made when first wanted: Shared(Postgres, ssl=True)."""

    def __init__(self, make, **options):
        self.make = make
        self.options = options
        self.server = None

    def get(self):
        if self.server is None:
            self.server = self.make(**self.options)
        return self.server

    def close(self):
        if self.server:
            self.server.close()
