# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL spoken by hand, for what no driver says just so."""

import socket
import struct
import time

V3 = 196608


def message(kind, body=b""):
    return kind + struct.pack("!I", 4 + len(body)) + body


def text(words):
    return words.encode() + b"\0"


def query(sql):
    return message(b"Q", text(sql))


def parse(name, sql):
    return message(b"P", text(name) + text(sql) + b"\0\0")


def bind(name, portal=""):
    return message(b"B", text(portal) + text(name) + b"\0\0\0\0\0\0")


def execute(portal=""):
    return message(b"E", text(portal) + b"\0\0\0\0")


def close(name):
    return message(b"C", b"S" + text(name))


SYNC = message(b"S")


class Session:
    """
    As user postgres, who is trusted; `startup` is what else the first packet says, `cut`
    how much of it is sent before a pause.
    """

    def __init__(self, pg, family=socket.AF_INET, host="127.0.0.1", cut=0, **startup):
        self.socket = socket.socket(family)
        self.socket.connect((host, pg.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.backend = None
        startup = {"user": "postgres", "database": "shop", **startup}
        words = b"".join(text(k) + text(v) for k, v in startup.items()) + b"\0"
        packet = struct.pack("!II", 8 + len(words), V3) + words
        if cut:
            self.socket.sendall(packet[:cut])
            time.sleep(0.1)
        self.socket.sendall(packet[cut:])
        self.ready()

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def close(self):
        self.socket.close()

    def read(self):
        """(type, body) of the next message."""
        while len(self.buffer) < 5 or len(self.buffer) <= struct.unpack("!I", self.buffer[1:5])[0]:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError(f"the server closed: {self.buffer!r}")
            self.buffer += more
        size = struct.unpack("!I", self.buffer[1:5])[0]
        kind, body = self.buffer[:1], self.buffer[5:size + 1]
        self.buffer = self.buffer[size + 1:]
        if kind == b"K":
            self.backend, self.secret = struct.unpack("!II", body)
        return kind, body

    def ready(self):
        """Reads to the end of an answer; the types that came, ending with its status."""
        came = b""
        while True:
            kind, body = self.read()
            if kind == b"Z":
                return came + body
            came += kind

    def say(self, *messages, answers=1):
        """Sends all in one flight; what came, of the last answer."""
        self.socket.sendall(b"".join(messages))
        for _ in range(answers):
            came = self.ready()
        return came
