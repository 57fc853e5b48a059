# SPDX-License-Identifier: GPL-2.0-or-later
"""A PostgreSQL of one's own: private directory, private port, gone with the test."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg2

from . import tap

PASSWORD = "secret-of-app"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def own_address():
    """A loopback address that nobody else uses, so that any port is free there."""
    return f"127.{os.getpid() % 200 + 50}.{os.getpid() // 200 % 250}.{random.randrange(1, 250)}"


def _bin(name):
    for version in ("15", "16", "17", "14", "13"):
        path = f"/usr/lib/postgresql/{version}/bin/{name}"
        if os.path.exists(path):
            return path
    raise tap.Skip(f"no PostgreSQL on this machine ({name} not found)")


class Postgres:
    """Role `app` logs in by SCRAM, `postgres` by trust; database `shop`, table `account`."""

    def __init__(self, max_connections=100, ssl=False, usual_port=False, far=None, **settings):
        self.address = far.address if far else own_address() if usual_port else "127.0.0.1"
        self.wrap = far.wrap if far else []
        self.port = 5432 if usual_port else free_port()
        self.dir = tempfile.mkdtemp(prefix="plimsoll-pg-")
        self.data = os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "log")
        self.process = None
        try:
            self._create(ssl)
            self._start(max_connections, ssl, settings)
            self._fill()
        except BaseException:
            self.close()
            raise

    def _create(self, ssl):
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            user = pwd.getpwnam("nobody")
        os.chown(self.dir, user.pw_uid, user.pw_gid)
        self.as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                        "--clear-groups", "--pdeathsig=INT"]
        subprocess.run(self.as_user + [_bin("initdb"), "-D", self.data, "-U", "postgres",
                                       "--no-sync", "-E", "UTF8", "--locale=C", "-A", "trust"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.write("local all all trust\n"
                    "host all app all scram-sha-256\n"
                    "host replication postgres all trust\n"
                    "host all all all trust\n")
        if ssl:
            key, cert = (os.path.join(self.data, n) for n in ("server.key", "server.crt"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                            "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                           check=True, stderr=subprocess.DEVNULL)
            os.chmod(key, 0o600)
            for path in (key, cert):
                os.chown(path, user.pw_uid, user.pw_gid)

    def _start(self, max_connections, ssl, more):
        settings = {
            "port": self.port, "listen_addresses":
                "127.0.0.1,::1" if self.address == "127.0.0.1" else self.address,
            "unix_socket_directories": self.dir, "max_connections": max_connections,
            "fsync": "off", "shared_buffers": "32MB", "autovacuum": "off",
            "logging_collector": "off", "log_line_prefix": "%m [%p] %a %c ",
            "log_disconnections": "on", "ssl": "on" if ssl else "off",
        }
        settings.update(more)
        command = self.wrap + self.as_user + [_bin("postgres"), "-D", self.data]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/",
                                            stdin=subprocess.DEVNULL)
        tap.wait_for(self._answers, 20, f"PostgreSQL to start; its log:\n{self.log()}")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"PostgreSQL did not start:\n{self.log()}")
        try:
            self.admin("postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

    def _fill(self):
        c = self.admin("postgres")
        c.cursor().execute(f"create role app login password '{PASSWORD}'")
        c.cursor().execute("alter role app set client_min_messages = error")
        c.cursor().execute("create database shop owner app")
        c.close()
        with self.admin() as c:
            c.cursor().execute(
                "create table account (id int primary key, balance int not null);"
                "insert into account select i, 1000 from generate_series(1, 100) i;"
                "grant all on account to app")
        c.close()

    def admin(self, database="shop"):
        """A connection by the Unix socket and as another user: told apart from the clients'."""
        c = psycopg2.connect(host=self.dir, port=self.port, user="postgres", dbname=database)
        c.autocommit = True
        return c

    def ask(self, sql, *args):
        """All rows of one statement."""
        c = self.admin()
        try:
            cursor = c.cursor()
            cursor.execute(sql, args)
            return cursor.fetchall()
        finally:
            c.close()

    def env(self, **more):
        """What makes any client of libpq's family connect here as `app`."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        env.update(PGHOST=self.address, PGPORT=str(self.port), PGUSER="app", PGPASSWORD=PASSWORD,
                   PGDATABASE="shop", PGSSLMODE="disable", PGCONNECT_TIMEOUT="10")
        env.update({k: str(v) for k, v in more.items()})
        return env

    def row_locks(self, backend_pid):
        """Locks on `account` of one backend."""
        return self.ask("select mode from pg_locks l join pg_class c on c.oid = l.relation "
                        "where c.relname = 'account' and l.pid = %s", backend_pid)

    def backend_alive(self, pid):
        return bool(self.ask("select 1 from pg_stat_activity where pid = %s", pid))

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def errors_since(self, mark):
        """ERROR, FATAL and PANIC lines written after log()[:mark]."""
        return [line for line in self.log()[mark:].splitlines()
                if any(w in line for w in ("ERROR:", "FATAL:", "PANIC:"))]

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Shared:
    """One server for all tests of a file, started when first wanted."""

    def __init__(self, **options):
        self.options = options
        self.server = None

    def get(self):
        if self.server is None:
            self.server = Postgres(**self.options)
        return self.server

    def close(self):
        if self.server:
            self.server.close()
