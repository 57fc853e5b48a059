# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the programs of the truth set in Python have in common (tests/e2e/truth.py).

A program is given its mode as argument and the shortest grace in seconds in TRUTH_GRACE.
It says {} when it is ready, and begins when it is given a line.  It says each thing it
leaks when it has done so, a line of JSON: the kind that should be found, the backend (null
where it is the pool's), and since when.
"""

import json
import os
import random
import sys
import threading
import time

GRACE = float(os.environ["TRUTH_GRACE"])
SQL = "select count(*) from account"
LEAKS = 8
forgotten = []


def leaked(kind, backend=None):
    print(json.dumps({"kind": kind, "backend": backend, "at": time.time()}), flush=True)


def run(modes):
    """Says that it is ready, and when told so does what the argument says, for ever."""
    mode = modes[sys.argv[1]]
    print("{}", flush=True)
    sys.stdin.readline()
    mode()
    while True:
        time.sleep(3600)


def for_ever(step, pause=0.2):
    while True:
        step()
        time.sleep(pause * random.uniform(0.5, 1.5))


def leak_among(op, leak, count=LEAKS, pause=0.35):
    """Leaks now and then while the work goes on."""
    for _ in range(5):
        op()
    for n in range(count):
        leak()
        time.sleep(pause if n < count - 1 else 4 * pause)   # the last is seen to lie there
        op()
        time.sleep(0.05)
    for_ever(op)


def in_threads(count, work, *args):
    threads = [threading.Thread(target=work, args=args, daemon=True) for _ in range(count)]
    for t in threads:
        t.start()
    return threads


def crowd(count, work, *args):
    for t in in_threads(count, work, *args):
        t.join()


def bursts(op, hold):
    """Rest, work, and sometimes as many as there may be at once."""
    while True:
        for count in (4, 12, 7, 16, 2):
            crowd(count, hold)
            for _ in range(10):
                op()
                time.sleep(random.uniform(0.02, 0.1))
            time.sleep(random.uniform(0.5, 3.5) * GRACE)
