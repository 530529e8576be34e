# SPDX-License-Identifier: MIT
# The application's side of FastCGI, one request a connection: what a backend
# for tests needs of it.
import struct

PARAMS, STDIN, STDOUT, END_REQUEST = 4, 5, 6, 3


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


def read_request(link):
    """The number of the request, its parameters by name, its body."""
    params = body = b""
    while True:
        _, kind, number, n, pad, _ = struct.unpack(">BBHHBB", take(link, 8))
        data = take(link, n + pad)[:n]
        params += data if kind == PARAMS else b""
        body += data if kind == STDIN else b""
        if kind == STDIN and not data:
            return number, read_params(params), body


def write(link, number, data):
    link.sendall(record(STDOUT, number, data))


def finish(link, number, data):
    """What is left to be said, and that it is all."""
    link.sendall(record(STDOUT, number, data) + record(STDOUT, number, b"")
                 + record(END_REQUEST, number, bytes(8)))


def record(kind, number, data):
    return struct.pack(">BBHHBB", 1, kind, number, len(data), 0, 0) + data
