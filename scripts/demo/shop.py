# SPDX-License-Identifier: GPL-2.0-or-later
"""A little shop with a bug you have seen before: one way out of buy() forgets the transaction."""

import sys

import psycopg2

db = psycopg2.connect("application_name=shop")


def buy(customer, item, card):
    cursor = db.cursor()
    cursor.execute("update stock set pieces = pieces - 1 where item = %s", (item,))
    if card == "declined":
        return f"{customer}: card declined"  # neither commit nor rollback
    cursor.execute("insert into orders values (%s, %s)", (customer, item))
    db.commit()
    return f"{customer} bought a {item}"


print(buy("Ada", "lamp", "good"), flush=True)
print(buy("Ben", "chair", "good"), flush=True)
print(buy("Cleo", "lamp", "declined"), flush=True)

# Nobody shops for a while.  Then the next customer meets the forgotten transaction.
sys.stdin.readline()
try:
    print(buy("Dora", "chair", "good"), flush=True)
except psycopg2.Error as e:
    print(f"error {e.pgcode}: {str(e).strip()}", flush=True)
    db.rollback()
print(buy("Dora", "chair", "good"), flush=True)
sys.stdin.readline()
