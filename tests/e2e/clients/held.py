# SPDX-License-Identifier: GPL-2.0-or-later
"""A process whose memory map nobody can change for a while.

usage: held.py FILE DIRECTORY SECONDS

Maps FILE as its code, then touches a page of a file that it serves itself, by FUSE, in a
mount namespace of its own, on DIRECTORY.  The first two readings fail, so that the kernel
tries once more and keeps the map locked (for reading); that one is answered when a line
comes in, or after SECONDS.  Says "held", then "over".
"""

import ctypes
import mmap
import os
import select
import signal
import struct
import sys
import threading

INIT, LOOKUP, FORGET, GETATTR, OPEN, READ, OPENDIR, BATCH_FORGET = 26, 1, 2, 3, 14, 15, 27, 42
ROOT, FILE, PAGE = 1, 2, 4096
EIO, ENOSYS = 5, 38
CLONE_NEWNS, MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 0x20000, 0x4000, 0x40000, 1
libc = ctypes.CDLL(None, use_errno=True)


def attributes(inode):
    size, mode = (PAGE, 0o100644) if inode == FILE else (0, 0o040755)
    return struct.pack("<6Q10I", inode, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 0, 0)


class Server:
    def __init__(self, fuse, seconds):
        self.fuse, self.seconds, self.readings = fuse, seconds, 0

    def answer(self, request, error=0, body=b""):
        os.write(self.fuse, struct.pack("<IiQ", 16 + len(body), -error, request) + body)

    def read(self, request):
        self.readings += 1
        if self.readings < 3:
            self.answer(request, EIO)
            return
        print("held", flush=True)
        threading.Thread(target=self.let_go, args=(request,)).start()

    def let_go(self, request):
        select.select([sys.stdin], [], [], self.seconds)
        self.answer(request, 0, bytes(PAGE))

    def serve_one(self):
        _, what, request, inode = struct.unpack_from("<IIQQ", os.read(self.fuse, 1 << 18))
        if what == INIT:
            self.answer(request, 0, struct.pack("<4I2H2I2H32x", 7, 31, PAGE, 0, 0, 0, PAGE, 1,
                                                0, 0))
        elif what == LOOKUP:
            self.answer(request, 0, struct.pack("<4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE))
        elif what == GETATTR:
            self.answer(request, 0, struct.pack("<Q2I", 0, 0, 0) + attributes(inode))
        elif what in (OPEN, OPENDIR):
            self.answer(request, 0, struct.pack("<Q2I", 0, 0, 0))
        elif what == READ:
            self.read(request)
        elif what not in (FORGET, BATCH_FORGET):
            self.answer(request, ENOSYS)


def check(result, what):
    if result < 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


def main():
    path, directory, seconds = sys.argv[1], sys.argv[2].encode(), float(sys.argv[3])
    fuse = os.open("/dev/fuse", os.O_RDWR)
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    check(libc.mount(b"held", directory, b"fuse", 0,
                     f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()), "mount")
    server = os.fork()
    if server == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        served = Server(fuse, seconds)
        while True:
            served.serve_one()
    os.close(fuse)
    with open(path, "rb") as f:
        code = mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    with open(os.path.join(directory.decode(), "page"), "rb") as f:
        page = mmap.mmap(f.fileno(), PAGE, mmap.MAP_PRIVATE, mmap.PROT_READ)
    page[0]
    print("over", flush=True)
    os.kill(server, signal.SIGKILL)
    code.close()


main()
