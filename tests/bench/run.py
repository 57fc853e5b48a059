# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the workloads of ab.c beside a PostgreSQL of its own and judges the ratios.

The bars are those of the design, one for each tier of evidence; a peer (`ss -tni` at
10 Hz on the same CPU) is measured in the same run.  Nothing is thrown away: windows are
short and paired, and rounds go on until the median is known well enough or time is up.
A second baseline shows what noise is left.
"""

import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from lib.postgres import Postgres  # noqa: E402

BARS = {
    "query": {"off": 0.985, "transactions": 0.96, "all": 0.93},
    "in_transaction": {"off": 0.96},
    "echo": {"off": 0.985},
    "churn": {"off": 0.96},
    "tpcb": {"off": 0.98},
}
TIERS = ["off", "transactions", "all"]
VARIANTS = ["again", *TIERS, "ss"]
SPEAKS_SQL = {"query", "in_transaction", "tpcb"}
ADDED_NS = 400
GOOD_ENOUGH = 0.005		# half the width of the interval around the median
SECONDS = 150


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
    print(f"{metric:28} {value:9.{digits}f} {lo:9.{digits}f} {hi:9.{digits}f}  {word}", flush=True)
    return word != "FAIL"


class Group:
    """A control group of our own, which counts the CPU's time for all of us together."""

    def __enter__(self):
        with open("/proc/self/mountinfo") as mounts:
            root = next(m.split()[4] for m in mounts if " - cgroup2 " in m)
        with open("/proc/self/cgroup") as groups:
            mine = next(g.split(":")[2].strip() for g in groups if g.startswith("0::"))
        self.before = root + mine
        self.path = os.path.join(self.before, f"plimsoll-bench-{os.getpid()}")
        os.mkdir(self.path)
        self.enter(self.path)
        return self.path

    def __exit__(self, *_):
        self.enter(self.before)
        os.rmdir(self.path)

    @staticmethod
    def enter(path):
        with open(os.path.join(path, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))


class Seen:
    """Ratios and added nanoseconds of one variant."""

    def __init__(self):
        self.ratios, self.added, self.heard = [], [], 0

    def take(self, before, observed, after, heard):
        baseline = (before + after) / 2
        self.heard += heard
        if baseline and observed:
            self.ratios.append(observed / baseline)
            self.added.append(1e9 / observed - 1e9 / baseline)

    def is_known(self, rounds):
        if len(self.ratios) < rounds:
            return False
        _, low, high = median_ci(self.ratios)
        return high - low <= 2 * GOOD_ENOUGH


def measure(workload, rounds, pg, directory, group):
    """What was seen of each variant, until it is known well enough or time is up."""
    seen = {v: Seen() for v in VARIANTS}
    end = time.monotonic() + SECONDS
    ab = subprocess.Popen([os.path.join(ROOT, "build/tests/bench/ab"), workload, directory,
                           os.path.join(group, "cpu.stat"), *VARIANTS], env=pg.env(), stdout=subprocess.PIPE, text=True)
    with ab:
        for row in ab.stdout:
            variant, *rates = row.split()
            seen[variant].take(*map(float, rates))
            if time.monotonic() > end or all(seen[v].is_known(rounds) for v in BARS[workload]):
                break
        ab.stdout.close()
    return seen


def judge(workload, rounds, pg, directory, group):
    with tempfile.TemporaryDirectory(dir=directory) as own:
        seen = measure(workload, rounds, pg, own, group)
    if len(seen["off"].ratios) < rounds:
        print(f"{workload}_ratio: only {len(seen['off'].ratios)} rounds of {rounds}: FAIL")
        return False
    for variant in TIERS:
        if workload in SPEAKS_SQL and not seen[variant].heard:
            print(f"{workload}_{variant}: the observer heard no answer: FAIL")
            return False
    print(f"# {workload}: {len(seen['off'].ratios)} rounds", flush=True)
    good = True
    for variant, of in seen.items():
        bar = BARS[workload].get(variant)
        good &= line(f"{workload}_{variant}", of.ratios, bar and (lambda v, bar=bar: v >= bar))
    bar = (lambda v: v <= ADDED_NS) if workload == "query" else None
    return line(f"{workload}_off_added_ns", seen["off"].added, bar, 0) and good


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 41
    workloads = sys.argv[2:] or BARS
    # Client, server and observer inherit it: nothing can hide on an idle CPU.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # Whatever else the host does must not be in the windows.
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    directory = tempfile.mkdtemp(prefix="plimsoll-bench-")
    print(f"{'# metric':28} {'value':>9} {'lo':>9} {'hi':>9}", flush=True)
    with Group() as group:
        pg = Postgres()
        try:
            subprocess.run(["pgbench", "-i", "-s", "10", "-q"], env=pg.env(), check=True,
                           stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            # Every workload is run, whatever came of the one before.
            results = [judge(w, rounds, pg, directory, group) for w in workloads]
        finally:
            pg.close()
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if all(results) else 1)


main()
