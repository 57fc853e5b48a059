# SPDX-License-Identifier: GPL-2.0-or-later
"""pgbouncer."""

import os
import shutil
import socket
import subprocess

from . import tap
from .server import free_port

POOLER = """
[databases]
shop = host=127.0.0.1 port={port} user=postgres dbname=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
max_client_conn = 50
default_pool_size = 3
server_round_robin = 0
ignore_startup_parameters = extra_float_digits
logfile = {dir}/pooler.log
pidfile = {dir}/pooler.pid
"""


class Pooler:
    """pgbouncer before a server; a client of it connects as to the server itself."""

    def __init__(self, b, pg, mode):
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        if not program:
            raise tap.Skip("pgbouncer is not installed")
        self.pg, self.port = pg, free_port()
        config = os.path.join(b.dir, "pooler.ini")
        os.chmod(b.dir, 0o777)
        with open(config, "w") as f:
            f.write(POOLER.format(port=pg.port, own=self.port, mode=mode, dir=b.dir))
        self.process = subprocess.Popen(pg.as_user + [program, "-q", config],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=tap.die_with_parent)
        self.pid = self.process.pid
        b.later(self.process.wait)
        b.later(self.process.kill)
        tap.wait_for(self._listens, 10, "pgbouncer to listen")

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def env(self, **more):
        return self.pg.env(PGPORT=self.port, PGUSER="postgres", **more)
