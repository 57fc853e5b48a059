# SPDX-License-Identifier: GPL-2.0-or-later
"""Applications under test: real programs with real drivers that do as they are told.

All of them read one command a line and answer with one line, "ok ..." or
"error SQLSTATE ...".  The words: begin, query SQL, commit, rollback, status,
backend, busy N, quit (see clients/).  Those for MySQL connect with autocommit on,
and know besides: manual and auto (the driver's autocommit), prepared SQL.
"""

import os
import select
import subprocess

from . import tap

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE_PATHS = (os.path.join(tap.ROOT, "build/node/usr/share/nodejs"), "/usr/share/nodejs")
DRIVERS = ("psycopg2", "libpq", "lib/pq", "pgx", "node-postgres")
MYSQL_DRIVERS = ("libmariadb", "PyMySQL", "go-sql-driver", "mysql2", "mariadb-java-client")
GO_NAMES = {"lib/pq": "postgres", "pgx": "pgx", "go-sql-driver": "mysql"}
POOLS = ("psycopg2 pool", "node-postgres pool")
JDBC = "/usr/share/java/mariadb-java-client.jar"


class Answer:
    def __init__(self, line):
        self.line = line
        self.word, _, self.rest = line.partition(" ")
        self.ok = self.word == "ok"
        self.sqlstate = "" if self.ok else self.rest.split(" ", 1)[0]

    def __repr__(self):
        return self.line


def _built(name):
    path = os.path.join(tap.ROOT, "build/tests/e2e/clients", name)
    if not os.path.exists(path):
        raise tap.Skip(f"{name} was not built (make clients)")
    return path


def libpq():
    """The file that programs of this machine load."""
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    return next(line.split()[-1] for line in known.splitlines() if "libpq.so.5" in line)


def node_env(driver):
    """Where node finds the driver."""
    if driver == "mysql2":
        return {"NODE_PATH": os.path.dirname(_built("node/node_modules/mysql2"))}
    for path in NODE_PATHS:
        if os.path.isdir(os.path.join(path, "pg")):
            return {"NODE_PATH": path}
    raise tap.Skip("node-postgres is not installed")


def command_of(driver):
    """(command line, additional environment) of the client program for a driver."""
    if driver == "psycopg2":
        return ["/usr/bin/python3", os.path.join(HERE, "clients/leak_psycopg2.py")], {}
    if driver == "libpq":
        return [_built("leak_libpq")], {}
    if driver in GO_NAMES:
        return [_built("leak_go"), GO_NAMES[driver]], {}
    if driver == "lib/pq static":
        return [_built("leak_go_static"), GO_NAMES["lib/pq"]], {}
    if driver in ("handles", "libmariadb-static"):
        return [_built(driver.replace("libmariadb-static", "leak_mariadb_static"))], {}
    if driver == "libmariadb":
        return [_built("leak_mariadb")], {}
    if driver == "PyMySQL":
        return ["/usr/bin/python3", os.path.join(HERE, "clients/leak_pymysql.py")], {}
    if driver == "mysql2":
        return ["node", os.path.join(HERE, "clients/leak_mysql2.js")], node_env(driver)
    if driver == "mariadb-java-client":
        classes = os.path.dirname(_built("LeakJdbc.class"))
        return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{JDBC}",
                "LeakJdbc"], {}
    if driver == "psycopg2 pool":
        return ["/usr/bin/python3", os.path.join(HERE, "clients/pool_psycopg2.py")], {}
    if driver in ("node-postgres", "node-postgres pool"):
        script = "pool_node.js" if driver.endswith("pool") else "leak_node.js"
        return ["node", os.path.join(HERE, "clients", script)], node_env(driver)
    raise ValueError(driver)


def pools_of(driver, build=""):
    """Command line of the client whose pools are database/sql's (clients/pool_go)."""
    return [_built("pool_go" + build), GO_NAMES[driver]]


def truth_of(driver):
    """(command line, additional environment) of the truth set's program for a driver."""
    if driver in ("psycopg2", "sqlalchemy"):
        return ["/usr/bin/python3", os.path.join(HERE, f"clients/truth_{driver}.py")], {}
    if driver in GO_NAMES:
        return [_built("truth_go"), GO_NAMES[driver]], {}
    if driver in ("libpq", "libmariadb"):
        return [_built("truth_" + driver)], {}
    if driver in ("hikari", "hikari-mariadb"):
        classes = os.path.dirname(_built("TruthHikari.class"))
        jars = ":".join(f"/usr/share/java/{n}.jar" for n in (
            "HikariCP", "postgresql", "mariadb-java-client", "slf4j-api", "slf4j-nop"))
        return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{jars}",
                "TruthHikari"], {}
    script = "truth_mysql2.js" if driver == "mysql2" else "truth_pg.js"
    return ["node", os.path.join(HERE, "clients", script)], node_env(driver)


def burst(bench, count, status="I"):
    """Opens `count` connections at once and keeps them; their port (see clients/burst.c)."""
    app = subprocess.Popen([_built("burst"), str(count), status], stdout=subprocess.PIPE,
                           preexec_fn=tap.die_with_parent)
    bench.later(app.kill)
    word, port = app.stdout.readline().split()
    tap.same(word, b"held", "the client's word")
    return int(port)


class Client:
    def __init__(self, bench, server, driver="psycopg2", wrap=(), command=None, **env):
        command, more = (command, {}) if command else command_of(driver)
        self.driver = driver
        self.process = self.spawn(list(wrap) + command, {**server.env(**env), **more})
        self.pid = self.process.pid
        self._buffer = b""
        bench.later(self.kill)
        hello = self._read(20)
        tap.true(hello.ok, f"{driver} connects")

    def spawn(self, command, env):
        return subprocess.Popen(command, env=env, bufsize=0, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, preexec_fn=tap.die_with_parent)

    def _read(self, timeout):
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], timeout)
            if not ready:
                raise AssertionError(f"{self.driver} client gave no answer in {timeout} s")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise AssertionError(f"{self.driver} client ended ({self.process.poll()})")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return Answer(line.decode(errors="replace"))

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def say(self, line, timeout=20):
        """Sends one command and returns the answer, whatever it is."""
        self.send(line)
        return self._read(timeout)

    def answer(self, timeout=20):
        return self._read(timeout)

    def must(self, line):
        """The same, but the answer has to be ok; returns its text."""
        answer = self.say(line)
        tap.true(answer.ok, f"{self.driver}: {line}: {answer}")
        return answer.rest

    def backend(self):
        return int(self.must("backend"))

    def leak(self, row=1):
        """Opens a transaction, takes a row lock, and forgets both."""
        backend = self.backend()
        self.must("begin")
        self.must(f"query update account set balance = balance - 1 where id = {row}")
        return backend

    def state(self):
        """The kernel's letter for the process: 'R', 'S', 'T' (stopped), 't' (traced)."""
        with open(f"/proc/{self.pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
