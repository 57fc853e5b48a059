# SPDX-License-Identifier: GPL-2.0-or-later
"""The truth set on psycopg2 and its ThreadedConnectionPool; see truth.py."""

import os
import queue
import select
import threading
import time

import psycopg2
from psycopg2 import pool

from truth import (GRACE, SQL, bursts, crowd, for_ever, forgotten, in_threads, leak_among, leaked,
                   run)


def connect(autocommit=True, **more):
    c = psycopg2.connect("", **more)
    c.autocommit = autocommit
    return c


def ask(c, sql=SQL):
    cursor = c.cursor()
    cursor.execute(sql)
    return cursor.fetchall() if cursor.description else None


class Pool:
    def __init__(self, least=1, most=60):
        self.pool = pool.ThreadedConnectionPool(least, most, "")
        self.free = threading.Semaphore(most)

    def borrow(self):
        self.free.acquire()
        c = self.pool.getconn()
        ask(c)
        c.commit()
        return c

    def give_back(self, c):
        self.pool.putconn(c)
        self.free.release()

    def op(self):
        self.give_back(self.borrow())

    def hold(self, seconds=0.3, all_have=None):
        c = self.borrow()
        if all_have:
            all_have.wait()
        time.sleep(seconds)
        ask(c)
        c.commit()
        self.give_back(c)

    def leak(self):
        c = self.borrow()
        forgotten.append(c)
        leaked("held", c.get_backend_pid())


# ---- that leak

def forget(sql):
    c = connect(autocommit=False)
    ask(c)
    try:
        ask(c, sql)
    except psycopg2.Error:
        pass
    forgotten.append(c)
    leaked("idle-in-txn", c.get_backend_pid())


def txn():
    forget("update account set balance = balance - 1 where id = 1")
    forget("select 1")
    forget("select 1 / 0")
    forget("begin; declare c cursor for select generate_series(1, 1000); fetch 10 from c")


def getconn_txn():
    p = Pool()

    def leak():
        c = p.pool.getconn()
        ask(c)
        forgotten.append(c)
        leaked("idle-in-txn", c.get_backend_pid())
    leak_among(p.op, leak, 3)


def held():
    p = Pool()
    leak_among(p.op, p.leak)


def held_by_workers():
    """Of four threads, which take the work from one queue."""
    p, work = Pool(), queue.Queue()

    def worker():
        while True:
            work.get()()
            work.task_done()

    def give(step):
        work.put(step)
        work.join()
    in_threads(4, worker)
    leak_among(lambda: give(p.op), lambda: give(p.leak), 12)


def hurried():
    """The work goes on at once."""
    p = Pool()
    leak_among(p.op, p.leak, pause=0)


def alone():
    p = Pool()
    leak_among(p.op, p.leak, 1)


def exhausted():
    """All are lent, and nobody dials any more."""
    p = Pool(1, 6)
    p.op()
    for _ in range(6):
        p.leak()


def thread_each():
    """A thread for each piece of work, as many a server does."""
    p = Pool()
    leak_among(lambda: crowd(1, p.op), lambda: crowd(1, p.leak))


def unread():
    c = psycopg2.connect("", async_=1)
    wait(c)
    c.cursor().execute("select repeat('x', 1000) from generate_series(1, 20000)")
    forgotten.append(c)
    leaked("unread", c.get_backend_pid())
    c = psycopg2.connect("", async_=1)
    wait(c)
    c.cursor().execute("select 1")
    forgotten.append(c)
    leaked("unread", c.get_backend_pid())


def wait(c):
    while True:
        state = c.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        reading = state == psycopg2.extensions.POLL_READ
        select.select([c] if reading else [], [] if reading else [c], [])


def open_unused():
    for _ in range(10):
        c = psycopg2.connect("")
        forgotten.append(c)
        leaked("unused", c.get_backend_pid())
        time.sleep(0.4)


def opened():
    """Connected, used once, and neither used again nor closed."""
    while len(forgotten) < 30:
        c = connect()
        ask(c)
        forgotten.append(c)
        leaked("held", c.get_backend_pid())
        time.sleep(0.3)


def throw():
    leaked("churn")
    while True:
        c = connect()
        ask(c)
        c.close()
        time.sleep(0.15)


def grow():
    c = connect()
    ask(c)
    time.sleep(4 * GRACE)   # a pool that is young is filling up
    leaked("growth")
    for _ in range(80):
        forgotten.append(connect())
        leaked("unused", forgotten[-1].get_backend_pid())
        time.sleep(0.06)    # more than a pool rests when it is filled


def closed():
    """The server ends it; nobody looks."""
    admin = connect()
    for _ in range(2):
        c = connect()
        ask(c)
        forgotten.append(c)
        ask(admin, f"select pg_terminate_backend({c.get_backend_pid()})")
        leaked("close-wait", c.get_backend_pid())
    for_ever(lambda: ask(admin))


def forked():
    """Both use it, one after the other: nothing breaks at once."""
    c = connect()
    ask(c)
    to_child, to_parent = os.pipe(), os.pipe()
    leaked("shared", c.get_backend_pid())
    mine, others = (to_parent, to_child) if os.fork() else (to_child, to_parent)
    if mine is to_parent:
        os.write(others[1], b"x")
    while os.read(mine[0], 1):
        ask(c)
        time.sleep(0.05)
        os.write(others[1], b"x")


# ---- that do not

def busy():
    p = Pool(8, 8)
    in_threads(6, for_ever, p.op, 0.1)


def burst():
    p = Pool(1, 20)
    bursts(p.op, p.hold)


def large_burst():
    """Of work that takes longer than to dial for all of it."""
    p = Pool(1, 40)
    p.pool.minconn = 40     # those that may stay
    while True:
        for _ in range(int(50 * GRACE)):
            p.op()
            time.sleep(0.1)
        all_have = threading.Barrier(36)
        crowd(36, p.hold, 0.5, all_have)


def queued_burst():
    """Of short work: the pool dials for one after the other, and meanwhile the first are done."""
    p = Pool(1, 40)
    p.pool.minconn = 40
    for _ in range(int(50 * GRACE)):
        p.op()
        time.sleep(0.1)
    crowd(36, p.hold, 0.01)
    for_ever(p.op)


def reserve():
    p = Pool(10, 20)
    for_ever(p.op, 2 * GRACE)


def leftovers():
    """After a burst the first in line does all the work."""
    p = Pool(12, 20)
    crowd(12, p.hold)
    in_threads(1, for_ever, p.op)
    while True:
        time.sleep(5 * GRACE)
        crowd(14, p.hold)


def two_pools():
    """One rests most of the time; the other dials and works."""
    quiet, lively = Pool(3, 10), Pool(1, 20)
    in_threads(1, for_ever, quiet.op, 4 * GRACE)
    bursts(lively.op, lively.hold)


def listen():
    c, other = connect(), connect()
    ask(c, "listen truth")
    ask(connect_kept(), "listen nobody")

    def notify():
        ask(other, "notify truth, 'x'")
    in_threads(1, for_ever, notify, 2 * GRACE)
    while True:
        select.select([c], [], [])
        c.poll()
        c.notifies.clear()


def connect_kept(**more):
    forgotten.append(connect(**more))
    return forgotten[-1]


def long_running():
    in_threads(1, for_ever, lambda: ask(a, f"select pg_sleep({6 * GRACE})"), 0.5)
    a, b = connect(), connect(autocommit=False)

    def in_txn():
        ask(b, f"select pg_sleep({4 * GRACE})")
        b.commit()
    for_ever(in_txn, 0.5)


class Slow:
    """A file that takes, and has, little at a time."""

    def __init__(self):
        self.end = time.monotonic() + 8 * GRACE

    def write(self, data):
        time.sleep(min(0.02, GRACE / 100))

    def read(self, size=0):
        time.sleep(GRACE / 10)
        return "1\n" * 10 if time.monotonic() < self.end else ""


def copy():
    a, b = connect(), connect()
    ask(b, "create temp table t (i int)")

    def out():
        a.cursor().copy_expert("copy (select repeat('x', 1000) from generate_series(1, 1000)) "
                               "to stdout", Slow())
    in_threads(1, for_ever, out)
    for_ever(lambda: b.cursor().copy_expert("copy t from stdin", Slow()))


def cursor():
    c = connect(autocommit=False)

    def read():
        rows = c.cursor(name="slow")
        rows.itersize = 1
        rows.execute("select generate_series(1, 40)")
        for _ in rows:
            time.sleep(GRACE / 5)
        rows.close()
        c.commit()
    for_ever(read)


def steps():
    """A transaction with a statement now and then."""
    c = connect(autocommit=False)

    def one():
        for _ in range(12):
            ask(c)
            time.sleep(0.4 * GRACE)
        c.commit()
    for_ever(one)


def prefork():
    """Children inherit what only the parent uses, and each has one of its own."""
    c = connect()
    ask(c)
    for _ in range(4):
        if not os.fork():
            own = connect()
            for_ever(lambda: ask(own), 0.5)
    for_ever(lambda: ask(c), 0.5)


def ping():
    c = connect()
    connect_kept()
    for_ever(lambda: ask(c, "select 1"), 3 * GRACE)


def lifetimes():
    """Six that are replaced when they are old, and lent to whom asks."""
    kept = [(connect(), time.monotonic() + 3 + n) for n in range(6)]

    def op():
        c, end = kept.pop()
        ask(c)
        if time.monotonic() > end:
            c.close()
            c, end = connect(), time.monotonic() + 8
        kept.insert(0, (c, end))
    for_ever(op)


def job():
    """Connects, asks, and goes, too rarely to be churn."""
    def once():
        c = connect()
        ask(c)
        c.close()
    for_ever(once, 2)


run({f.__name__: f for f in (
    txn, getconn_txn, held, held_by_workers, hurried, alone, exhausted, thread_each, unread,
    open_unused, opened, throw, grow, closed, forked,
    busy, burst, large_burst, queued_burst, reserve, leftovers, two_pools, listen, long_running,
    copy, cursor, steps, prefork, ping, lifetimes, job)})
