#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stranger to mod_drsession who follows its wire format: one hash a
session, one field a key, JSON text a value. Standard library only.

    wire.py PORT write            make a session, print its id
    wire.py PORT read ID          print a session as one JSON object
    wire.py PORT set ID FIELD JSON
    wire.py PORT incr ID FIELD N
"""
import json
import secrets
import socket
import sys

PREFIX = b"drsession:"
WRITTEN = {
    "user": "J\u00e4rv \u20ac \U0001f600", "n": 41, "big": 10 ** 30,
    "pi": 3.5, "yes": True, "none": None, "list": [1, "two", [3]],
    "deep": {"a": {"b": [{}]}}, "": "no name", "a b": "blank",
    "nan": float("nan"),
}


class Redis:
    """One connection, one command at a time."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port)) \
            .makefile("rwb")

    def __call__(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode("utf-8")
                 for w in words]
        self.stream.write(b"*%d\r\n" % len(words))
        for word in words:
            self.stream.write(b"$%d\r\n%s\r\n" % (len(word), word))
        self.stream.flush()
        return self.reply()

    def reply(self):
        line = self.stream.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$" and int(rest) >= 0:
            return self.stream.read(int(rest) + 2)[:-2]
        return None if kind == b"$" else rest


def main(port, verb, ident=None, *rest):
    redis = Redis(int(port))
    if verb == "write":
        ident = secrets.token_urlsafe(32)
        for field, value in WRITTEN.items():
            if field:
                redis("HSET", PREFIX + ident.encode(), field,
                      json.dumps(value))
        redis("EXPIRE", PREFIX + ident.encode(), 3600)
        print(ident)
        return
    key = PREFIX + ident.encode()
    if verb == "read":
        flat = redis("HGETALL", key)
        print(json.dumps({flat[i].decode(): json.loads(flat[i + 1])
                          for i in range(0, len(flat), 2)}))
    elif verb == "set":
        redis("HSET", key, rest[0], json.dumps(json.loads(rest[1])))
    elif verb == "incr":
        print(redis("HINCRBY", key, rest[0], rest[1]))


main(*sys.argv[1:])
