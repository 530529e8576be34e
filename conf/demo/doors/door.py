#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A CGI program in Python with nothing but a Redis client: the session is a
# hash, a field is JSON text.
import json
import os
import redis

key = os.environ["DRSESSION_KEY"]
idle = int(os.environ["DRSESSION_IDLE"])
store = redis.Redis.from_url(os.environ["DRSESSION_URL"], socket_timeout=2)
asked = os.environ["QUERY_STRING"]


def change(pipe):
    # Runs once more if somebody else wrote after the WATCH. What has ended
    # is not brought back.
    if os.environ["DRSESSION_STATUS"] == "live" and not pipe.exists(key):
        raise redis.RedisError("the session has ended")
    cart = json.loads(pipe.hget(key, "cart") or "[]")
    pipe.multi()
    if asked == "visit":
        pipe.hincrby(key, "visits", 1)
    else:
        pipe.hset(key, "cart", json.dumps(cart + [asked]))
    if idle:
        pipe.pexpire(key, idle)


def answer(status, session):
    print(f"Status: {status}\r\nContent-Type: application/json\r\n\r\n"
          + json.dumps(session))


try:
    if os.environ["REQUEST_METHOD"] != "POST":
        pass
    elif asked in ("visit", "tea", "coffee", "cake"):
        store.transaction(change, key)
    else:
        raise SystemExit(answer(400, {}))
    answer(200, {field.decode(): json.loads(value)
                 for field, value in store.hgetall(key).items()})
except redis.RedisError:
    answer(503, {})
