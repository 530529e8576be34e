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
import struct
import threading
from urllib.parse import quote_from_bytes, unquote_to_bytes

import redis


def take(link, n):
    data = b""
    while len(data) < n:
        more = link.recv(n - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def read_params(data):
    params = {}
    while data:
        sizes = []
        for _ in (0, 1):
            width, mask = (1, 0xff) if data[0] < 128 else (4, 0x7fffffff)
            sizes.append(int.from_bytes(data[:width], "big") & mask)
            data = data[width:]
        params[data[:sizes[0]].decode()] = data[sizes[0]:sum(sizes)]
        data = data[sum(sizes):]
    return params


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


def record(kind, number, data):
    return struct.pack(">BBHHBB", 1, kind, number, len(data), 0, 0) + data


def talk(link, stores):
    params = body = b""
    try:
        while True:
            _, kind, number, n, pad, _ = struct.unpack(">BBHHBB",
                                                       take(link, 8))
            data = take(link, n + pad)[:n]
            params += data if kind == 4 else b""
            body += data if kind == 5 else b""
            if kind == 5 and not data:
                break
        out = answer(read_params(params), body, stores)
        link.sendall(record(6, number, out) + record(6, number, b"")
                     + record(3, number, bytes(8)))
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
