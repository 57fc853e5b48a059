# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo: a shop leaks a transaction, plimsoll finds it, defuses it, and the shop lives on.

Everything is private to it (directory, port, daemon) and gone at the end.  Exit code 0
only if the leak was found and mended and the shop's connection still works.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from lib import tap  # noqa: E402
from lib.postgres import Postgres  # noqa: E402

BUILD = os.path.join(ROOT, sys.argv[1])
CONFIG = """\
mode: fix
detectors:
  idle-in-txn: { grace: 3s }
rules:
  - match: { kind: idle-in-txn, endpoint: "127.0.0.1:%d" }
    act: [ defuse after 2s ]
budget: { share: 100%% }
"""


def tell(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


class Demo:
    def __init__(self):
        self.pg = None
        self.processes = []
        self.dir = tempfile.mkdtemp(prefix="plimsoll-demo-")

    def close(self):
        for p in reversed(self.processes):
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        if self.pg:
            self.pg.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, command, **more):
        p = subprocess.Popen(command, preexec_fn=tap.die_with_parent, text=True, **more)
        self.processes.append(p)
        return p

    def run_app(self, name):
        return self.start(["/usr/bin/python3", os.path.join(HERE, "demo", name)],
                          env=self.pg.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def plimsoll(self, *args, show=True):
        done = subprocess.run([os.path.join(BUILD, "plimsoll"), "--run", self.dir, *args],
                              capture_output=True, text=True)
        if show:
            print(f"\n  $ plimsoll {' '.join(args)}")
            print("".join(f"  {line}\n" for line in (done.stdout or done.stderr).splitlines()),
                  end="", flush=True)
        return done

    def start_daemon(self):
        config = os.path.join(self.dir, "plimsoll.yaml")
        log = os.path.join(self.dir, "log")
        with open(config, "w") as f:
            f.write(CONFIG % self.pg.port)
        with open(log, "w") as out:
            d = self.start([os.path.join(BUILD, "plimsolld"), "--foreground", "--run", self.dir,
                            "--state", self.dir, "--config", config], stdout=out, stderr=out)

        def up():
            if d.poll() is not None:
                with open(log) as f:
                    raise AssertionError(f"plimsolld ended: {f.read()}")
            return self.plimsoll("status", show=False).returncode == 0
        tap.wait_for(up, 10, "plimsolld to answer")

    def conns_json(self, pid):
        return self.plimsoll("--json", "conns", f"pid={pid}", show=False).stdout

    def waiting(self):
        return self.pg.ask("select 1 from pg_stat_activity where application_name = 'warehouse' "
                           "and wait_event_type = 'Lock'")

    def locks(self):
        return self.pg.ask("select l.pid from pg_locks l join pg_class c on c.oid = l.relation "
                           "join pg_stat_activity a on a.pid = l.pid where c.relname = 'stock' "
                           "and a.application_name = 'shop'")


def play(demo):
    tell("1. A PostgreSQL of our own, and plimsolld beside it with one rule:")
    demo.pg = Postgres()
    c = demo.pg.admin()
    c.cursor().execute("create table stock (item text primary key, pieces int);"
                       "create table orders (customer text, item text);"
                       "insert into stock values ('lamp', 5), ('chair', 5);"
                       "grant all on stock, orders to app")
    c.close()
    demo.start_daemon()
    print("".join(f"  | {line}\n" for line in (CONFIG % demo.pg.port).splitlines()), end="")

    tell("2. A shop in Python opens. One way out of its buy() forgets to end the transaction:")
    shop = demo.run_app("shop.py")
    for _ in range(3):
        print("  shop:", shop.stdout.readline().strip(), flush=True)
    tap.true(demo.locks(), "the shop holds its lock")

    tell("3. The warehouse wants to update the same row, and hangs on the forgotten lock:")
    warehouse = demo.run_app("warehouse.py")
    tap.wait_for(demo.waiting, 5, "the warehouse to wait for the lock")
    tap.wait_for(lambda: '"busy"' in demo.conns_json(warehouse.pid), 5, "a busy warehouse")
    demo.plimsoll("conns", f"endpoint=127.0.0.1:{demo.pg.port}")

    tell("4. Three seconds of silence in an open transaction: plimsoll says so.")
    tap.wait_for(lambda: '"confirmed"' in demo.plimsoll("--json", "leaks", f"pid={shop.pid}",
                                                        show=False).stdout,
                 10, "the leak to be found")
    demo.plimsoll("leaks", f"pid={shop.pid}")

    tell("5. Two seconds later the rule lets it act: the transaction is put into the failed state.")
    tap.wait_for(lambda: not demo.locks(), 10, "the lock to be freed")
    waited = warehouse.stdout.readline().strip()
    print(f"  warehouse: my update went through, I had waited {waited} s")
    tap.wait_for(lambda: '"done"' in demo.plimsoll("--json", "journal", show=False).stdout,
                 5, "the outcome in the journal")
    demo.plimsoll("journal")

    tell("6. The shop was not harmed: same process, same connection. Its next customer:")
    with open(f"/proc/{shop.pid}/stat") as f:
        tap.true(f.read().rpartition(")")[2].split()[0] not in "Tt", "the shop is running")
    shop.stdin.write("\n")
    shop.stdin.flush()
    first, second = shop.stdout.readline().strip(), shop.stdout.readline().strip()
    print(f"  shop: {first}\n  shop: (rolls back, tries again)\n  shop: {second}")
    tap.true("25P02" in first, "the shop is told that its transaction was aborted")
    tap.same(second, "Dora bought a chair", "the shop works again")
    pieces = dict(demo.pg.ask("select item, pieces from stock"))
    tap.same(pieces, {"lamp": 14, "chair": 3}, "stock: no lost update, no half sale")
    tap.wait_for(lambda: '"idle"' in demo.conns_json(shop.pid), 5, "the shop to be idle again")
    demo.plimsoll("conns", f"pid={shop.pid}")
    tell("Found, mended, nothing lost: 5 lamps - 1 sold + 10 delivered = 14; the declined sale "
         "left no trace.")


def main():
    def on_term(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_term)
    demo = Demo()
    try:
        play(demo)
    except (AssertionError, OSError, subprocess.SubprocessError, tap.Skip) as e:
        print(f"\nThe demo failed: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        demo.close()
    return 0


sys.exit(main())
