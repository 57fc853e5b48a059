# SPDX-License-Identifier: GPL-2.0-or-later
"""A MariaDB of one's own."""

import os
import shutil
import subprocess

import pymysql

from . import server, tap


def _program(name):
    path = shutil.which(name, path="/usr/sbin:/usr/bin")
    if not path:
        raise tap.Skip(f"no MariaDB on this machine ({name} not found)")
    return path


class MariaDB(server.Server):
    """User `app` with a password, `root` without one; database `shop`, table `account`."""

    name, owner, port_of_kind = "MariaDB", "mysql", 3306
    refused = pymysql.OperationalError

    def make(self, ssl=False, **settings):
        self.socket = os.path.join(self.dir, "socket")
        self._create()
        if ssl:
            settings["ssl-key"], settings["ssl-cert"] = self.certificate()
        self._start(settings)
        self._fill()

    def _create(self):
        subprocess.run(self.as_user + [
            _program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=4M"],
            check=True, stdout=subprocess.DEVNULL, cwd="/")

    def _start(self, more):
        settings = {
            "datadir": self.data, "port": self.port, "bind-address": self.address,
            "socket": self.socket, "pid-file": os.path.join(self.dir, "pid"),
            "innodb-flush-log-at-trx-commit": 0, "innodb-flush-method": "nosync",
            "innodb-buffer-pool-size": "32M", "innodb-log-file-size": "4M",
            "max-allowed-packet": "64M", "max-connections": 200, "net-write-timeout": 3600, "log-warnings": 2,
            "local-infile": "ON", "log-bin": os.path.join(self.dir, "binlog"), "server-id": 1,
            "sync-binlog": 0, "skip-name-resolve": "ON", "tmpdir": self.dir,
        }
        settings.update(more)
        command = self.as_user + [_program("mariadbd"), "--no-defaults"]
        command += [f"--{key}={value}" for key, value in settings.items()]
        self.start(command)

    def _fill(self):
        self.ask("create database shop", database=None)
        self.ask(f"create user app identified by '{server.PASSWORD}'")
        self.ask("grant all on *.* to app")
        self.ask("create table account (id int primary key, balance int not null)")
        self.ask("insert into account select seq, 1000 from seq_1_to_100")

    def admin(self, database="shop"):
        """By the Unix socket and as root: told apart from the clients'."""
        return pymysql.connect(unix_socket=self.socket, user="root", database=database,
                               autocommit=True)

    def env(self, **more):
        """What the clients of clients/ read, to connect here as `app`."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("MYSQL")}
        env.update(DB_HOST=self.address, DB_PORT=str(self.port), DB_USER="app",
                   DB_PASSWORD=server.PASSWORD, DB_NAME="shop")
        env.update({k: str(v) for k, v in more.items()})
        return env

    def transactions(self, thread):
        """Open InnoDB transactions of one connection."""
        return self.ask("select trx_state from information_schema.innodb_trx "
                        "where trx_mysql_thread_id = %s", thread)

    def alive(self, thread):
        return bool(self.ask("select 1 from information_schema.processlist where id = %s", thread))
