# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the workloads of ab.c beside a PostgreSQL of its own and judges the ratios.

The bars are those of the design; a peer (`ss -tni` at 10 Hz on the same CPU) is
measured in the same run.  A block counts only when the two baselines around it agree:
where they do not, the host changed its pace in between (a neighbour on the other
hyperthread is worth 20 %).  A second baseline shows what noise is left.
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
from lib import server  # noqa: E402

BARS = {"query": 0.98, "echo": 0.985, "churn": 0.96}
ADDED_NS = 400
AGREE = 0.08
SECONDS = 85
MIN_BLOCKS = 11


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


class Seen:
    """Ratios and added nanoseconds of one variant, of the blocks that count."""

    def __init__(self):
        self.ratios, self.added, self.dropped = [], [], 0

    def take(self, before, observed, after):
        if abs(before / after - 1) > AGREE:
            self.dropped += 1
            return
        baseline = (before + after) / 2
        self.ratios.append(observed / baseline)
        self.added.append(1e9 / observed - 1e9 / baseline)


def measure(workload, rounds, pg, directory):
    """What was seen of each variant, until there are enough blocks or time is up."""
    seen = {"again": Seen(), "plimsoll": Seen(), "ss": Seen()}
    end = time.monotonic() + SECONDS
    ab = subprocess.Popen([os.path.join(ROOT, "build/tests/bench/ab"), workload,
                           os.path.join(ROOT, "build/plimsolld"), directory],
                          env=pg.env(), stdout=subprocess.PIPE, text=True)
    with ab:
        for row in ab.stdout:
            variant, before, observed, after = row.split()
            seen[variant].take(float(before), float(observed), float(after))
            enough = min(len(seen[v].ratios) for v in ("again", "plimsoll")) >= rounds
            if enough or time.monotonic() > end:
                break
    return seen


def judge(workload, rounds, pg, directory):
    seen = measure(workload, rounds, pg, directory)
    ours = seen["plimsoll"]
    if len(ours.ratios) < MIN_BLOCKS or len(seen["again"].ratios) < MIN_BLOCKS:
        print(f"{workload}_ratio: only {len(ours.ratios)} blocks, {ours.dropped} dropped: FAIL")
        return False
    print(f"# {workload}: {len(ours.ratios)} blocks, {ours.dropped} dropped", flush=True)
    line(f"{workload}_noise", seen["again"].ratios)
    good = line(f"{workload}_ratio", ours.ratios, lambda v: v >= BARS[workload])
    if seen["ss"].ratios:
        line(f"{workload}_ratio_of_ss", seen["ss"].ratios)
    bar = (lambda v: v <= ADDED_NS) if workload == "query" else None
    return line(f"{workload}_added_ns", ours.added, bar, 0) and good


def main():
    rounds = int(sys.argv[1])
    # Client, server and observer inherit it: nothing can hide on an idle CPU.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # Whatever else the host does must not be in the windows.
    os.setpriority(os.PRIO_PROCESS, 0, -20)
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
