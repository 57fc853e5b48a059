# SPDX-License-Identifier: GPL-2.0-or-later
"""Unix sockets where nobody else uses one: what listens to them costs every socket."""

from lib import client, daemon, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.tap import same

shared = server.Shared(Postgres)
shared_mysql = server.Shared(MariaDB)


def client_of(b, driver):
    if driver == "libmariadb":
        my = shared_mysql.get()
        return client.Client(b, my, driver, DB_HOST="localhost", MYSQL_UNIX_PORT=my.socket)
    pg = shared.get()
    return client.Client(b, pg, driver, PGHOST=pg.dir)


@tap.test("the first of its host is listed, and followed from its next statement on",
          each=("libpq", "libmariadb"))
def first(b, driver):
    warm = client_of(b, driver)  # so that no server starts meanwhile
    warm.send("quit")
    warm.process.wait(5)
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    same(d.hears_unix(), False, "nothing is attached where nobody is to be heard")
    app = client_of(b, driver)
    c = tap.wait_for(lambda: d.conn_of(app.pid), 2, "it to be listed")
    same(c["local"], "unix", f"{c}")
    if driver == "libpq":
        same((c["user"], c["database"]), ("app", "shop"), f"{c}")
    tap.wait_for(d.hears_unix, 2, "the daemon to hear")
    app.must("begin")
    app.must("query update account set balance = 1 where id = 9")
    d.wait_activity(app.pid, "idle-in-txn", "the transaction")
    d.wait_confirmed(app.pid)
    app.must("rollback")
    app.send("quit")
    tap.wait_for(lambda: not d.hears_unix(), 15, "nothing to be attached, with nobody left")


class Both:
    def close(self):
        shared.close()
        shared_mysql.close()


tap.main(Both())
