# SPDX-License-Identifier: GPL-2.0-or-later
"""Unix sockets where nobody else uses one: what listens to them costs every socket."""

from lib import client, daemon, proc, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same

shared = server.Shared(Postgres)
shared_mysql = server.Shared(MariaDB)


def greeter():
    """Whether a MySQL server runs here that is not ours."""
    return any(proc.read(pid, "comm").strip() in ("mariadbd", "mysqld") for pid in proc.pids())


@tap.test("the first of its host is listed, and followed from its next statement on")
def first(b):
    if greeter():
        raise tap.Skip("a MySQL server runs here, and what listens to it hears everybody")
    pg = shared.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    same(d.hears_unix(), False, "nothing is attached where nobody is to be heard")
    app = client.Client(b, pg, "libpq", PGHOST=pg.dir)
    c = tap.wait_for(lambda: d.conn_of(app.pid), 2, "it to be listed")
    same((c["local"], c["user"], c["database"]), ("unix", "app", "shop"), f"{c}")
    tap.wait_for(d.hears_unix, 2, "the daemon to hear")
    app.must("begin")
    app.must("query update account set balance = 1 where id = 9")
    d.wait_activity(app.pid, "idle-in-txn", "the transaction")
    d.wait_confirmed(app.pid)
    app.must("rollback")
    app.send("quit")
    tap.wait_for(lambda: not d.hears_unix(), 15, "nothing to be attached, with nobody left")


@tap.test("where a server listens that speaks first, even the first one is heard from its first word")
def greeted(b):
    my = shared_mysql.get()
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    tap.wait_for(d.hears_unix, 2, "the daemon to hear")
    app = client.Client(b, my, "libmariadb", DB_HOST="localhost", MYSQL_UNIX_PORT=my.socket)
    app.must("begin")
    app.must("query update account set balance = 1 where id = 9")
    c = tap.wait_for(lambda: d.conn_of(app.pid), 2, "it to be listed")
    same((c["local"], c["user"], c["database"], c["activity"]),
         ("unix", "app", "shop", "idle-in-txn"), f"{c}")
    d.wait_confirmed(app.pid)


class Both:
    def close(self):
        shared.close()
        shared_mysql.close()


tap.main(Both())
