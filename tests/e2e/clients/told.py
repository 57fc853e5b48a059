# SPDX-License-Identifier: GPL-2.0-or-later
"""What the clients in Python that do as they are told have in common; see lib/client.py."""

import sys
import threading
import time


def for_ever(step):
    while True:
        step()
        time.sleep(0.02)


def obey_lines(run, at_work, words):
    """Obeys until told to quit.

    run(sql)    the answer to a statement, a line
    at_work()   a connection of its own, as what is to be done on it again and again
    words       others: by name, what is given the rest of the line and returns an answer
    """
    def busy(count):
        for _ in range(int(count)):
            threading.Thread(target=lambda: for_ever(at_work()), daemon=True).start()
        return "ok"

    words = {"query": run, "busy": busy, **words}
    words.update({word: lambda _, word=word: run(word) for word in ("begin", "commit", "rollback")})
    print("ok", flush=True)
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "quit":
            break
        answer = words[word](rest) if word in words else f"error - unknown word {word}"
        print(answer.replace("\n", " "), flush=True)
