# SPDX-License-Identifier: GPL-2.0-or-later
"""A MariaDB of one's own: private directory, private port, gone with the test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import pymysql

from . import server, tap

PASSWORD = "secret-of-app"


def _program(name):
    path = shutil.which(name, path="/usr/sbin:/usr/bin")
    if not path:
        raise tap.Skip(f"no MariaDB on this machine ({name} not found)")
    return path


class MariaDB:
    """User `app` with a password, `root` without one; database `shop`, table `account`."""

    def __init__(self, ssl=False, usual_port=False, **settings):
        self.address = server.own_address() if usual_port else "127.0.0.1"
        self.port = 3306 if usual_port else server.free_port()
        self.dir = tempfile.mkdtemp(prefix="plimsoll-my-")
        self.data = os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "log")
        self.socket = os.path.join(self.dir, "socket")
        self.process = None
        try:
            self._create()
            if ssl:
                settings.update(self._certificate())
            self._start(settings)
            self._fill()
        except BaseException:
            self.close()
            raise

    def _create(self):
        try:
            self.user = pwd.getpwnam("mysql")
        except KeyError:
            self.user = pwd.getpwnam("nobody")
        os.chown(self.dir, self.user.pw_uid, self.user.pw_gid)
        self.as_user = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}",
                        "--clear-groups", "--pdeathsig=TERM"]
        subprocess.run(self.as_user + [
            _program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=4M"],
            check=True, stdout=subprocess.DEVNULL, cwd="/")

    def _certificate(self):
        key, cert = (os.path.join(self.dir, n) for n in ("server.key", "server.crt"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        for path in (key, cert):
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return {"ssl-key": key, "ssl-cert": cert}

    def _start(self, more):
        settings = {
            "datadir": self.data, "port": self.port, "bind-address": self.address,
            "socket": self.socket, "pid-file": os.path.join(self.dir, "pid"),
            "innodb-flush-log-at-trx-commit": 0, "innodb-flush-method": "nosync",
            "innodb-buffer-pool-size": "32M", "innodb-log-file-size": "4M",
            "max-allowed-packet": "64M", "max-connections": 200, "log-warnings": 2,
            "local-infile": "ON", "log-bin": os.path.join(self.dir, "binlog"), "server-id": 1,
            "sync-binlog": 0, "skip-name-resolve": "ON", "tmpdir": self.dir,
        }
        settings.update(more)
        command = self.as_user + [_program("mariadbd"), "--no-defaults"]
        command += [f"--{key}={value}" for key, value in settings.items()]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/",
                                            stdin=subprocess.DEVNULL)
        tap.wait_for(self._answers, 30, f"MariaDB to start; its log:\n{self.log()}")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"MariaDB did not start:\n{self.log()}")
        try:
            self.admin(None).close()
            return True
        except pymysql.OperationalError:
            return False

    def _fill(self):
        self.ask("create database shop", database=None)
        self.ask(f"create user app identified by '{PASSWORD}'")
        self.ask("grant all on *.* to app")
        self.ask("create table account (id int primary key, balance int not null)")
        self.ask("insert into account select seq, 1000 from seq_1_to_100")

    def admin(self, database="shop"):
        """By the Unix socket and as root: told apart from the clients'."""
        return pymysql.connect(unix_socket=self.socket, user="root", database=database,
                               autocommit=True)

    def ask(self, sql, *args, database="shop"):
        c = self.admin(database)
        try:
            cursor = c.cursor()
            cursor.execute(sql, args or None)
            return cursor.fetchall()
        finally:
            c.close()

    def env(self, **more):
        """What the clients of clients/ read, to connect here as `app`."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("MYSQL")}
        env.update(DB_HOST=self.address, DB_PORT=str(self.port), DB_USER="app",
                   DB_PASSWORD=PASSWORD, DB_NAME="shop")
        env.update({k: str(v) for k, v in more.items()})
        return env

    def transactions(self, thread):
        """Open InnoDB transactions of one connection."""
        return self.ask("select trx_state from information_schema.innodb_trx "
                        "where trx_mysql_thread_id = %s", thread)

    def alive(self, thread):
        return bool(self.ask("select 1 from information_schema.processlist where id = %s", thread))

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Shared:
    """One server for all tests of a file, started when first wanted."""

    def __init__(self, **options):
        self.options = options
        self.server = None

    def get(self):
        if self.server is None:
            self.server = MariaDB(**self.options)
        return self.server

    def close(self):
        if self.server:
            self.server.close()
