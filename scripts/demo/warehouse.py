# SPDX-License-Identifier: GPL-2.0-or-later
"""The warehouse wants to count lamps in, and meets the lock that the shop forgot."""

import time

import psycopg2

db = psycopg2.connect("application_name=warehouse")
began = time.monotonic()
db.cursor().execute("update stock set pieces = pieces + 10 where item = 'lamp'")
db.commit()
print(f"{time.monotonic() - began:.1f}", flush=True)
