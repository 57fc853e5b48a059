# SPDX-License-Identifier: GPL-2.0-or-later
"""An application on PyMySQL that does as it is told; see lib/client.py."""

import os

import pymysql

import told


def dial():
    return pymysql.connect(
        host=os.environ["DB_HOST"], port=int(os.environ["DB_PORT"]), user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"], database=os.environ["DB_NAME"], autocommit=True,
        local_infile=True, ssl={"fake": True} if "DB_SSL" in os.environ else None)


db = dial()


def at_work():
    c = dial()

    def step():
        c.begin()
        c.cursor().execute("select count(*) from account")
        c.commit()
    return step


def run(sql):
    try:
        cursor = db.cursor()
        cursor.execute(sql)
        rows = cursor.fetchall()
        return f"ok {cursor.rowcount} {rows[0][0] if rows else ''}"
    except pymysql.MySQLError as e:
        return f"error - {e.args[0]} {e.args[-1]}"


def autocommit(on):
    db.autocommit(on)
    return "ok"


told.obey_lines(run, at_work, {
    "manual": lambda _: autocommit(False),
    "auto": lambda _: autocommit(True),
    "backend": lambda _: f"ok {db.thread_id()}",
})
