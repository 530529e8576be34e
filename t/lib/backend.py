# SPDX-License-Identifier: MIT
# A backend for tests: HTTP/1.1, FastCGI, SCGI and uwsgi, each on a port of
# loopback. The query of a request is the response, percent-encoded lines:
# "Status: N" first, if it is not 200. The path chooses how it is sent:
# stream (chunks, slowly), gate (a chunk, and another one when there is a file
# of the name that the line X-Gate gives), echo (the request's own headers, or
# parameters of FastCGI, as the body), else at once with a length. Ends with its standard input.
import os
import socket
import struct
import sys
import threading
import time
from urllib.parse import unquote_to_bytes

import fcgi


def listen():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(64)
    return server


def serve(server, talk):
    while True:
        link, _ = server.accept()
        threading.Thread(target=guarded, args=(talk, link),
                         daemon=True).start()


def guarded(talk, link):
    try:
        with link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk(link)
    except OSError:
        pass


def read_spec(query):
    lines = [line for line in unquote_to_bytes(query).split(b"\n") if line]
    status = b"200"
    if lines and lines[0].startswith(b"Status: "):
        status = lines.pop(0)[8:]
    return status, lines


def send_stream(link, head):
    link.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
    for word in (b"of", b"the", b"backend"):
        time.sleep(0.05)
        link.sendall(b"%x\r\n%s\r\n" % (len(word), word))
    link.sendall(b"0\r\n\r\n")


def send_gated(link, head, lines):
    link.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    gate = [line[8:] for line in lines if line.startswith(b"X-Gate: ")][0]
    for _ in range(500):
        if os.path.exists(gate):
            break
        time.sleep(0.02)
    word = b"last" if os.path.exists(gate) else b"late"
    link.sendall(b"4\r\n%s\r\n0\r\n\r\n" % word)


def answer_http(link, request):
    line, _, headers = request.partition(b"\r\n")
    method, target, _ = line.split(b" ")
    path, _, query = target.partition(b"?")
    status, lines = read_spec(query)
    head = b"HTTP/1.1 %s X\r\nContent-Type: text/plain\r\n" % status
    head += b"".join(line + b"\r\n" for line in lines)
    bare = method == b"HEAD" or status in (b"204", b"304")
    if path.endswith(b"stream") and not bare:
        send_stream(link, head)
        return
    if path.endswith(b"gate"):
        send_gated(link, head, lines)
        return
    body = headers if path.endswith(b"echo") else b"ofthebackend"
    if status not in (b"204", b"304"):
        head += b"Content-Length: %d\r\n" % len(body)
    link.sendall(head + b"\r\n" + (b"" if bare else body))


def talk_http(link):
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = link.recv(65536)
            if not more:
                return
            data += more
        request, _, data = data.partition(b"\r\n\r\n")
        lower = request.lower()
        if b"\r\ncontent-length: " in lower:
            need = int(lower.split(b"\r\ncontent-length: ")[1].split()[0])
            while len(data) < need:
                data += link.recv(65536)
            data = data[need:]
        if b"\r\ntransfer-encoding: chunked" in lower:
            while not data.endswith(b"\r\n\r\n"):
                data += link.recv(65536)
            data = b""
        answer_http(link, request + b"\r\n")


def talk_fcgi(link):
    number, params, _ = fcgi.read_request(link)
    status, lines = read_spec(params.get("QUERY_STRING", b""))
    out = b"Status: %s\r\nContent-Type: text/plain\r\n" % status
    out += b"".join(line + b"\r\n" for line in lines)
    fcgi.write(link, number, out + b"\r\n")
    time.sleep(0.02)
    body = b"ofthebackend"
    if b"/echo" in params.get("REQUEST_URI", b""):
        body = b"".join(b"%s: %s\n" % (name.encode(), params[name])
                        for name in sorted(params))
    fcgi.finish(link, number, body)


def answer_cgi(link, query, first):
    status, lines = read_spec(query)
    out = first % status + b"Content-Type: text/plain\r\n"
    out += b"".join(line + b"\r\n" for line in lines)
    link.sendall(out + b"\r\n")
    time.sleep(0.02)
    link.sendall(b"ofthebackend")


def talk_scgi(link):
    n = b""
    while not n.endswith(b":"):
        n += fcgi.take(link, 1)
    words = fcgi.take(link, int(n[:-1]) + 1).split(b"\0")
    params = dict(zip(words[::2], words[1::2]))
    answer_cgi(link, params.get(b"QUERY_STRING", b""), b"Status: %s X\r\n")


def talk_uwsgi(link):
    _, n, _ = struct.unpack("<BHB", fcgi.take(link, 4))
    data = fcgi.take(link, n)
    words = []
    while data:
        size = struct.unpack("<H", data[:2])[0]
        words.append(data[2:2 + size])
        data = data[2 + size:]
    params = dict(zip(words[::2], words[1::2]))
    answer_cgi(link, params.get(b"QUERY_STRING", b""), b"HTTP/1.1 %s X\r\n")


ports = []
for talk in (talk_http, talk_fcgi, talk_scgi, talk_uwsgi):
    server = listen()
    ports.append(server.getsockname()[1])
    threading.Thread(target=serve, args=(server, talk), daemon=True).start()
print(*ports, flush=True)
os.read(0, 1)
