# SPDX-License-Identifier: MIT
# A FastCGI responder that works on the session of its request while it runs,
# as docs/cgi.md tells: redis-py, the key and the url out of the parameters of
# each request, expiry with the write, no write to a session that has ended.
# Lines of the request's body, words percent-encoded, are answered line by
# line: a text behind "=", "-" for none.
#
#     env NAME      a parameter       set FIELD JSON    del FIELD
#     get FIELD     what Redis holds  incr FIELD N      destroy
#
# Listens on a port of loopback, which it prints; ends with its standard input.
import os
import socket
import threading
from urllib.parse import quote_from_bytes, unquote_to_bytes

import redis

import fcgi


def write(store, params, work):
    """One command, the session alive and its expiry set, or nothing."""
    key, idle = params["DRSESSION_KEY"], int(params["DRSESSION_IDLE"])

    def once(pipe):
        if params["DRSESSION_STATUS"] == b"live" and not pipe.exists(key):
            raise redis.RedisError("the session has ended")
        pipe.multi()
        work(pipe, key)
        if idle:
            pipe.pexpire(key, idle)
    return store.transaction(once, key)[0]


def run(store, params, words):
    key, field = params["DRSESSION_KEY"], words[1] if words[1:] else b""
    if words[0] == b"env":
        return params.get(field.decode())
    if words[0] == b"get":
        return store.hget(key, field)
    if words[0] == b"set":
        write(store, params, lambda pipe, key: pipe.hset(key, field, words[2]))
    elif words[0] == b"incr":
        return b"%d" % write(store, params, lambda pipe, key: pipe.hincrby(
            key, field, int(words[2])))
    elif words[0] == b"del":
        write(store, params, lambda pipe, key: pipe.hdel(key, field))
    elif words[0] == b"destroy":
        store.delete(key)
    return b""


def answer(params, body, stores):
    try:
        url = params["DRSESSION_URL"].decode()
        if url not in stores:
            stores[url] = redis.Redis.from_url(url, socket_timeout=5)
        said = [run(stores[url], params, [unquote_to_bytes(word)
                for word in line.split(b" ")]) for line in body.splitlines()]
    except (KeyError, redis.RedisError) as error:
        return b"Status: 503\r\n\r\n" + repr(error).encode()
    return b"Content-Type: text/plain\r\n\r\n" + b"".join(
        b"-\n" if text is None else b"=%s\n" % quote_from_bytes(text).encode()
        for text in said)


def talk(link, stores):
    try:
        number, params, body = fcgi.read_request(link)
        fcgi.finish(link, number, answer(params, body, stores))
    except OSError:
        pass
    finally:
        link.close()


def serve(server):
    stores = {}
    while True:
        link, _ = server.accept()
        threading.Thread(target=talk, args=(link, stores), daemon=True).start()


server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(64)
threading.Thread(target=serve, args=(server,), daemon=True).start()
print(server.getsockname()[1], flush=True)
os.read(0, 1)
