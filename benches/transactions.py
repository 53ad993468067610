"""The peer of the bench: missed transactions as a script resolves them, with redis-py or pika, and requests; one by one, or with threads.

Called with the kind of queue (redis, amqp), its address, the address of bank and master, the token, how many threads, and how many
transactions.
"""

import json
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit

import pika
import redis
import requests

kind, address, base, token, threads, count = *sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6])
left = threading.Semaphore(count)
place = urlsplit(address)
asked = parse_qs(place.query)


def from_redis(name):
    queue = redis.Redis(port=place.port, decode_responses=True)
    stream, group = place.path.strip("/"), asked["group"][0]
    while left.acquire(blocking=False):
        found = queue.xreadgroup(group, name, {stream: ">"}, count=1)
        if not found:
            return
        entry, fields = found[0][1][0]
        yield fields["body"], lambda: queue.xack(stream, group, entry)


def from_rabbit(_name):
    parameters = pika.ConnectionParameters(place.hostname, place.port, unquote(place.path[1:]))
    channel = pika.BlockingConnection(parameters).channel()
    while left.acquire(blocking=False):
        method, _, body = channel.basic_get(asked["queue"][0])
        if not method:
            return
        yield body, lambda: channel.basic_ack(method.delivery_tag)


def work(name):
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    for body, done in (from_redis if kind == "redis" else from_rabbit)(name):
        transaction = json.loads(body)
        issuer, which = transaction["issuer"], transaction["id"]
        answer = session.get(f"{base}/bank/confirmations/{which}", params={"issuer": issuer})
        result = {"confirmed": "committed", "declined": "cancelled"}[answer.json()["status"]]
        session.post(
            f"{base}/master/transactions/{which}/result",
            json={"issuer": issuer, "result": result},
            headers={"Idempotency-Key": f"{issuer}/{which}"},
        ).raise_for_status()
        done()


begun = time.monotonic()
workers = [threading.Thread(target=work, args=(f"script-{number}",)) for number in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(time.monotonic() - begun)
