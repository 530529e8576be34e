#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# An application behind a proxy. It knows neither Redis nor the cookie: httpd
# shows it the session in request headers and does what its response headers
# named DRSession say.
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class App(BaseHTTPRequestHandler):
    timeout = 10

    def field(self, header, default):
        text = self.headers.get(header, default)
        return text.encode("latin-1").decode("utf-8")

    def do_GET(self):
        self.answer(200, {
            "user": self.field("X-Session-User", ""),
            "visits": self.field("X-Session-Visits", "0"),
            "cart": json.loads(self.field("X-Session-Cart", "[]"))})

    def do_POST(self):
        item = self.path.partition("?")[2]
        cart = json.loads(self.field("X-Session-Cart", "[]"))
        if item == "visit":
            self.answer(200, {}, "incr visits 1")
        elif item in ("tea", "coffee", "cake"):
            self.answer(200, {}, "set cart " + json.dumps(cart + [item]))
        else:
            self.answer(400, {})

    def answer(self, status, session, change=None):
        body = json.dumps(session).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if change:
            self.send_header("DRSession", change)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def service_actions(self):
        # The demo is gone when its folder is: nothing is left behind.
        if not os.path.exists(sys.argv[1]):
            os._exit(0)


server = Server(("127.0.0.1", 0), App)
print(server.server_port, flush=True)
server.serve_forever()
