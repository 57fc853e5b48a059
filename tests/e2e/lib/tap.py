# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests as functions, results as TAP lines, and cleaning up whatever happens."""

import argparse
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
_tests = []
_options = None


class Skip(Exception):
    """This machine cannot run the test; says why."""


class Late(Exception):
    """A test took longer than it may."""


def test(sentence, limit=60, each=None):
    """Registers a test.  With `each`, one for every item, passed as 2nd argument."""

    def register(fn):
        if each is None:
            _tests.append((sentence, limit, fn, ()))
        else:
            for item in each:
                _tests.append((f"{item}: {sentence}", limit, fn, (item,)))
        return fn

    return register


def build_dir():
    return os.path.join(ROOT, _options.build)


def sanitized():
    return "san" in _options.build


def die_with_parent():
    """For preexec_fn: the child ends when this test program does, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)


def wait_for(predicate, timeout, what, pause=0.02):
    """Waits until predicate() is true and returns its value; says `what` was waited for."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {value!r}")
        time.sleep(pause)


def same(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, expected {wanted!r}")


def true(value, what):
    if not value:
        raise AssertionError(f"{what} (got {value!r})")


class Bench:
    """What a test builds on; gone when the test is."""

    def __init__(self):
        self._undo = []
        self.dir = tempfile.mkdtemp(prefix="plimsoll-e2e-")
        os.chmod(self.dir, 0o755)
        self.later(shutil.rmtree, self.dir, True)
        self.notes = []

    def later(self, fn, *args):
        self._undo.append((fn, args))

    def note(self, text):
        self.notes.append(text)

    def close(self):
        while self._undo:
            fn, args = self._undo.pop()
            try:
                fn(*args)
            except Exception as e:  # the rest must be undone all the same
                print(f"# while cleaning up: {e!r}", flush=True)


def _run_one(number, sentence, limit, fn, args):
    name = f"{os.path.basename(sys.argv[0])[:-3]}: {sentence}"
    bench = Bench()
    story = None
    skip = None
    began = time.monotonic()
    signal.alarm(limit)
    try:
        fn(bench, *args)
    except Skip as e:
        skip = str(e)
    except Exception:
        story = traceback.format_exc()
    signal.alarm(0)
    if story:
        logs = [o for o in bench._undo if hasattr(getattr(o[0], "__self__", None), "tell")]
        for o in logs:
            story += o[0].__self__.tell()
    bench.close()
    spent = time.monotonic() - began
    if skip:
        print(f"ok {number} - {name} # SKIP {skip}", flush=True)
    elif story:
        print(f"not ok {number} - {name}", flush=True)
        for line in story.rstrip().splitlines():
            print(f"#   {line}")
    else:
        print(f"ok {number} - {name} ({spent:.1f} s)", flush=True)
    for text in bench.notes:
        print(f"#   {text}", flush=True)
    return story is None


def main(shared=None):
    """Runs the registered tests; `shared` is closed when all are done."""
    global _options
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("-k", default="", help="only tests whose sentence contains this")
    _options = parser.parse_args()

    def on_alarm(*_):
        raise Late("the test took too long")

    def on_term(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_term)
    chosen = [t for t in _tests if _options.k in t[0]]
    print(f"1..{len(chosen)}", flush=True)
    good = True
    try:
        if os.geteuid() != 0:
            for n, t in enumerate(chosen, 1):
                print(f"ok {n} - {t[0]} # SKIP needs root")
            return
        for n, t in enumerate(chosen, 1):
            good = _run_one(n, *t) and good
    finally:
        if shared:
            shared.close()
    sys.exit(0 if good else 1)
