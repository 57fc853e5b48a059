# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts on one wire: network namespaces of one's own, whose wire can fail."""

import os
import subprocess

from . import tap

# Lets nothing through, or loses some of what comes: tc's own netem is not in every kernel.
LOSS = """
#include <linux/bpf.h>
static unsigned int (*prandom)(void) = (void *)BPF_FUNC_get_prandom_u32;
__attribute__((section("tc"), used)) int lose(void *skb)
{
	return prandom() % 100 < PERCENT ? 2 : -1;
}
"""


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise tap.Skip(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    def __init__(self, bench, address):
        self.address = address
        self._holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"],
                                        preexec_fn=tap.die_with_parent)
        bench.later(self._end)
        self.pid = self._holder.pid
        ours = os.readlink("/proc/self/ns/net")
        tap.wait_for(lambda: os.readlink(f"/proc/{self.pid}/ns/net") != ours, 5, "a namespace")
        self.wrap = ["nsenter", "-n", "-t", str(self.pid)]

    def run(self, *command):
        return _run(*self.wrap, *command)

    def _end(self):
        self._holder.kill()
        self._holder.wait()


class Wire:
    """`near` is for clients, `far` for the server."""

    def __init__(self, bench):
        self.bench = bench
        self.near, self.far = Host(bench, "10.87.0.1"), Host(bench, "10.87.0.2")
        self.near.run("ip", "link", "add", "name", "wire", "type", "veth", "peer", "name", "wire",
                      "netns", str(self.far.pid))
        for host in (self.near, self.far):
            host.run("ip", "addr", "add", f"{host.address}/24", "dev", "wire")
            host.run("ip", "link", "set", "wire", "up")
            host.run("tc", "qdisc", "add", "dev", "wire", "clsact")

    def lose(self, percent):
        """From now on this share of the packets is lost, each way; 0 mends it."""
        for host in (self.near, self.far):
            host.run("tc", "filter", "del", "dev", "wire", "ingress")
        if not percent:
            return
        source = os.path.join(self.bench.dir, "loss.c")
        with open(source, "w") as f:
            f.write(LOSS)
        _run("clang", "-O2", "-target", "bpf", f"-I/usr/include/{os.uname().machine}-linux-gnu",
             f"-DPERCENT={percent}", "-c", source, "-o", source + ".o")
        for host in (self.near, self.far):
            host.run("tc", "filter", "add", "dev", "wire", "ingress", "bpf", "direct-action",
                     "object-file", source + ".o", "section", "tc")

    def drop_route(self):
        self.near.run("ip", "route", "del", "10.87.0.0/24")

    def retransmissions(self):
        """Segments that the near host has sent again since it exists."""
        lines = self.near.run("cat", f"/proc/{self.near.pid}/net/snmp").splitlines()
        names, values = [line.split() for line in lines if line.startswith("Tcp:")]
        return int(values[names.index("RetransSegs")])
