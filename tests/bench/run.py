# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the workloads of ab.c beside a PostgreSQL of its own and judges the ratios.

The bars are those of the design; a peer (`ss -tni` at 10 Hz on the same CPU) is
measured in the same run.  A second baseline shows the noise: when it is off by more
than 0.7 % the workload is run again, at most three times.
"""

import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from lib import server  # noqa: E402

BARS = {"query": 0.98, "echo": 0.985, "churn": 0.96}
ADDED_NS = 400
NOISE = 0.007
TRIES = 3


def median_ci(values):
    """Median with its 95 % confidence interval by order statistics."""
    values = sorted(values)
    n = len(values)
    below = max(0, int(math.floor((n - 1.96 * math.sqrt(n)) / 2)) - 1)
    above = min(n - 1, int(math.ceil((n + 1.96 * math.sqrt(n)) / 2)))
    return statistics.median(values), values[below], values[above]


def line(metric, values, good=None, digits=4):
    value, lo, hi = median_ci(values)
    word = "-" if good is None else "PASS" if good(value) else "FAIL"
    print(f"{metric:24} {value:9.{digits}f} {lo:9.{digits}f} {hi:9.{digits}f}  {word}", flush=True)
    return word != "FAIL"


def measure(workload, rounds, pg, directory):
    """{variant: ([ratio], [added ns])} of one run."""
    done = subprocess.run([os.path.join(ROOT, "build/tests/bench/ab"), workload, str(rounds),
                           os.path.join(ROOT, "build/plimsolld"), directory],
                          env=pg.env(), stdout=subprocess.PIPE, text=True, check=True)
    seen = {}
    for row in done.stdout.splitlines():
        variant, ratio, added, _ = row.split()
        ratios, nanoseconds = seen.setdefault(variant, ([], []))
        ratios.append(float(ratio))
        nanoseconds.append(float(added))
    return seen


def quiet_enough(seen):
    return abs(statistics.median(seen["again"][0]) - 1) <= NOISE


def judge(workload, rounds, pg, directory):
    for left in reversed(range(TRIES)):
        seen = measure(workload, rounds, pg, directory)
        if quiet_enough(seen) or not left:
            break
        print(f"# {workload}: too noisy, once more", flush=True)
    line(f"{workload}_noise", seen["again"][0])
    good = line(f"{workload}_ratio", seen["plimsoll"][0], lambda v: v >= BARS[workload])
    line(f"{workload}_ratio_of_ss", seen["ss"][0])
    bar = (lambda v: v <= ADDED_NS) if workload == "query" else None
    return line(f"{workload}_added_ns", seen["plimsoll"][1], bar, 0) and good


def main():
    rounds = int(sys.argv[1])
    # Client, server and observer inherit it: nothing can hide on an idle CPU.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    directory = tempfile.mkdtemp(prefix="plimsoll-bench-")
    pg = server.Postgres()
    print(f"{'# metric':24} {'value':>9} {'lo':>9} {'hi':>9}", flush=True)
    try:
        # Every workload is run, whatever came of the one before.
        results = [judge(w, rounds, pg, directory) for w in BARS]
    finally:
        pg.close()
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if all(results) else 1)


main()
