# SPDX-License-Identifier: GPL-2.0-or-later
"""An application on psycopg2 that does as it is told; see lib/client.py."""

import psycopg2
from psycopg2 import extensions

import told

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


def at_work():
    c = psycopg2.connect("")

    def step():
        c.cursor().execute("select count(*) from account")
        c.commit()
    return step


def run(sql):
    try:
        cursor = db.cursor()
        cursor.execute(sql)
        first = cursor.fetchone()[0] if cursor.description and cursor.rowcount else ""
        return f"ok {cursor.statusmessage} {first}"
    except psycopg2.Error as e:
        return f"error {e.pgcode or '-'} {str(e).splitlines()[0]}"


def open_more(count):
    more.extend(psycopg2.connect("") for _ in range(int(count)))
    return "ok"


told.obey_lines(run, at_work, {
    "status": lambda _: "ok " + STATES[db.info.transaction_status],
    "backend": lambda _: f"ok {db.info.backend_pid}",
    "open": open_more,
})
