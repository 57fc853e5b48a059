# SPDX-License-Identifier: GPL-2.0-or-later
"""An application on PyMySQL that does as it is told; see lib/client.py."""

import os
import sys
import threading
import time

import pymysql


def dial():
    return pymysql.connect(
        host=os.environ["DB_HOST"], port=int(os.environ["DB_PORT"]), user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"], database=os.environ["DB_NAME"], autocommit=True,
        local_infile=True, ssl={"fake": True} if "DB_SSL" in os.environ else None)


db = dial()


def busy():
    c = dial()
    while True:
        c.begin()
        c.cursor().execute("select count(*) from account")
        c.commit()
        time.sleep(0.02)


def run(sql):
    try:
        cursor = db.cursor()
        cursor.execute(sql)
        rows = cursor.fetchall()
        return f"ok {cursor.rowcount} {rows[0][0] if rows else ''}"
    except pymysql.MySQLError as e:
        return f"error - {e.args[0]} {e.args[-1]}"


def obey(word, rest):
    if word in ("begin", "commit", "rollback"):
        return run(word)
    if word == "query":
        return run(rest)
    if word in ("manual", "auto"):
        db.autocommit(word == "auto")
        return "ok"
    if word == "backend":
        return f"ok {db.thread_id()}"
    if word == "busy":
        for _ in range(int(rest)):
            threading.Thread(target=busy, daemon=True).start()
        return "ok"
    return f"error - unknown word {word}"


print("ok", flush=True)
for line in sys.stdin:
    command, _, argument = line.rstrip("\n").partition(" ")
    if command == "quit":
        break
    print(obey(command, argument).replace("\n", " "), flush=True)
