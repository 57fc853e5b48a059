# SPDX-License-Identifier: GPL-2.0-or-later
"""MySQL on the wire: states, leaks and repairs, with every driver."""

import os
import struct
import time

import pymysql

from lib import client, daemon, relay, server, tap
from lib.mariadb import MariaDB
from lib.tap import same, true

GRACE = 2.0
shared = server.Shared(MariaDB)


def ready(b):
    """The shared server, with what the tests need in it."""
    my = shared.get()
    if not my.ask("show tables like 'blobs'"):
        my.ask("create table blobs (id int auto_increment primary key, b longblob)")
        my.ask("create procedure three() begin select 1; select 2, 3; select seq from seq_1_to_50; "
               "end")
        my.ask("create procedure opens() begin start transaction; "
               "update account set balance = balance where id = 90; select 1; end")
    my.ask("truncate blobs")
    return my


def activity(d, pid, wanted, what):
    try:
        return d.wait_activity(pid, wanted, what)
    except AssertionError as e:
        raise AssertionError(f"{what}: {e}")


@tap.test("a forgotten transaction is found, begun by word or by autocommit off", limit=60,
          each=client.MYSQL_DRIVERS)
def found_in_time(b, driver):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("2s"))
    app = client.Client(b, my, driver)
    app.must("busy 3")
    thread = app.leak()
    began = time.monotonic()
    f = d.wait_confirmed(app.pid)
    took = time.monotonic() - began
    true(GRACE - 0.1 <= took <= GRACE + 1.0, f"found after {took:.2f} s")
    same((f["kind"], f["endpoint"], f["user"], f["database"]),
         ("idle-in-txn", f"127.0.0.1:{my.port}", "app", "shop"), "what and where")
    c = d.conn_of(app.pid, thread)
    true(c, f"conns shows thread {thread}: {d.conns(f'pid={app.pid}')}")
    same((f["conn"], c["activity"], c["protocol"], c["protocol_evidence"]),
         (c["id"], "idle-in-txn", "mysql", "wire"), "the finding is on that very connection")
    same(len(d.confirmed(app.pid)), 1, "the busy ones are not found")
    app.must("commit")
    d.wait_activity(app.pid, "idle", "after the commit", thread)
    app.must("manual")
    app.must("query select balance from account where id = 2")
    d.wait_activity(app.pid, "idle-in-txn", "with autocommit off", thread)
    same([x["conn"] for x in [d.wait_confirmed(app.pid)]], [c["id"]], "found again")
    app.must("rollback")
    d.wait_activity(app.pid, "idle", "after the rollback", thread)
    app.must("auto")
    d.wait_activity(app.pid, "idle", "with autocommit on", thread)


@tap.test("what a connection shows: thread, state, transaction age, query count")
def shows(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, my, "libmariadb")
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed")
    same((c["backend_pid"], c["activity"], c["user"], c["database"], c["protocol"], c["stage"]),
         (app.backend(), "idle", "app", "shop", "mysql", "ready"), "at rest")
    before = c["queries"]
    for n in range(50):
        app.must(f"query select {n}")
    tap.wait_for(lambda: d.conn_of(app.pid)["queries"] - before == 50, 1, "50 queries counted")
    app.must("begin")
    c = d.wait_activity(app.pid, "idle-in-txn", "in a transaction")
    true(c["txn_s"] is not None and c["txn_s"] < 5, f"txn_s {c['txn_s']}")
    app.send("query select sleep(1)")
    d.wait_activity(app.pid, "busy", "while a statement runs", timeout=0.9)
    app.answer()
    d.wait_activity(app.pid, "idle-in-txn", "afterwards")
    app.must("rollback")
    same(d.wait_activity(app.pid, "idle", "at the end")["txn_s"], None, "no transaction")
    other = d.ask("pools", f"pid={app.pid}")
    same([(p["user"], p["database"], p["open"], p["protocol"]) for p in other],
         [("app", "shop", 1, "mysql")], "its pool")
    app.kill()
    tap.wait_for(lambda: d.conn_of(app.pid) is None, 3, "the connection to leave the list")


ALL = (
    "query select 1", "query select * from account", "query update account set balance = 1000",
    "query select null", "query select '', null, 1", "query do 1",
    "query select 1; select 2; update account set balance = 1000 where id = 1; select 3",
    "query call three()", "query set @x = 1", "query show tables", "query select seq from seq_1_to_3000",
    "prepared select 1", "prepared select * from account", "prepared do 1",
    "prepared update account set balance = balance where id < 5", "prepared call three()",
    "prepared select seq, repeat('x', 200) from seq_1_to_300",
    "direct select 1", "direct select * from account",
    "prepare select * from account", "execute", "execute", "prepare update account set balance = 1000",
    "execute", "cursor 7 select * from account", "cursor 1000 select * from account",
    "half 7 select * from account", "long 100000", "literal 100000", "ping", "stat",
    "fields account", "fields blobs", "use shop", "debug", "option",
    "query load data local infile '{csv}' into table blobs (b)",
)


def losses(d):
    return d.ask("status")[0]["counters"]


def say_one(app, d, line, pids, wanted):
    """Says it; the connections whose state is not what it is to be."""
    app.must(line)
    bad = []
    for pid in pids:
        try:
            d.wait_activity(pid, wanted, "afterwards", timeout=0.6)
        except AssertionError:
            bad.append((line, d.activity(pid), d.conn_of(pid)["uncertain"]))
    return bad


def say_all(b, d, app, pids, wanted):
    """Every word, and the state after it, on the connections of `pids`."""
    path = os.path.join(b.dir, "csv")
    with open(path, "w") as f:
        f.write("".join(f"row {n}\n" for n in range(20000)))
    wrong = []
    for line in ALL:
        lost = losses(d)
        bad = say_one(app, d, line.format(csv=path), pids, wanted)
        # What passed unheard, and is counted, leaves the state unknown until the next answer.
        if bad and all(uncertain for *_, uncertain in bad) and losses(d) != lost:
            b.note(f"lost, and said again: {line}")
            bad = say_one(app, d, line.format(csv=path), pids, wanted)
        wrong += bad
    same(wrong, [], f"states that are not {wanted}")


def note_losses(b, d):
    """Told, not judged: the counters are the host's, and so are its other connections."""
    counters = losses(d)
    if any(counters.values()):
        b.note(f"lost on this host: {[k for k in counters if counters[k]]}")


@tap.test("whatever is asked, the state afterwards is right", limit=90, each=("idle", "idle-in-txn"))
def any_command(b, wanted):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, my, "libmariadb")
    if wanted == "idle-in-txn":
        app.must("manual")
        app.must("query select * from account")
    say_all(b, d, app, [app.pid], wanted)
    note_losses(b, d)


@tap.test("cut into pieces of any size, both ways", limit=120,
          each=("1 byte", "a few bytes", "header and body"))
def cut_anywhere(b, how):
    my = ready(b)
    sizes = {"1 byte": (1,), "a few bytes": (2, 3, 5, 7, 11), "header and body": (4, 5, 900)}[how]
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    between = relay.Relay(b, my, relay.any_of(*sizes))
    app = client.Client(b, between, "libmariadb")
    # The client's connection has its answers cut, the relay's has its requests cut.
    both = [app.pid, os.getpid()]
    for pid in both:
        c = d.wait_activity(pid, "idle", "after the login")
        same((c["user"] if pid == app.pid else "app", c["backend_pid"]), ("app", app.backend()),
             "who and where")
    app.must("begin")
    app.must("query select * from account")
    say_all(b, d, app, both, "idle-in-txn")
    app.must("commit")
    for pid in both:
        d.wait_activity(pid, "idle", "after the commit")
    note_losses(b, d)


@tap.test("a result of any size leaves the right state behind", limit=90,
          each=("libmariadb", "mariadb-java-client", "mysql2"))
def sizes(b, driver):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, my, driver)
    wrong = []
    at = [1, 250, 251, 1000, 65483, 65535, 65536, 131072, 1000000]
    # The server's buffer is 16384 bytes: its borders fall everywhere in the last packets.
    at += range(16384 - 90, 16384 + 10, 3)
    for n, size in enumerate(at):
        for word in ("query", "prepared")[:1 if n % 4 else 2]:
            for begin, wanted in (("begin", "idle-in-txn"), ("commit", "idle")):
                app.must(begin)
                app.must(f"{word} select length(repeat('x', {size})), repeat('x', {size})")
                try:
                    d.wait_activity(app.pid, wanted, "as the server says")
                except AssertionError:
                    wrong.append((word, size, wanted, d.activity(app.pid)))
    same(wrong, [], "states that differ from the server's")
    note_losses(b, d)


@tap.test("packets of 16 MiB and more", limit=90)
def huge(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, my, "libmariadb")
    for size in (16777215 - 40, 16777215 - 34, 16777215, 20000000, 2 * 16777215 + 17):
        for word, wanted in (("begin", "idle-in-txn"), ("commit", "idle")):
            app.must(word)
            app.must(f"literal {size}")
            d.wait_activity(app.pid, wanted, f"after {size} bytes there")
            app.must(f"query select repeat('x', {size})")
            d.wait_activity(app.pid, wanted, f"after {size} bytes back")
    for size in range(16777215 - 12, 16777215 + 4):
        app.must(f"query select repeat('x', {size})")
        d.wait_activity(app.pid, "idle", f"after {size} bytes back")
    note_losses(b, d)


@tap.test("an error leaves the state where it is sure, and unknown where it is not")
def errors(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, my, "libmariadb")

    def fails(line, wanted):
        true(not app.say(line).ok, f"{line} fails")
        activity(d, app.pid, wanted, f"after {line}")
        app.must("rollback")
        d.wait_activity(app.pid, "idle", "after the rollback")

    for failing in ("query insert into account values (1, 1)", "query select nosuch",
                    "prepared insert into account values (1, 1)", "prepared select nosuch",
                    "  query \t select nosuch"[2:]):
        fails(failing, "idle")
        app.must("begin")
        app.must("query update account set balance = balance where id = 1")
        fails(failing, "idle-in-txn")
    # CREATE ends the transaction before it fails.
    app.must("begin")
    fails("query create table account (id int)", "unknown")
    fails("query call nosuch()", "unknown")
    fails("query select 1; select nosuch", "unknown")
    app.must("manual")
    fails("query insert into account values (1, 1)", "unknown")
    app.must("auto")
    app.must("query call opens()")
    d.wait_activity(app.pid, "idle-in-txn", "a procedure that begins one")
    app.must("commit")


@tap.test("after a deadlock the state is unknown until the server says")
def deadlock(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    one, two = (client.Client(b, my, "libmariadb") for _ in range(2))
    for app, row in ((one, 1), (two, 2)):
        app.must("begin")
        app.must(f"query update account set balance = balance + 1 where id = {row}")
    one.send("query update account set balance = balance + 1 where id = 2")
    d.wait_activity(one.pid, "busy", "while it waits for the lock")
    two.send("query update account set balance = balance + 1 where id = 1")
    answers = {app: app.answer() for app in (one, two)}
    victims = [app for app in answers if not answers[app].ok]
    same([answers[v].rest.split()[1] for v in victims], ["1213"], "one of them is the victim")
    d.wait_activity(victims[0].pid, "unknown", "after the deadlock")
    survivor = one if victims[0] is two else two
    d.wait_activity(survivor.pid, "idle-in-txn", "the other")
    victims[0].must("query select 1")
    d.wait_activity(victims[0].pid, "idle", "after the next answer")


@tap.test("work under way makes no finding, nor do results that imitate packets", limit=90)
def no_finding(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_fix(my, "close", "400ms"))
    app = client.Client(b, my, "libmariadb")
    idle = client.Client(b, my, "mysql2")
    idle.must("busy 3")
    app.must("begin")
    app.must("query select sleep(2)")
    app.must("commit")
    ok = "0700000200000001000000"	# OK, in a transaction
    eof = "05000005fe00000100"
    end = "07000005fe000001000000"
    for fake in (ok, eof, end, "01000001" + ok, ok + eof):
        for form in ("query", "prepared"):
            app.must(f"{form} select unhex(repeat('{fake}', 20000)), unhex('{fake}')")
        # Sent when the server's buffer is full, with a pause before the rest comes.
        app.must(f"query select unhex(repeat('{fake}', 6000)) from seq_1_to_3 "
                 "where sleep(0.3) = 0")
        d.wait_activity(app.pid, "idle", f"after {fake}")
    same([f for f in d.leaks() if f["pid"] in (app.pid, idle.pid)], [], "findings")
    same(d.repairs(), [], "repairs")


@tap.test("requests in one flight: the last answer counts")
def pipelined(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    c = pymysql.connect(host=my.address, port=my.port, user="app", password=server.PASSWORD,
                        database="shop", autocommit=True)
    b.later(c.close)

    def command(text):
        return struct.pack("<I", len(text) + 1)[:3] + b"\0\x03" + text.encode()

    def read(answers):
        for _ in range(answers):
            c._next_seq_id = 1
            c._read_query_result()

    c._sock.sendall(command("begin") + command("select sleep(1)"))
    d.wait_activity(os.getpid(), "busy", "the second is under way")
    read(2)
    d.wait_activity(os.getpid(), "idle-in-txn", "both are answered")
    c._sock.sendall(command("commit") + command("select 1") * 200)
    read(201)
    d.wait_activity(os.getpid(), "idle", "201 answers later")
    c._sock.sendall(command("select 1") * 1000)
    read(1000)
    d.wait_activity(os.getpid(), "unknown", "more than can be remembered")
    c.query("select 1")
    d.wait_activity(os.getpid(), "idle", "found again")
    note_losses(b, d)


@tap.test("a batch that the driver pipelines")
def batch(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    app = client.Client(b, my, "mariadb-java-client")
    app.must("manual")
    same(app.must("batch 500"), "500", "rows")
    d.wait_activity(app.pid, "idle-in-txn", "after the batch")
    app.must("commit")
    d.wait_activity(app.pid, "idle", "after the commit")
    note_losses(b, d)


@tap.test("an encrypted or compressed connection is blind, and says so",
          each=("DB_SSL", "DB_COMPRESS"))
def blind(b, how):
    my = MariaDB(ssl=True)
    b.later(my.close)
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, my, "libmariadb", **{how: "1"})
    app.must("begin")
    app.must("query select * from account")
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed")
    same((c["protocol"], c["activity"], c["queries"], c["tls"], c["compressed"], c["stage"]),
         ("mysql", "unknown", None, how == "DB_SSL", how == "DB_COMPRESS", "ready"), "blind")
    same(c["backend_pid"], app.backend(), "the thread was said before")
    same(c["user"], None if how == "DB_SSL" else "app", "and the user, if not yet encrypted")
    refused = d.cli("fix", c["id"], "--with", "defuse", "--yes")
    same(refused.code, 7, f"defuse: {refused.out} {refused.err}")


@tap.test("close ends the session with COM_QUIT, defuse is refused")
def close(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, my, "libmariadb")
    thread = app.leak(3)
    f = d.wait_confirmed(app.pid)
    true(my.transactions(thread), "the transaction is open")
    refused = d.cli("fix", f["conn"], "--with", "defuse", "--yes")
    same(refused.code, 7, f"defuse: {refused.out} {refused.err}")
    true("does not exist for this protocol" in refused.out + refused.err,
         f"the reason: {refused.out}{refused.err}")
    true(my.transactions(thread), "and nothing was done")
    mark = len(my.log())
    done = d.cli("fix", f["conn"], "--with", "close", "--yes")
    same(done.code, 0, f"close: {done.out} {done.err}")
    tap.wait_for(lambda: not my.alive(thread), 3, "the session to end")
    tap.wait_for(lambda: not my.transactions(thread), 3, "its transaction to be gone",
                 pause=0.2)  # the server's table is renewed when it was left alone for 0.1 s
    r = tap.wait_for(lambda: [r for r in d.repairs() if r["action"] == "close"], 3, "journal")[0]
    same((r["outcome"], r["helped"]), ("done", True), f"journal: {r}")
    true("COM_QUIT" in str(r["steps"]), f"steps: {r['steps']}")
    true(not app.say("query select 1").ok, "the client notices")
    # The same with no word of goodbye is what an aborted connection looks like.
    rude = client.Client(b, my, "libmariadb")
    thread = rude.backend()
    rude.kill()
    tap.wait_for(lambda: f"Aborted connection {thread}" in my.log()[mark:], 5,
                 "the server to log another that went rudely")
    same(my.log()[mark:].count("Aborted connection"), 1, "the repaired one is not in its log")


@tap.test("close by rule mends a forgotten transaction")
def close_by_rule(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_fix(my, "defuse, close after 1s", "500ms"))
    app = client.Client(b, my, "PyMySQL")
    thread = app.leak(4)
    tap.wait_for(lambda: not my.alive(thread), 8, "the session to end")
    done = [r for r in d.repairs() if r["outcome"] == "done"]
    same([r["action"] for r in done], ["close"], f"repairs: {d.journal()}")


@tap.test("an older connection is unknown until it speaks, then right",
          each=("PyMySQL", "mysql2", "mariadb-java-client", "libmariadb"))
def adopted(b, driver):
    my = ready(b)
    app = client.Client(b, my, driver)
    thread = app.backend()
    app.must("begin")
    app.must("query select * from account")
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    c = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection to be listed")
    same((c["protocol"], c["activity"], c["age_is_lower_bound"], c["txn_s"]),
         ("mysql", "unknown", True, None), f"as adopted: {c}")
    app.must("query select * from account where id < 5")
    d.wait_activity(app.pid, "idle-in-txn", "once it spoke")
    d.wait_confirmed(app.pid)
    app.must("query select seq, repeat('x', 100) from seq_1_to_3000")
    d.wait_activity(app.pid, "idle-in-txn", "after a large result")
    app.must("commit")
    d.wait_activity(app.pid, "idle", "after the commit")
    c = d.conn_of(app.pid)
    same((c["protocol_evidence"], c["user"]), ("wire", None), "what is known of it")
    true(c["backend_pid"] in (None, thread), f"thread {c['backend_pid']}")


CANARY = "Zk9canary"


@tap.test("the statement that holds it is shown, redacted, also one prepared", limit=60,
          each=client.MYSQL_DRIVERS)
def statement(b, driver):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("500ms"))
    app = client.Client(b, my, driver)
    app.must("query select 'outside'")
    tap.wait_for(lambda: d.conn_of(app.pid)["sql"] == "select ?", 2, "it outside a transaction")
    for word in ("query", "prepared")[:1 if driver == "PyMySQL" else 2]:
        app.must("manual" if word == "query" else "begin")
        app.must(f"{word} select balance from account where id = 7 and '{CANARY}' <> 'x'")
        f = d.wait_confirmed(app.pid)
        same(f["sql"], "select balance from account where id = ? and ? <> ?", f"sql by {word}")
        true(CANARY not in str(d.leaks()) + str(d.journal()), "nothing that was data is shown")
        app.must("rollback")
        app.must("auto")


@tap.test("another user on the same connection, and a session made new")
def change_user(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    my.ask("create or replace user other identified by 'word'")
    my.ask("grant all on *.* to other")
    app = client.Client(b, my, "libmariadb")
    app.must("begin")
    app.must("change other word mysql")
    d.wait_activity(app.pid, "idle", "after the change")
    tap.wait_for(lambda: d.conn_of(app.pid)["user"] == "other", 2, "the other's name")
    same(d.conn_of(app.pid)["database"], "mysql", "and database")
    same([(p["user"], p["database"], p["open"]) for p in d.ask("pools", f"pid={app.pid}")],
         [("other", "mysql", 1)], "its pool is another")
    app.must("begin")
    d.wait_activity(app.pid, "idle-in-txn", "in a transaction")
    app.must("reset")
    d.wait_activity(app.pid, "idle", "after a reset")
    note_losses(b, d)


@tap.test("another database on the same connection, by command and by word")
def use(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    for name in ("one", "`t``wo three`", "`vier;fünf`"):
        my.ask(f"create database if not exists {name}")
    app = client.Client(b, my, "libmariadb")
    first = tap.wait_for(lambda: d.conn_of(app.pid), 3, "the connection")

    def is_in(wanted, what):
        tap.wait_for(lambda: d.conn_of(app.pid)["database"] == wanted, 2,
                     f"{wanted} {what}, not {d.conn_of(app.pid)['database']}")
        c = d.conn_of(app.pid)
        same(c["id"], first["id"], "it is the same connection")
        said = app.must("query select database()").split(" ")
        true(wanted is None or wanted.split(" ")[0] in said, f"the server says {said}")
        same([(p["database"], p["open"]) for p in d.ask("pools", f"pid={app.pid}")],
             [(wanted, 1)], "its pool moves along")

    is_in("shop", "at first")
    app.must("use one")
    is_in("one", "by COM_INIT_DB")
    true(not app.say("use nosuch").ok, "a database that there is not")
    is_in("one", "still")
    app.must("query USE shop")
    is_in("shop", "by a statement")
    true(not app.say("query use nosuch").ok, "likewise")
    is_in("shop", "still")
    app.must("query use `t``wo three` ;")
    is_in("t`wo three", "quoted")
    app.must("query   use\tone")
    is_in("one", "with a tab")
    app.must("query use`vier;fünf`")
    is_in("vier;fünf", "in other letters")
    app.must("begin")
    app.must("use mysql")
    is_in("mysql", "in a transaction")
    d.wait_activity(app.pid, "idle-in-txn", "which goes on")
    app.must("commit")
    app.must("query use one; select 1")
    is_in(None, "not known, of several statements")
    app.must("use shop")
    app.must("reset")
    app.must("query select 1")
    is_in("shop", "after a reset")
    note_losses(b, d)


@tap.test("a server that refuses, and one that dies, leave nothing behind")
def refused(b):
    my = MariaDB(**{"max-connections": 10, "extra-max-connections": 1})
    b.later(my.close)
    d = daemon.Daemon(b, daemon.config_observe("60s"))
    held = []
    try:
        for _ in range(20):
            held.append(pymysql.connect(host=my.address, port=my.port, user="app",
                                        password=server.PASSWORD, database="shop"))
        raise AssertionError("the server refused nobody")
    except pymysql.OperationalError as e:
        same(e.args[0], 1040, "too many connections")
    tap.wait_for(lambda: len(d.conns(f"pid={os.getpid()}")) == len(held), 2, "only those let in")
    same({c["activity"] for c in d.conns(f"pid={os.getpid()}")}, {"idle"}, "are listed, idle")
    for c in held:
        c.close()
    tap.wait_for(lambda: not d.conns(f"pid={os.getpid()}"), 2, "all of them to be gone")


@tap.test("a replica's connection is busy for ever")
def replica(b):
    my = ready(b)
    d = daemon.Daemon(b, daemon.config_fix(my, "close", "400ms"))
    c = pymysql.connect(host=my.address, port=my.port, user="app", password=server.PASSWORD,
                        database="shop", autocommit=True)
    b.later(c._force_close)
    c.query("set @master_binlog_checksum = @@global.binlog_checksum")
    name = my.ask("show master status")[0][0]
    c._execute_command(0x12, struct.pack("<IHI", 4, 0, 77) + name.encode())
    c._read_packet()
    for n in range(20):
        my.ask("insert into blobs (b) values (%s)", "x" * n * 100)
        same(d.activity(os.getpid()), "busy", "while it follows")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        found = [f for f in d.leaks() if f["pid"] == os.getpid()]
        same((d.activity(os.getpid()), found), ("busy", []), "when nothing happens")


tap.main(shared)
