#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Clients of httpd that write down what they asked and what they were told.
# `driver.py JSON`: {"number": of this driver, "clients": how many, "ports":
# [...], "redis": path of its socket, "folder": where hist-* goes, "until":
# us on the monotonic clock, "sessions": alive at once, "doors": {name:
# weight}, "seed": n}. A client waits for an answer before it asks again;
# several of them use one session at once. A session that is over is read
# once more, from Redis itself, and then its history is a line of hist-*.
import json
import random
import select
import socket
import sys
import time

ROOM = 100000           # counts of a counter before the next one's begin
PATIENCE = 15           # seconds; no answer by then is a fault of its own
SLOW = 10 * 1000000     # us; and so is one that takes longer
EXPORTED = ["tag", "c0", "c1", "m0", "m1", "p0a", "p0b"]
WORDS = {"notfound", "exists", "down", "unsure", "gone", "reply", "sent"}


def now():
    return time.monotonic_ns() // 1000


class Session:
    def __init__(self, number, index):
        self.tag = f"d{number}s{index}"
        self.ids = []           # one an epoch
        self.base = {f"c{k}": ((number * 1000000 + index) * 2 + k + 1) * ROOM
                     for k in (0, 1)}
        self.n = 0
        self.ops = []
        self.flying = 0         # requests under way
        self.left = random.randrange(40, 140)   # calls
        self.over = False       # nothing is asked of it any more, but ghosts
        self.ghosts = 0
        self.names = {}         # of the register at hand: [generation, uses]

    def __len__(self):
        return len(self.ids)

    def next_n(self):
        self.n += 1
        return self.n

    def name(self, stem):
        """The field that a stem stands for; worn out ones are left."""
        state = self.names.setdefault(stem, [0, 0])
        state[1] += 1
        if state[1] > 40:
            state[0], state[1] = state[0] + 1, 0
        return stem if state[0] == 0 else f"{stem}.{state[0]}"

    def wear(self, field, much):
        stem = field.partition(".")[0]
        if stem[0] in "mp":
            self.names.setdefault(stem, [0, 0])[1] += much

    def leave(self, field):
        """A write of a single writer may come later: nobody waits for it."""
        stem = field.partition(".")[0]
        if self.name(stem) == field:
            self.names[stem][0] += 1


def value(session, field, client, n, pad=0):
    more = f',"x":"{"x" * pad}"' if pad else ""
    return (f'{{"s":"{session.tag}","f":"{field}","w":{client},"n":{n}{more}}}')


class Call:
    """One verb of a request, until it has become an Op."""

    def __init__(self, kind, field="", n=None, pad=0):
        self.kind = kind
        self.field = field
        self.n = n
        self.pad = pad
        self.status = "lost"
        self.value = None
        self.other = 0
        self.start = self.end = 0
        self.waited = -1

    def op(self, epoch, door, client):
        return [self.kind, self.field, self.n, self.status, self.value, epoch,
                self.other, self.start, self.end, door, client, self.waited]


def read(session, call, text, field=None):
    """Judge a value that was read: whose is it?"""
    try:
        found = json.loads(text)
        if call.kind == "num":
            base = session.base[call.field]
            if base <= found < base + ROOM or call.other:
                call.status, call.value = "ok", found
                return
        elif found["s"] == session.tag and found["f"] == (field or call.field):
            call.status, call.value = "ok", found["n"]
            return
    except (ValueError, KeyError, TypeError):
        pass
    call.status, call.value = "alien", str(text)[:160]


def read_pair(session, call, left, right):
    read(session, call, left, call.field + "a")
    if call.status != "ok":
        return
    n = call.value
    read(session, call, right, call.field + "b")
    if call.status == "ok" and call.value != n:
        call.status, call.value = "torn", f"{n} and {call.value}"


def take_sum(session, call, text):
    base = session.base[call.field]
    if call.other or text.isdigit() and base < int(text) < base + ROOM:
        call.status, call.value = "ok", None if call.other else int(text)
    else:
        call.status, call.value = "alien", text[:160]


# Doors. Each makes a request of calls, (method, path, body), and judges the
# answer: its status, headers and body.

class Lines:
    """Lines of calls, lines of answers; each is followed by a mark."""

    def __init__(self, path):
        self.path = path

    def ask(self, session, calls, client):
        lines = ["mark"]
        for call in calls:
            lines += [self.line(session, call, client), "mark"]
        return "POST", self.path, "\n".join(lines) + "\n"

    @staticmethod
    def line(session, call, client):
        f, kind = call.field, call.kind
        if kind == "born":
            c = session.base
            return (f"set_many tag {value(session, 'tag', client, call.n)}"
                    f"\tc0 {c['c0']}\tc1 {c['c1']}")
        if kind in ("set", "add"):
            return f"{kind} {f} {value(session, f, client, call.n, call.pad)}"
        if kind == "mset":
            return (f"set_many {f}a {value(session, f + 'a', client, call.n)}"
                    f"\t{f}b {value(session, f + 'b', client, call.n)}")
        if kind == "mget":
            return f"get_many {f}a {f}b"
        if kind == "incr":
            return f"incr {f} 1"
        return {"num": f"get {f}", "end": "destroy", "renew": "regenerate",
                "all": "all"}.get(kind, f"{kind} {f}")

    @staticmethod
    def mark(line, call, begun, ended):
        """Times of a call; the time it ended, and the id then."""
        _, at, waited, name = line.split(" ")
        at = int(at)
        if at:
            call.start, call.end, call.waited = begun, at, int(waited)
        return at or ended, name

    def judge(self, session, calls, epoch, answer):
        expected = session.ids[epoch] if epoch >= 0 else None
        lines = answer.body.split("\n")
        if answer.code != 200 or len(lines) != len(calls) * 2 + 2:
            for call in calls:
                call.status = f"http:{answer.code}"
            return
        at = begun = int(lines[0].split(" ")[1]) or calls[0].start
        name = expected
        for k, call in enumerate(calls):
            # Whose session a renew moves, the id before it tells.
            if call.kind == "renew":
                call.other = int(name != expected)
            at, name = self.mark(lines[2 * k + 2], call, at, answer.end)
            if call.kind not in ("born", "renew", "end"):
                call.other = int(name != expected)
            word, _, rest = lines[2 * k + 1].partition(" ")
            self.settle(session, call, word, rest)
        if calls[0].waited >= 0:
            whole = Call("request")
            whole.start, whole.end, whole.status = begun, at, "ok"
            whole.waited = max(call.waited for call in calls)
            calls.append(whole)

    @staticmethod
    def settle(session, call, word, rest):
        call.status = word
        if word != "ok":
            return
        if call.kind in ("get", "pop", "num"):
            read(session, call, rest)
        elif call.kind == "incr":
            take_sum(session, call, rest)
        elif call.kind == "mget":
            left, _, right = rest.partition("\t")
            if left == right == "(nil)":
                call.status = "notfound"
            else:
                read_pair(session, call, left, right)
        elif call.kind == "all":
            call.value = rest


class Rest:
    """The handler "drsession"."""

    many = False

    def ask(self, session, calls, client):
        call = calls[0]
        path = f"/session/{call.field}"
        text = value(session, call.field, client, call.n, call.pad)
        if call.kind == "born":
            c = session.base
            return "PATCH", "/session/", (
                f'{{"tag":{value(session, "tag", client, call.n)},'
                f'"c0":{c["c0"]},"c1":{c["c1"]}}}')
        if call.kind == "mset":
            f = call.field
            return "PATCH", "/session/", (
                f'{{"{f}a":{value(session, f + "a", client, call.n)},'
                f'"{f}b":{value(session, f + "b", client, call.n)}}}')
        return {
            "set": ("PUT", path, text), "add": ("PUT", path + "?add", text),
            "get": ("GET", path, None), "num": ("GET", path, None),
            "has": ("HEAD", path, None), "del": ("DELETE", path, None),
            "incr": ("POST", path + "?incr=1", ""),
            "pop": ("POST", path + "?pop", ""),
            "end": ("DELETE", "/session/", None),
            "renew": ("POST", "/session/?regenerate", ""),
            "all": ("GET", "/session/", None),
        }[call.kind]

    def judge(self, session, calls, epoch, answer):
        call = calls[0]
        call.other = int(bool(answer.cookie) and call.kind not in
                         ("born", "renew", "end"))
        if answer.code in (200, 201, 204):
            Lines.settle(session, call, "ok", answer.body)
            return
        fixed = {404: "notfound", 409: "exists", 410: "gone"}
        call.status = fixed.get(answer.code, f"http:{answer.code}")
        if answer.code in (500, 503):
            try:
                word = json.loads(answer.body)["error"]
            except (ValueError, KeyError):
                word = "reply" if answer.code == 500 else \
                    "down" if answer.retry else "unsure"
            call.status = word if word in WORDS else call.status


class Environment:
    """DRSessionExport, seen by a page."""

    many = False

    def ask(self, session, calls, client):
        return "GET", "/env/page.shtml", None

    def judge(self, session, calls, epoch, answer):
        del calls[1:]
        first = calls.pop()
        if answer.code != 200:
            first.status = "down" if answer.code in (500, 503) else \
                f"http:{answer.code}"
            calls.append(first)
            return
        seen = dict(line.partition("=")[::2]
                    for line in answer.body.split("\n") if "=" in line)
        seen = {k: None if v == "(none)" else v for k, v in seen.items()}
        gone = seen.pop("STATUS", None) != "live"
        for call in spread(session, first, seen, EXPORTED):
            call.other = int(gone)
            calls.append(call)


class Header:
    """DRSessionHeader: a backend says what is to be done, all in one."""

    many = True

    def ask(self, session, calls, client):
        words = []
        for call in calls:
            f = call.field
            if call.kind in ("set", "add"):
                text = value(session, f, client, call.n)
                words.append(f"{call.kind} {f} {text}")
            elif call.kind == "mset":
                left = value(session, f + "a", client, call.n)
                right = value(session, f + "b", client, call.n)
                words.append(f'update {{"{f}a":{left},"{f}b":{right}}}')
            elif call.kind == "incr":
                words.append(f"incr {f} 1")
            else:
                words.append({"end": "destroy", "renew": "regenerate"}
                             [call.kind])
        text = "DRSession: " + ", ".join(words)
        return "GET", "/http/plain?" + "".join(
            c if c.isalnum() else f"%{ord(c):02X}" for c in text), None

    def judge(self, session, calls, epoch, answer):
        for call in calls:
            call.other = int(bool(answer.cookie) and call.kind not in
                             ("renew", "end"))
            call.status = {200: "ok"}.get(answer.code, f"http:{answer.code}")
            if call.kind == "renew" and answer.code == 200 \
                    and not answer.cookie:
                call.status = "notfound"
            if answer.code == 503:
                call.status = "down" if answer.retry else "unsure"


def spread(session, like, seen, names):
    """A view of several fields as one call a field."""
    calls = []

    def make(kind, field):
        call = Call(kind, field)
        call.start, call.end = like.start, like.end
        call.waited, call.other = like.waited, like.other
        call.status = "notfound"
        calls.append(call)
        return call

    for name in names:
        if name.endswith("b") and name[0] == "p":
            continue
        text = seen.get(name)
        if name.endswith("a") and name[0] == "p":
            call = make("mget", name[:-1])
            other = seen.get(name[:-1] + "b")
            if text is not None or other is not None:
                read_pair(session, call, text, other)
        else:
            call = make("num" if name[0] == "c" else "get", name)
            if text is not None:
                read(session, call, text)
    return calls


DOORS = {"c": Lines("/drs"), "lua": Lines("/lua/torture.lua"), "rest": Rest(),
         "env": Environment(), "header": Header()}


class Answer:
    def __init__(self, head, body, end):
        lines = head.split("\r\n")
        self.code = int(lines[0].split(" ")[1])
        self.body = body
        self.end = end
        self.cookie = None      # "" = expired
        self.retry = self.close = False
        for line in lines[1:]:
            name, _, text = line.partition(":")
            name = name.lower()
            if name == "set-cookie" and text.startswith(" drsession="):
                self.cookie = text[11:].partition(";")[0]
            elif name == "retry-after":
                self.retry = True
            elif name == "connection":
                self.close = text.strip().lower() == "close"


def parse(data, method):
    """Head, body and what is behind, or None as long as it is not whole."""
    at = data.find(b"\r\n\r\n")
    if at < 0:
        return None
    head = data[:at].decode("latin-1")
    rest = data[at + 4:]
    lower = head.lower()
    code = head[9:12]
    if method == "HEAD" or code in ("204", "304"):
        return head, ""
    if "\r\ntransfer-encoding: chunked" in lower:
        body = b""
        while True:
            line, found, more = rest.partition(b"\r\n")
            if not found:
                return None
            size = int(line, 16)
            if len(more) < size + 2:
                return None
            if size == 0:
                return head, body.decode()
            body += more[:size]
            rest = more[size + 2:]
    length = lower.partition("\r\ncontent-length:")[2].partition("\r\n")[0]
    size = int(length or 0)
    if len(rest) < size:
        return None
    return head, rest[:size].decode()


class Client:
    """One connection to httpd at a time, one request at a time."""

    def __init__(self, driver, number):
        self.driver = driver
        self.number = number
        self.link = None
        self.uses = 0
        self.data = b""
        self.job = None         # (session, calls, epoch, door, method)
        self.begun = 0

    def connect(self):
        self.uses = 0
        link = socket.create_connection(
            ("127.0.0.1", random.choice(self.driver.ports)), 20)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setblocking(False)
        self.link = link
        self.driver.watch(link, self)

    def disconnect(self):
        if self.link is not None:
            self.driver.forget(self.link)
            self.link.close()
            self.link = None

    def ask(self, session, calls, epoch, door):
        method, path, body = DOORS[door].ask(session, calls, self.number)
        lines = [f"{method} {path} HTTP/1.1", "Host: t"]
        if epoch >= 0:
            lines.append(f"Cookie: drsession={session.ids[epoch]}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.job = session, calls, epoch, door, method
        session.flying += 1
        self.data = b""
        self.begun = now()
        for call in calls:
            call.start = self.begun
        text = "\r\n".join(lines) + "\r\n\r\n" + (body or "")
        try:
            if self.link is None:
                self.connect()
            self.uses += 1
            self.link.setblocking(True)
            self.link.sendall(text.encode())
            self.link.setblocking(False)
        except OSError:
            self.finish(None)

    def on_ready(self):
        if self.job is None:        # httpd closes a connection that is idle
            self.disconnect()
            return
        try:
            more = self.link.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self.finish(None)
            return
        self.data += more
        parts = parse(self.data, self.job[4])
        if parts:
            self.finish(Answer(*parts, now()))

    def finish(self, answer):
        session, calls, epoch, door, _ = self.job
        self.job = None
        end = now()
        for call in calls:
            call.end = end
        if answer is not None:
            DOORS[door].judge(session, calls, epoch, answer)
        if answer is None or answer.close or self.uses > 40:
            self.disconnect()
        session.flying -= 1
        self.driver.learn(self, session, calls, epoch, door, answer)
        if end - self.begun > SLOW:
            hang = Call("hang")
            hang.start, hang.end, hang.status = self.begun, end, "ok"
            session.ops.append(hang.op(epoch, door, self.number))
        self.driver.idle.append(self)


class Reader:
    """Reads sessions that are over from Redis itself, one after another."""

    def __init__(self, driver):
        self.driver = driver
        self.link = None
        self.queue = []
        self.session = None
        self.data = b""
        self.again = 0          # us: not before

    def pump(self):
        if self.session is not None or not self.queue or now() < self.again:
            return
        session = self.session = self.queue.pop(0)
        self.begun = now()
        self.data = b""
        out = b""
        for k, name in enumerate(session.ids):
            key = "drsession:" + name
            out += command("EXISTS", key)
        key = "drsession:" + session.ids[-1]
        out += command("PTTL", key) + command("HGETALL", key)
        try:
            if self.link is None:
                self.link = socket.socket(socket.AF_UNIX)
                self.link.settimeout(10)
                self.link.connect(self.driver.conf["redis"])
                self.link.setblocking(False)
                self.driver.watch(self.link, self)
            self.link.sendall(out)
        except OSError:
            self.fail()

    def fail(self):
        if self.link is not None:
            if self.link.fileno() in self.driver.watched:
                self.driver.forget(self.link)
            self.link.close()
            self.link = None
        if self.session is not None:
            self.queue.append(self.session)
            self.session = None
        self.again = now() + 200000

    def on_ready(self):
        try:
            more = self.link.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more or self.session is None:
            self.fail()
            return
        self.data += more
        replies, at = [], 0
        for _ in range(len(self.session.ids) + 2):
            at, reply = parse_reply(self.data, at)
            if at < 0:
                return
            replies.append(reply)
        if any(isinstance(reply, Exception) for reply in replies):
            self.fail()         # LOADING, for one
            return
        session, self.session = self.session, None
        self.note(session, replies)
        self.driver.write(session)
        self.pump()

    def note(self, session, replies):
        end = now()
        last = len(session.ids) - 1

        def add(kind, epoch, status, found=None, field=""):
            session.ops.append([kind, field, None, status, found, epoch, 0,
                                self.begun, end, "redis", -1, -1])

        for epoch, there in enumerate(replies[:-2]):
            add("key", epoch, "ok" if there else "notfound")
        add("ttl", last, "ok", replies[-2])
        held = replies[-1]
        seen = {k.decode(): v.decode() for k, v in
                zip(held[::2], held[1::2])}
        names = {op[1] for op in session.ops if op[1]}
        wanted = []
        for name in names:
            wanted += [name + "a", name + "b"] if name[0] == "p" else [name]
        like = Call("all")
        like.start, like.end = self.begun, end
        for call in spread(session, like, seen, wanted):
            session.ops.append(call.op(last, "redis", -1))


def command(*words):
    return f"*{len(words)}\r\n".encode() + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


def parse_reply(data, at):
    end = data.find(b"\r\n", at)
    if end < 0:
        return -1, None
    kind, text, end = data[at:at + 1], data[at + 1:end], end + 2
    if kind == b":":
        return end, int(text)
    if kind == b"-":
        return end, ValueError(text)
    if kind == b"$":
        stop = end + int(text)
        return (stop + 2, data[end:stop]) if stop + 2 <= len(data) \
            else (-1, None)
    items = []
    for _ in range(int(text)):
        end, item = parse_reply(data, end)
        if end < 0:
            return -1, None
        items.append(item)
    return end, items


class Driver:
    def __init__(self, conf):
        self.conf = conf
        self.ports = conf["ports"]
        self.until = conf["until"]
        random.seed(conf.get("seed"))
        self.poll = select.epoll()
        self.watched = {}
        self.clients = [Client(self, k) for k in range(conf["clients"])]
        self.idle = list(self.clients)
        self.reader = Reader(self)
        self.alive = []         # sessions that are asked things
        self.ended = []         # over, but their ghosts are tried
        self.born = 0
        self.written = 0
        self.births = 0         # under way
        self.out = open(f"{conf['folder']}/hist-{conf['number']}", "ab",
                        1 << 18)
        self.doors = list(conf["doors"])
        self.weights = list(conf["doors"].values())
        self.flushed = now()

    def watch(self, link, who):
        self.watched[link.fileno()] = who
        self.poll.register(link.fileno(), select.EPOLLIN)

    def forget(self, link):
        del self.watched[link.fileno()]
        self.poll.unregister(link.fileno())

    def write(self, session):
        block = {"tag": session.tag, "base": session.base, "ops": session.ops}
        self.out.write(json.dumps(block, separators=(",", ":")).encode()
                       + b"\n")
        self.written += 1

    # What is asked next.

    def start(self, client):
        if len(self.alive) + self.births < self.conf["sessions"]:
            self.bear(client)
            return
        ghosts = [s for s in self.ended if s.ghosts > 0]
        if ghosts and random.random() < 0.3:
            self.haunt(client, random.choice(ghosts))
            return
        if not self.alive:
            self.idle.append(client)
            return
        session = self.alive[int(len(self.alive) * random.random() ** 2)]
        if len(session) > 1 and random.random() < 0.1:
            self.haunt(client, session)
            return
        self.use(client, session)

    def bear(self, client):
        self.born += 1
        session = Session(self.conf["number"], self.born)
        self.births += 1
        door = "rest" if random.random() < 0.2 and "rest" in self.doors \
            else "c" if "c" in self.doors else self.doors[0]
        call = Call("born", "tag", session.next_n())
        client.ask(session, [call], -1, door)

    def haunt(self, client, session):
        """Ask with an id that has ended."""
        session.ghosts -= 1
        last = len(session) - (0 if session.over else 1)
        epoch = random.randrange(last) if last > 0 else 0
        kind = random.choice(["get", "set", "incr", "num", "add", "pop", "all",
                              "mset"])
        field = {"incr": "c0", "num": "c1", "all": "",
                 "mset": "p0"}.get(kind, "m0")
        if kind == "get":
            field = "tag"
        n = session.next_n() if kind in ("set", "add", "mset") else None
        door = random.choice([d for d in self.doors if d in ("c", "rest",
                                                             "lua")])
        if door == "lua" and kind in ("add", "all", "mset"):
            kind, field, n = "set", "m0", session.next_n()
        client.ask(session, [Call(kind, field, n)], epoch, door)

    def use(self, client, session):
        door = random.choices(self.doors, self.weights)[0]
        calls = []
        for _ in range(random.randrange(1, 7) if door in ("c", "lua", "header")
                       else 1):
            call = self.pick(session, client.number, door)
            # Of one that is unsure a second write would hide the fate.
            if call.field[:1] != "w" or call.kind != "set" or not any(
                    c.field == call.field and c.kind == "set" for c in calls):
                calls.append(call)
        session.left -= len(calls)
        if session.left <= 0:
            self.retire(client, session)
            return
        if door != "env" and random.random() < 0.02:
            calls = calls[:-1] if door in ("c", "lua") else []
            calls.append(Call("renew"))
        if door == "env":
            calls = [Call("all")]
        client.ask(session, calls, len(session) - 1, door)

    def pick(self, session, number, door):
        dice = random.random()
        if door == "header":
            dice *= 0.55
        if door == "lua" and 0.42 <= dice < 0.55:
            dice = 0.6
        pad = random.randrange(1, 20000) if random.random() < 0.02 \
            and door != "header" else 0
        if dice < 0.2:
            return Call("set", session.name(f"w{number}"), session.next_n(),
                        pad)
        if dice < 0.35:
            return Call("incr", f"c{random.randrange(2)}")
        if dice < 0.42:
            return Call("set", session.name(f"m{random.randrange(2)}"),
                        session.next_n(), pad)
        if dice < 0.5:
            return Call("set" if door == "header" else "add",
                        session.name(f"m{random.randrange(2)}"),
                        session.next_n())
        if dice < 0.55:
            return Call("mset", session.name("p0"), session.next_n())
        if dice < 0.7:
            stems = [k for k in session.names if k[0] == "w"]
            return Call("get", session.name(random.choice(stems))) if stems \
                else Call("get", "tag")
        if dice < 0.77:
            return Call("num", f"c{random.randrange(2)}")
        if dice < 0.81:
            return Call("mget", session.name("p0")) if door == "c" \
                else Call("get", session.name("m0"))
        if dice < 0.84:
            return Call("all") if door in ("c", "rest") else Call("get", "tag")
        return Call("get get pop del has".split()[int((dice - 0.84) * 31.2)],
                    session.name(f"m{random.randrange(2)}"))

    def retire(self, client, session):
        self.alive.remove(session)
        session.over = True
        if random.random() < 0.4:
            session.ghosts = 0
            self.ended.append(session)
            self.idle.append(client)
            return
        session.ghosts = random.randrange(1, 5)
        self.ended.append(session)
        door = random.choice([d for d in self.doors if d != "env"])
        client.ask(session, [Call("end")], len(session) - 1, door)

    # What was learned.

    def learn(self, client, session, calls, epoch, door, answer):
        if calls[0].kind == "born":
            self.christen(client, session, calls, door, answer)
            return
        views = [call for call in calls if call.kind == "all"]
        for call in views:
            calls.remove(call)
            calls += self.view(session, call)
        for call in calls:
            if call.status in ("unsure", "lost"):
                session.wear(call.field or "-", 10)
                if call.kind == "set" and call.field[0] == "w":
                    session.leave(call.field)
                if call.kind in ("renew", "end") and session in self.alive:
                    self.alive.remove(session)
                    session.over = True
                    self.ended.append(session)
            if call.kind == "renew" and call.status == "ok" \
                    and not call.other:
                if answer.cookie:
                    session.ids.append(answer.cookie)
                    call.value = len(session) - 1
                else:
                    call.status = "no cookie"
        session.ops += [call.op(epoch, door, client.number) for call in calls]

    @staticmethod
    def view(session, call):
        """Everything that a call showed, as one call a field."""
        if call.status != "ok":
            call.kind = "get"
            call.field = "tag"
            return [call]
        try:
            seen = {k: json.dumps(v) for k, v in
                    json.loads(call.value).items()}
        except ValueError:
            call.kind, call.field, call.status = "get", "tag", "alien"
            call.value = call.value[:160]
            return [call]
        if not seen:
            seen = {"tag": None}
            call.other = 0
        return spread(session, call, seen, list(seen))

    def christen(self, client, session, calls, door, answer):
        self.births -= 1
        call = calls[0]
        if call.status != "ok" or answer is None or not answer.cookie:
            return
        session.ids.append(answer.cookie)
        call.kind = "set"
        call.other = 0
        session.ops += [call.op(0, door, client.number) for call in calls]
        self.alive.append(session)

    # The loop.

    def bury(self):
        """Sessions of which nobody asks anything any more."""
        for session in [s for s in self.ended
                        if s.flying == 0 and s.ghosts <= 0]:
            self.ended.remove(session)
            self.reader.queue.append(session)
        self.reader.pump()

    def check_patience(self):
        for client in self.clients:
            if client.job and now() - client.begun > PATIENCE * 1000000:
                client.finish(None)
        if now() - self.flushed > 300000:
            self.out.flush()
            self.flushed = now()

    def turn(self, more):
        if more:
            waiting, self.idle = self.idle, []
            for client in waiting:
                self.start(client)
        for fd, _ in self.poll.poll(0.02 if self.idle else 0.2):
            who = self.watched.get(fd)
            if who is not None:
                who.on_ready()
        self.bury()
        self.check_patience()

    def run(self):
        while now() < self.until:
            self.turn(True)
        for session in list(self.alive):
            self.alive.remove(session)
            session.over = True
            self.ended.append(session)
        last = now() + 60 * 1000000
        while any(c.job for c in self.clients) or self.ended \
                or self.reader.queue or self.reader.session:
            for session in self.ended:
                session.ghosts = 0
            self.turn(False)
            if now() > last:
                sys.exit("driver: sessions are left that nobody can read")
        self.out.close()


if __name__ == "__main__":
    Driver(json.loads(sys.argv[1])).run()
