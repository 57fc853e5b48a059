# SPDX-License-Identifier: GPL-2.0-or-later
"""A PostgreSQL of one's own."""

import os
import signal
import subprocess

import psycopg2

from . import server, tap


def _bin(name):
    for version in ("15", "16", "17", "14", "13"):
        path = f"/usr/lib/postgresql/{version}/bin/{name}"
        if os.path.exists(path):
            return path
    raise tap.Skip(f"no PostgreSQL on this machine ({name} not found)")


class Postgres(server.Server):
    """Role `app` logs in by SCRAM, `postgres` by trust; database `shop`, table `account`."""

    name, owner, port_of_kind = "PostgreSQL", "postgres", 5432
    refused = psycopg2.OperationalError
    farewell = signal.SIGQUIT
    patience_s = 20

    def __init__(self, far=None, **options):
        self.wrap = far.wrap if far else []
        super().__init__(address=far.address if far else None, **options)

    def make(self, max_connections=100, ssl=False, **settings):
        self._create()
        if ssl:
            settings["ssl"] = "on"
            settings["ssl_key_file"], settings["ssl_cert_file"] = self.certificate()
        self._start(max_connections, settings)
        self._fill()

    def _create(self):
        subprocess.run(self.as_user + [_bin("initdb"), "-D", self.data, "-U", "postgres",
                                       "--no-sync", "-E", "UTF8", "--locale=C", "-A", "trust"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.write("local all all trust\n"
                    "host all app all scram-sha-256\n"
                    "host replication postgres all trust\n"
                    "host all all all trust\n")

    def _start(self, max_connections, more):
        settings = {
            "port": self.port, "listen_addresses":
                "127.0.0.1,::1" if self.address == "127.0.0.1" else self.address,
            "unix_socket_directories": self.dir, "max_connections": max_connections,
            "fsync": "off", "shared_buffers": "32MB", "autovacuum": "off",
            "logging_collector": "off", "log_line_prefix": "%m [%p] %a %c ",
            "log_disconnections": "on",
        }
        settings.update(more)
        command = self.wrap + self.as_user + [_bin("postgres"), "-D", self.data]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        self.start(command)

    def _fill(self):
        self.ask(f"create role app login password '{server.PASSWORD}'", database="postgres")
        self.ask("alter role app set client_min_messages = error", database="postgres")
        self.ask("create database shop owner app", database="postgres")
        self.ask("create table account (id int primary key, balance int not null);"
                 "insert into account select i, 1000 from generate_series(1, 100) i;"
                 "grant all on account to app")

    def admin(self, database="shop"):
        """A connection by the Unix socket and as another user: told apart from the clients'."""
        c = psycopg2.connect(host=self.dir, port=self.port, user="postgres",
                             dbname=database or "postgres")
        c.autocommit = True
        return c

    def env(self, **more):
        """What makes any client of libpq's family connect here as `app`."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        env.update(PGHOST=self.address, PGPORT=str(self.port), PGUSER="app",
                   PGPASSWORD=server.PASSWORD, PGDATABASE="shop", PGSSLMODE="disable",
                   PGCONNECT_TIMEOUT="10")
        env.update({k: str(v) for k, v in more.items()})
        return env

    def row_locks(self, backend_pid):
        """Locks on `account` of one backend."""
        return self.ask("select mode from pg_locks l join pg_class c on c.oid = l.relation "
                        "where c.relname = 'account' and l.pid = %s", backend_pid)

    def backend_alive(self, pid):
        return bool(self.ask("select 1 from pg_stat_activity where pid = %s", pid))

    def errors_since(self, mark):
        """ERROR, FATAL and PANIC lines written after log()[:mark]."""
        return [line for line in self.log()[mark:].splitlines()
                if any(w in line for w in ("ERROR:", "FATAL:", "PANIC:"))]
