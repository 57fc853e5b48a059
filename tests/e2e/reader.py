# SPDX-License-Identifier: GPL-2.0-or-later
"""The reader of foreign files has given everything up before it reads anything."""

import os
import subprocess

from lib import tap
from lib.tap import same

# What the daemon leaves to those it starts (user/main.c).
AS_FROM_THE_DAEMON = ["setpriv", "--bounding-set=-all,+setuid,+setgid"]


def start(b, before):
    # Nothing is said to it yet, so it waits for its request, confined.
    reader = os.path.join(tap.build_dir(), "plimsoll-symbols")
    process = subprocess.Popen(before + [reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               preexec_fn=tap.die_with_parent)
    b.later(process.wait)
    b.later(process.kill)
    return process


def facts(process, name):
    with open(f"/proc/{process.pid}/{name}", encoding="ascii") as f:
        return f.read()


def status(process):
    lines = facts(process, "status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if "\t" in line)


def check(process):
    tap.wait_for(lambda: status(process)["Seccomp"] == "2", 5, "the filter of system calls")
    s = status(process)
    for line, wanted in (("Uid", "65534\t" * 3 + "65534"), ("Gid", "65534\t" * 3 + "65534"),
                         ("Groups", ""), ("NoNewPrivs", "1"),
                         ("CapInh", "0" * 16), ("CapPrm", "0" * 16), ("CapEff", "0" * 16),
                         ("CapAmb", "0" * 16)):
        same(s[line].strip(), wanted, line)
    lines = facts(process, "limits").splitlines()
    limits = {line[:26].strip(): line[26:].split() for line in lines}
    for what, most in (("Max address space", str(512 << 20)), ("Max cpu time", "5"),
                       ("Max file size", "0"), ("Max open files", "0"), ("Max processes", "0"),
                       ("Max core file size", "0")):
        if not (tap.sanitized() and what == "Max address space"):
            same(limits[what][:2], [most, most], what)
    # Not dumpable: its memory is root's alone.
    same(os.stat(f"/proc/{process.pid}/mem").st_uid, 0, "owner of its memory")


@tap.test("started by root, the reader is nobody and can do nothing")
def by_root(b):
    check(start(b, []))


@tap.test("started with the daemon's bounding set, likewise")
def by_daemon(b):
    check(start(b, AS_FROM_THE_DAEMON))


@tap.test("the reader that cannot become nobody reads nothing")
def cannot(b):
    process = start(b, ["setpriv", "--bounding-set=-all"])
    same(process.wait(5), 3, "exit code")


@tap.test("a request that is none is answered with nothing")
def nonsense(b):
    process = start(b, [])
    out, _ = process.communicate(os.urandom(4096), timeout=5)
    same((process.returncode, out), (2, b""), "exit code and answer")


tap.main()
