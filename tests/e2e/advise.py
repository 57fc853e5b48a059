# SPDX-License-Identifier: GPL-2.0-or-later
"""How large a pool should be: against a load whose numbers are known."""

import os
import threading
import time

import psycopg2

from lib import daemon, server, tap
from lib.postgres import Postgres
from lib.tap import same, true

shared = server.Shared(Postgres)


class Load:
    """`workers` connections of this process, each asking `sql` again and again."""

    def __init__(self, b, pg, workers, sql, reuse=True):
        self.pg, self.sql, self.reuse, self.over = pg, sql, reuse, False
        self.queries = 0
        self.lock = threading.Lock()
        self.spent = 0.0
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        b.later(self.end, threads)
        for t in threads:
            t.start()

    def _connect(self):
        c = psycopg2.connect(host="127.0.0.1", port=self.pg.port, user="app", dbname="shop",
                             password=server.PASSWORD, sslmode="disable")
        c.autocommit = True
        return c

    def _work(self):
        try:
            self._ask()
        except psycopg2.errors.QueryCanceled:
            pass

    def _ask(self):
        c = self._connect()
        while not self.over:
            began = time.monotonic()
            c.cursor().execute(self.sql)
            with self.lock:
                self.spent += time.monotonic() - began
                self.queries += 1
            if not self.reuse:
                c.close()
                c = self._connect()
        c.close()

    def end(self, threads):
        self.over = True
        for t in threads:
            t.join(10)


def advice(d, *more):
    rows = d.ask("advise", f"pid={os.getpid()}", *more)
    same(len(rows), 1, f"pools: {rows}")
    return rows[0]


def near(got, wanted, share, what):
    true(got is not None and abs(got - wanted) <= share * wanted, f"{what}: {got}, expected {wanted}")


@tap.test("queries a second, latency and the size that follows", limit=60,
          each=("4 ms", "150 ms"))
def sized(b, each):
    ms = int(each.split()[0])
    pg = shared.get()
    d = daemon.Daemon(b)
    load = Load(b, pg, 6, f"select pg_sleep({ms / 1000})")
    a = tap.wait_for(lambda: (r := d.ask("advise", f"pid={os.getpid()}"))
                     and r[0]["recommended"]["max_open"] and r[0], 30, "advice", pause=0.5)
    rate = load.queries / a["observed_s"]
    latency = load.spent / load.queries
    b.note(f"{a['queries_per_s_peak']:.0f} queries/s at the peak ({rate:.0f} on the mean), "
           f"{a['latency_s'] * 1e3:.1f} ms ({latency * 1e3:.1f} by the client): "
           f"{a['recommended']['max_open']} connections")
    near(a["latency_s"], latency, 0.35, "latency_s")
    true(0.8 * rate <= a["queries_per_s_peak"] <= 1.8 * rate, f"peak {a['queries_per_s_peak']}, "
         f"mean {rate}")
    near(a["recommended"]["max_open"], max(6, 2 * a["queries_per_s_peak"] * a["latency_s"]), 0.1,
         "max_open")
    r = a["recommended"]
    true(r["max_open"] / 2 <= r["max_idle"] <= r["max_open"], f"max_idle of {r}")
    true(1800 <= r["max_lifetime_s"] <= 3600, f"max_lifetime_s of {r}")
    same(a["library"], "SQLAlchemy", "library")
    same(sorted(a["settings"]), ["HikariCP", "PHP-FPM", "SQLAlchemy", "database/sql",
                                 "node-postgres"], "settings")
    true(any("pool_size=" in w for w in a["words"]), f"words {a['words']}")
    same((a["user"], a["database"], a["open"]), ("app", "shop", 6), "whose pool it is")


@tap.test("a pool at its limit, and one that throws its connections away", limit=60)
def guesses(b):
    pg = shared.get()
    d = daemon.Daemon(b)
    Load(b, pg, 5, "select pg_sleep(0.2)")
    a = tap.wait_for(lambda: (r := d.ask("advise", f"pid={os.getpid()}"))
                     and r[0]["seen"]["max_open"] and r[0], 40, "a limit to be seen", pause=0.5)
    same(a["seen"]["max_open"], 5, "the limit it seems to have")
    same(a["seen"]["max_idle"], None, "a limit of idle ones")
    true(any("limit seems to be 5" in w for w in a["words"]), f"words {a['words']}")
    Load(b, pg, 2, "select 1", reuse=False)
    a = tap.wait_for(lambda: (r := advice(d))["seen"]["max_idle"] is not None and r, 20,
                     "the churn to be seen", pause=0.5)
    true(a["ended_young"] >= 10, f"ended young {a['ended_young']}")
    same(a["recommended"]["max_idle"], a["recommended"]["max_open"], "all may lie idle")


@tap.test("of little that was seen nothing is made up")
def little(b):
    pg = shared.get()
    d = daemon.Daemon(b)
    load = Load(b, pg, 1, "select pg_sleep(30)")
    tap.wait_for(lambda: d.conns(f"pid={os.getpid()}"), 5, "the connection")
    a = advice(d)
    same(set(a["recommended"].values()), {None}, "recommended")
    same(a["settings"], {}, "settings")
    same((a["queries_per_s_peak"], a["latency_s"]), (None, None), "numbers")
    true(any("too little" in w for w in a["words"]), f"words {a['words']}")
    text = d.cli("advise", f"pid={os.getpid()}")
    same(text.code, 0, text.err)
    true("too little" in text.out, text.out)
    same(d.cli("advise", "pid=1").code, 3, "exit code where nothing matches")
    pg.ask("select pg_cancel_backend(pid) from pg_stat_activity where query like %s and "
           "client_addr is not null", "%pg_sleep(30)%")
    load.over = True


@tap.test("without a daemon it says that it saw only a moment")
def alone(b):
    pg = shared.get()
    Load(b, pg, 1, "select 1")
    said = daemon.cli("--json", "--run", b.dir, "--for", "1s", "advise", f"pid={os.getpid()}")
    same(said.code, 0, said.err)
    a = said.json()["advise"][0]
    same(a["recommended"]["max_open"], None, "max_open")
    true("no daemon" in a["words"][0], f"words {a['words']}")


tap.main(shared)
