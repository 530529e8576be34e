#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Live access from Python: what visits.sh does, with redis-py and no command.
# A session that was live when the request began is never brought back.
import json
import os
import redis

key = os.environ["DRSESSION_KEY"]
idle = int(os.environ["DRSESSION_IDLE"])
name = os.environ.get("QUERY_STRING")
store = redis.Redis.from_url(os.environ["DRSESSION_URL"], socket_timeout=2)


def visit(pipe):
    if os.environ["DRSESSION_STATUS"] == "live" and not pipe.exists(key):
        raise redis.RedisError("the session has ended")
    pipe.multi()
    pipe.hincrby(key, "visits", 1)
    if name:
        pipe.hset(key, "name", json.dumps(name))
    pipe.hget(key, "name")
    if idle:
        pipe.pexpire(key, idle)


try:
    done = store.transaction(visit, key)
    held = done[2 if name else 1]
    print("Content-Type: text/plain\r\n\r")
    print("Visit %d of %s." % (done[0],
                               json.loads(held) if held else "stranger"))
except redis.RedisError:
    print("Status: 503\r\nContent-Type: text/plain\r\n\r\nTry again.")
