# SPDX-License-Identifier: MIT
"""A stand-in for the package drsession 1.2.0 where that is not installed:
what a recipe needs of it, by its documentation and with its wire format. One
hash a session, JSON text a field, `+=` by HINCRBY, a cookie with 43 characters
of base64url, no expiry, and any cookie is taken for an id.
"""
import json
import secrets
from http.cookies import SimpleCookie


class Count(int):
    """An integer that remembers what was added to it."""
    added = None

    def __iadd__(self, n):
        count = Count(int(self) + n)
        count.added = (self.added or 0) + n
        return count


class Session:
    def __init__(self, server, key):
        self.server = server
        self.base_key = key

    def __getitem__(self, field):
        text = self.server.hget(self.base_key, field)
        if text is None:
            raise KeyError(field)
        value = json.loads(text)
        return Count(value) if isinstance(value, int) else value

    def __setitem__(self, field, value):
        if getattr(value, "added", None) is not None:
            self.server.hincrby(self.base_key, field, value.added)
        else:
            self.server.hset(self.base_key, field, json.dumps(value))

    def get(self, field, default=None):
        try:
            return self[field]
        except KeyError:
            return default


class SessionMiddleware:
    def __init__(self, app, prefix="drsession:", cookie="drsession",
                 env="drsession", redis_server=None):
        self.app = app
        self.prefix = prefix
        self.cookie = cookie
        self.env = env
        self.server = redis_server

    def __call__(self, environ, start):
        sent = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self.cookie)
        ident = sent.value if sent else secrets.token_urlsafe(32)
        environ[self.env] = Session(self.server, self.prefix + ident)

        def answer(status, headers, *more):
            line = f"{self.cookie}={ident}; HttpOnly; Path=/"
            return start(status, headers if sent
                         else headers + [("Set-Cookie", line)], *more)
        return self.app(environ, answer)
