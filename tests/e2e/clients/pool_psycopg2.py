# SPDX-License-Identifier: GPL-2.0-or-later
"""An application with a psycopg2 pool; see lib/client.py for how it is told.

op N MS        N times: borrow, ask, give back; MS milliseconds apart
leak N MS      the same, and forgets to give back
listen N MS    connections beside the pool that wait for notifications
burst N MS     N threads at once, each holding its connection for MS
connect N MS   connections beside the pool that are never used
throw N MS     connections beside the pool, each for one query
"""

import sys
import threading
import time

import psycopg2
from psycopg2 import pool

connections = pool.ThreadedConnectionPool(1, 60, "")
forgotten = []


def ask(c):
    c.cursor().execute("select count(*) from account")
    c.commit()


def borrow():
    c = connections.getconn()
    ask(c)
    return c


def op():
    connections.putconn(borrow())


def leak():
    forgotten.append(borrow())


def connect():
    forgotten.append(psycopg2.connect(""))


def listen():
    c = psycopg2.connect("")
    c.autocommit = True
    c.cursor().execute("listen orders")
    forgotten.append(c)


def throw():
    c = psycopg2.connect("")
    ask(c)
    c.close()


def hold(seconds):
    c = borrow()
    time.sleep(seconds)
    ask(c)
    connections.putconn(c)


def burst(count, seconds):
    threads = [threading.Thread(target=hold, args=(seconds,)) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


print("ok", flush=True)
for line in sys.stdin:
    word, count, ms = line.split()
    if word == "burst":
        burst(int(count), int(ms) / 1000)
    else:
        for _ in range(int(count)):
            {"op": op, "leak": leak, "listen": listen, "connect": connect, "throw": throw}[word]()
            time.sleep(int(ms) / 1000)
    print("ok", flush=True)
