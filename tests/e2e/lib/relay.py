# SPDX-License-Identifier: GPL-2.0-or-later
"""Between client and server: passes everything on, in pieces of other sizes."""

import random
import selectors
import socket
import threading


class Relay:
    """Listens on a port of its own; cuts both directions as `sizes()` says."""

    def __init__(self, bench, server, sizes):
        self.server, self.sizes = server, sizes
        self.address = "127.0.0.1"
        self._listener = socket.create_server((self.address, 0))
        self.port = self._listener.getsockname()[1]
        bench.later(self.close)
        threading.Thread(target=self._serve, daemon=True).start()

    def env(self, **more):
        return {**self.server.env(**more), "DB_HOST": self.address, "DB_PORT": str(self.port)}

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        server = socket.create_connection((self.server.address, self.server.port))
        both = selectors.DefaultSelector()
        for a, b in ((client, server), (server, client)):
            a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            both.register(a, selectors.EVENT_READ, b)
        with client, server:
            while True:
                for key, _ in both.select():
                    try:
                        data = key.fileobj.recv(65536)
                        while data:
                            n = self.sizes()
                            key.data.sendall(data[:n])
                            data = data[n:]
                            if not data:
                                break
                        else:
                            return
                    except OSError:
                        return

    def close(self):
        self._listener.close()


def any_of(*choices, seed=1):
    """Sizes drawn from `choices`, the same in every run."""
    return lambda r=random.Random(seed): r.choice(choices)
