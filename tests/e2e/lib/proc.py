# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc says of processes that may end, and close what they have, while it is read."""

import os

GONE = (FileNotFoundError, ProcessLookupError)


def read(pid, name):
    """A file of a process's, or "" when there is no such process (any more)."""
    try:
        with open(f"/proc/{pid}/{name}", errors="replace") as f:
            return f.read()
    except GONE:
        return ""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid):
    return [int(child) for child in read(pid, f"task/{pid}/children").split()]


def _descriptors(pid):
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except GONE:
        return []


def links(pid):
    """What each of its descriptors is, as in "anon_inode:bpf_link"."""
    found = []
    for fd in _descriptors(pid):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except GONE:
            pass
    return found


def fdinfo(pid):
    """What the kernel says of each of its descriptors."""
    return [text for fd in _descriptors(pid) if (text := read(pid, f"fdinfo/{fd}"))]
