# SPDX-License-Identifier: GPL-2.0-or-later
"""The truth set on SQLAlchemy's QueuePool (psycopg2); see truth.py."""

import time

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.orm import Session

from truth import GRACE, SQL, bursts, for_ever, forgotten, in_threads, leak_among, leaked, run


def engine(**more):
    options = {"pool_size": 5, "max_overflow": 20, **more}
    return sqlalchemy.create_engine("postgresql+psycopg2://", **options)


def backend(c):
    return c.connection.connection.get_backend_pid()


def op(e):
    with e.begin() as c:
        c.execute(text(SQL)).all()


def hold(e):
    with e.begin() as c:
        c.execute(text(SQL)).all()
        time.sleep(0.3)


def session():
    e = engine()

    def leak():
        s = Session(e)
        s.execute(text(SQL)).all()
        forgotten.append(s)
        leaked("idle-in-txn", backend(s.connection()))
    leak_among(lambda: op(e), leak, 3)


def stream():
    """A result that is streamed and not read to its end: its cursor keeps the transaction."""
    e = engine()

    def leak():
        c = e.connect().execution_options(stream_results=True)
        rows = c.execute(text("select generate_series(1, 100000)"))
        rows.fetchone()
        forgotten.append((c, rows))
        leaked("idle-in-txn", backend(c))
    leak_among(lambda: op(e), leak, 2)


def held():
    e = engine()

    def leak():
        c = e.connect()
        with c.begin():
            c.execute(text(SQL)).all()
        forgotten.append(c)
        leaked("held", backend(c))
    leak_among(lambda: op(e), leak)


def busy():
    e = engine(pool_pre_ping=True)
    in_threads(6, for_ever, lambda: op(e), 0.1)


def burst():
    e = engine()
    bursts(lambda: op(e), lambda: hold(e))


def recycle():
    e = engine(pool_recycle=5, pool_use_lifo=True)
    in_threads(3, for_ever, lambda: hold(e), 0.4)


def two_engines():
    quiet, lively = engine(), engine()
    in_threads(1, for_ever, lambda: op(quiet), 4 * GRACE)
    bursts(lambda: op(lively), lambda: hold(lively))


def steps():
    e = engine()

    def one():
        with Session(e) as s:
            for _ in range(10):
                s.execute(text(SQL)).all()
                time.sleep(0.4 * GRACE)
    for_ever(one)


run({f.__name__: f for f in (session, stream, held, busy, burst, recycle, two_engines, steps)})
