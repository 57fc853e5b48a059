# SPDX-License-Identifier: GPL-2.0-or-later
"""Statements that were prepared long before: the right text or none, never another's."""

import os

from lib import client, daemon, server, tap
from lib.mariadb import MariaDB
from lib.postgres import Postgres
from lib.frontend import SYNC, Session, bind, close, execute, parse, query
from lib.tap import same, true

PG_DRIVERS = ("libpq", "lib/pq", "pgx", "node-postgres")
MY_DRIVERS = ("libmariadb", "go-sql-driver", "mysql2", "mariadb-java-client")
UNSEEN = "prepared earlier, its text is not known"
CANARY = "Zk9canary"
shared, shared_my = server.Shared(Postgres), server.Shared(MariaDB)


class Both:
    def close(self):
        shared.close()
        shared_my.close()


def words(driver, sql):
    """How the client is told to prepare `sql`, and to run it again."""
    return (f"prepare kept {sql}", "execute kept") if driver == "libpq" else (f"prepare {sql}",
                                                                             "execute")


@tap.test("what was prepared long before a transaction is shown in it", each=PG_DRIVERS + MY_DRIVERS)
def remembered(b, driver):
    db = (shared if driver in PG_DRIVERS else shared_my).get()
    more = {"DB_OPTIONS": "&useServerPrepStmts=true"} if "java" in driver else {}
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, db, driver, **more)
    prepare, run = words(driver, f"select balance from account where id = 7 and '{CANARY}' <> 'x'")
    app.must(prepare)
    for n in range(30):
        app.must(f"query select {n}")
    for _ in range(2):
        app.must("begin")
        app.must(run)
        f = d.wait_confirmed(app.pid)
        same((f["sql"], f["sql_note"]), ("select balance from account where id = ? and ? <> ?", None),
             "sql")
        app.must("rollback")
        app.must("query select 1")
        tap.wait_for(lambda: not d.confirmed(app.pid), 3, "the finding to go")
    true(CANARY not in str(d.leaks()) + str(d.journal()), "nothing that was data is shown")


@tap.test("what was prepared before the observer came is unknown, and said to be",
          each=("libpq", "libmariadb"))
def unseen(b, driver):
    db = (shared if driver in PG_DRIVERS else shared_my).get()
    app = client.Client(b, db, driver)
    prepare, run = words(driver, "select balance from account where id = 7")
    app.must(prepare)
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app.must("query select 1")
    app.must("begin")
    app.must("query select 2")
    app.must(run)
    f = d.wait_confirmed(app.pid)
    same((f["sql"], f["sql_note"]), (None, UNSEEN), "sql and why not")
    true(UNSEEN in d.cli("show", f["conn"]).out, "show says so")
    true(d.ask("status")[0]["counters"]["prepared_lost"] > 0, "and it is counted")
    app.must("commit")


class Story:
    """A session whose last statement is looked at, in a transaction."""

    def __init__(self, b):
        self.d = daemon.Daemon(b, daemon.config_observe("60s"))
        self.s = Session(shared.get())
        b.later(self.s.close)

    def say(self, *messages, answers=1):
        return self.s.say(*messages, answers=answers)

    def row(self):
        return [c for c in self.d.conns(f"pid={os.getpid()}")
                if c["local"].endswith(f":{self.s.port}")][0]

    def shows(self, sql, what):
        tap.wait_for(lambda: (self.row()["sql"], self.row()["activity"]) ==
                     (sql, "idle-in-txn"), 2, f"{what}: {sql}, not {self.row()['sql']}")

    def run(self, name, sql, what):
        """Executes `name` in a transaction of its own; what is shown must be `sql`."""
        self.say(query("begin"))
        self.say(bind(name), execute(), SYNC)
        self.shows(sql, what)
        self.say(query("rollback"))


@tap.test("a name that means something else by now does not show its old text")
def renamed(b):
    t = Story(b)
    one, two = "select 1 as one", "select 2 as two"
    t.say(parse("s", one), SYNC)
    t.run("s", "select ? as one", "prepared")
    t.say(close("s"), SYNC)
    t.say(parse("s", two), SYNC)
    t.run("s", "select ? as two", "closed and prepared anew")
    t.say(close("s"), parse("s", one), SYNC)
    t.run("s", "select ? as one", "both in one flight")
    # Refused: the name is taken, and what it means is what it meant.
    came = t.say(parse("s", two), SYNC)
    true(b"E" in came, "the second is refused")
    t.run("s", None, "a preparation that failed: its answer came in two parts")
    t.say(query("deallocate s"))
    t.say(parse("s", two), SYNC)
    t.run("s", "select ? as two", "deallocated and prepared anew")
    t.say(query("deallocate all"))
    t.say(query("prepare s as select 3 as three"))
    t.run("s", None, "prepared by a statement")


@tap.test("the same, by requests whose answers come later, and in a transaction")
def renamed_late(b):
    t = Story(b)
    slow = query("select pg_sleep(0.2)")
    t.say(slow, parse("s", "select 1 as one"), SYNC, answers=2)
    t.run("s", "select ? as one", "behind a slow one")
    t.say(slow, parse("s", "select 2 as two"), SYNC, answers=2)
    t.run("s", None, "refused behind a slow one")
    t.say(query("begin"))
    t.say(parse("in", "select 4 as four"), SYNC)
    t.say(query("select 5"))
    t.say(bind("in"), execute(), SYNC)
    t.shows("select ? as four", "prepared in the transaction")
    t.say(query("rollback"))
    t.say(query("nonsense"))
    t.run("in", "select ? as four", "an error of something else")


@tap.test("of several statements in one flight the last is shown, whatever its name")
def flight(b):
    t = Story(b)
    t.say(parse("a", "select 1 as a"), parse("b", "select 2 as b"), parse("", "select 3 as c"), SYNC)
    t.run("a", "select ? as a", "the first of three")
    t.run("b", "select ? as b", "the second of three")
    t.say(query("begin"))
    t.say(bind("a"), execute(), bind("b"), execute(), SYNC)
    t.shows("select ? as b", "two by name")
    t.say(parse("", "select 4 as d"), bind(""), execute(), bind("a"), execute(), SYNC)
    t.shows("select ? as a", "a name behind a text")
    t.say(bind("a", "C_1"), execute("C_1"), parse("", "select 5 as e"), bind("", "C_2"),
          execute("C_2"), SYNC)
    t.shows("select ? as e", "a text behind a name, in portals with names")
    t.say(bind("b", "C_3"), execute("C_3"), SYNC)
    t.shows("select ? as b", "by name, in a portal with a name")
    t.say(query("select 6 as f"), parse("g", f"select {'7,' * 300} 8 as g"), bind("g"), execute(),
          SYNC, answers=2)
    tap.wait_for(lambda: t.row()["sql"].startswith("select ?,?,?"), 2, "a long one")
    t.say(query("commit"))


@tap.test("more names than are kept: the oldest are unknown, none is wrong", limit=60)
def many(b):
    t = Story(b)
    for begin in range(0, 6000, 100):
        t.say(*(m for n in range(begin, begin + 100)
                for m in (parse(f"s{n}", f"select 1 as n{n}"), SYNC)), answers=100)
    t.say(query("begin"))
    known = 0
    for n in (0, 100, 1000, 3000, 5000, 5900, 5999):
        t.say(bind(f"s{n}"), execute(), SYNC)
        tap.wait_for(lambda: t.row()["activity"] == "idle-in-txn", 2, "the next look")
        sql = tap.wait_for(lambda: t.row()["sql"] or t.row()["sql_note"], 2, "text or note")
        true(sql in (f"select ? as n{n}", UNSEEN), f"s{n}: {sql}")
        known += sql != UNSEEN
    same(sql, "select ? as n5999", "the last one is known")
    b.note(f"{known} of 7 known")


@tap.test("a function that is called by its number has no statement, and that is said")
def function_call(b):
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    pg = shared.get()
    app = client.Client(b, pg, "libpq")
    oid = pg.ask("select 'pg_backend_pid'::regproc::oid::int")[0][0]
    same(int(app.must(f"call {oid}")), app.backend(), "what it returned")
    app.must("commit")
    app.must(f"call {oid}")
    f = d.wait_confirmed(app.pid)
    same((f["sql"], f["activity"]), (None, "idle-in-txn"), "as shown")
    true("function" in f["sql_note"], f"{f['sql_note']}")


@tap.test("MySQL: another preparation does not show an old text")
def mysql_numbers(b):
    my = shared_my.get()
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, my, "libmariadb")

    def runs(sql, what):
        app.must("begin")
        app.must("execute")
        tap.wait_for(lambda: d.conn_of(app.pid)["sql"] == sql, 2,
                     f"{what}: {sql}, not {d.conn_of(app.pid)['sql']}")
        app.must("rollback")

    app.must("prepare select 1 as one")
    runs("select ? as one", "prepared")
    true(not app.say("prepared select nosuch").ok, "a preparation that fails")
    runs("select ? as one", "after one that failed")
    app.must("prepare select 2 as two")
    runs("select ? as two", "prepared anew")
    app.must("reset")
    app.must("prepare select 3 as three")
    runs("select ? as three", "after a reset")


tap.main(Both())
