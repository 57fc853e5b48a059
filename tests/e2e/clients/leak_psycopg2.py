# SPDX-License-Identifier: GPL-2.0-or-later
"""An application on psycopg2 that does as it is told; see lib/client.py."""

import sys
import threading
import time

import psycopg2
from psycopg2 import extensions

STATES = {
    extensions.TRANSACTION_STATUS_IDLE: "idle",
    extensions.TRANSACTION_STATUS_ACTIVE: "active",
    extensions.TRANSACTION_STATUS_INTRANS: "intrans",
    extensions.TRANSACTION_STATUS_INERROR: "inerror",
    extensions.TRANSACTION_STATUS_UNKNOWN: "unknown",
}
db = psycopg2.connect("")
# The words begin and commit are sent as given: what the server says is to be seen.
db.autocommit = True
more = []


def busy():
    c = psycopg2.connect("")
    more.append(c)
    while True:
        c.cursor().execute("select count(*) from account")
        c.commit()
        time.sleep(0.02)


def run(sql):
    try:
        cursor = db.cursor()
        cursor.execute(sql)
        first = cursor.fetchone()[0] if cursor.description and cursor.rowcount else ""
        return f"ok {cursor.statusmessage} {first}"
    except psycopg2.Error as e:
        return f"error {e.pgcode or '-'} {str(e).splitlines()[0]}"


def obey(word, rest):
    if word in ("begin", "commit", "rollback"):
        return run(word)
    if word == "query":
        return run(rest)
    if word == "status":
        return "ok " + STATES[db.info.transaction_status]
    if word == "backend":
        return f"ok {db.info.backend_pid}"
    if word == "busy":
        for _ in range(int(rest)):
            threading.Thread(target=busy, daemon=True).start()
        return "ok"
    if word == "open":
        more.extend(psycopg2.connect("") for _ in range(int(rest)))
        return "ok"
    return f"error - unknown word {word}"


print("ok", flush=True)
for line in sys.stdin:
    command, _, argument = line.rstrip("\n").partition(" ")
    if command == "quit":
        break
    print(obey(command, argument).replace("\n", " "), flush=True)
