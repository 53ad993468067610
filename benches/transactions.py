"""The peer of the bench: missed transactions as a script resolves them, with redis-py and requests; one by one, or with threads.

Called with the port of Redis, the address of bank and master, the token, how many threads, and how many transactions.
"""

import json
import sys
import threading
import time

import redis
import requests

port, base, token, threads, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
left = threading.Semaphore(count)


def work(name):
    queue = redis.Redis(port=int(port), decode_responses=True)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    while left.acquire(blocking=False):
        found = queue.xreadgroup("master", name, {"missed": ">"}, count=1)
        if not found:
            return
        entry, fields = found[0][1][0]
        transaction = json.loads(fields["body"])
        issuer, which = transaction["issuer"], transaction["id"]
        answer = session.get(f"{base}/bank/confirmations/{which}", params={"issuer": issuer})
        result = {"confirmed": "committed", "declined": "cancelled"}[answer.json()["status"]]
        session.post(
            f"{base}/master/transactions/{which}/result",
            json={"issuer": issuer, "result": result},
            headers={"Idempotency-Key": f"{issuer}/{which}"},
        ).raise_for_status()
        queue.xack("missed", "master", entry)


begun = time.monotonic()
workers = [threading.Thread(target=work, args=(f"script-{number}",)) for number in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(time.monotonic() - begun)
