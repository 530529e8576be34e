#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A liar between mod_drsession and Redis. It knows where a command and a
# reply begin and end, and now and then cuts, delays, drips, doubles or
# garbles them. What it lets through whole is written to the wire log.
#
# It tells only lies that a correct client can see through. Two replies of
# different connections changed for each other, or a second reply that may
# arrive after the next command was sent, look like the truth to anybody: so
# a doubled reply leaves in one piece with the first, and what comes late is
# a reply that no command of ours has.
#
#   proxy.py '{"unix": PATH, "port": N, "redis": PATH, "wire": PATH,
#              "counts": PATH, "rates": {"cut_after": PER_SECOND, ...}}'
#
# SIGUSR1: no more lies. SIGTERM: write the counts and end.
import heapq
import json
import os
import random
import re
import select
import signal
import socket
import struct
import sys
import time

SMALL = 4096            # bytes: surely read by the client in one piece
VALUE = re.compile(rb'"s":"([\w.-]+)","f":"[\w.-]+","w":\d+,"n":(\d+)')
SUM = re.compile(rb'\*2\r\n:0\r\n\$\d+\r\n(\d+)\r\n')
JUNK = [b"$-5\r\n", b"*2\r\n*1\r\n*1\r\n:1\r\n:1\r\n", b"?what\r\n",
        b"*100000\r\n", b"$900000000\r\n", b"+OK\r\n", b"\r\n\r\n"]
BEFORE = ("cut_before", "hold", "blackhole")
AFTER = ("cut_after", "cut_inside", "delay", "drip", "double", "stray",
         "late", "swap", "garble")


def skip(data, at):
    """The end of the command or reply at a place; -1 if it is not whole."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return -1
    kind = data[at]
    end += 2
    if kind == 36:                                      # $
        size = int(data[at + 1:end - 2])
        end += size + 2 if size >= 0 else 0
        return end if end <= len(data) else -1
    if kind == 42:                                      # *
        for _ in range(int(data[at + 1:end - 2])):
            end = skip(data, end)
            if end < 0:
                return -1
    return end


def bounds(data, most=1 << 30):
    """The ends of what is whole in some bytes."""
    ends = []
    at = 0
    while at < len(data) and len(ends) < most:
        at = skip(data, at)
        if at < 0:
            break
        ends.append(at)
    return ends


class Link:
    """A connection of the module, and the one to Redis behind it."""

    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.commands = b""     # not yet whole
        self.replies = b""
        self.trips = []         # [number of commands, their bytes]
        self.held = None        # bytes for Redis that wait
        self.late = None        # pieces for the module that wait
        self.ending = False     # Redis has closed: so do we, when all is out
        self.dead = False       # a black hole


class Proxy:
    def __init__(self, conf):
        self.conf = conf
        self.rates = {k: r for k, r in conf["rates"].items() if r > 0}
        self.dice = random.Random(conf.get("seed"))
        self.next = {k: time.monotonic() + self.dice.expovariate(r)
                     for k, r in self.rates.items()}
        self.counts = {}
        self.poll = select.epoll()
        self.links = {}         # fd -> Link
        self.doors = {}         # fd -> listening socket
        self.timers = []
        self.order = 0
        self.memory = b"$5\r\n\"you\"\r\n"      # somebody's last answer
        self.wire = open(conf["wire"], "ab", 1 << 16)
        self.going = True
        self.healed = False

    # Faults.

    def is_due(self, kind, now):
        if self.healed or self.next.get(kind, now + 1) > now:
            return False
        self.next[kind] = now + self.dice.expovariate(self.rates[kind])
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return True

    def after(self, seconds, call, *args):
        self.order += 1
        heapq.heappush(self.timers,
                       (time.monotonic() + seconds, self.order, call, args))

    def heal(self, *_):
        self.healed = True

    # Doors.

    def listen(self):
        path = self.conf["unix"]
        if os.path.exists(path):
            os.unlink(path)
        local = socket.socket(socket.AF_UNIX)
        local.bind(path)
        os.chmod(path, 0o777)
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(("127.0.0.1", self.conf["port"]))
        for door in (local, tcp):
            door.listen(511)
            door.setblocking(False)
            self.doors[door.fileno()] = door
            self.poll.register(door.fileno(), select.EPOLLIN)

    def refuse(self):
        for fd, door in self.doors.items():
            self.poll.unregister(fd)
            door.close()
        self.doors = {}
        self.after(self.dice.uniform(0.1, 0.4), self.reopen)

    # Who else took the port meanwhile gives it back, or the run fails.
    def reopen(self):
        try:
            self.listen()
        except OSError:
            self.after(0.1, self.reopen)

    def accept(self, door):
        try:
            client, _ = door.accept()
        except OSError:
            return
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.conf["redis"])
        except OSError:
            server.close()
            client.close()
            return
        if client.family == socket.AF_INET:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        for one in (client, server):
            one.setblocking(False)
            self.links[one.fileno()] = link
            self.poll.register(one.fileno(), select.EPOLLIN)

    def close(self, one):
        if one.fileno() < 0:
            return
        del self.links[one.fileno()]
        self.poll.unregister(one.fileno())
        one.close()

    def end(self, link, rudely=False):
        if rudely and link.client.fileno() >= 0:
            link.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close(link.client)
        if link.held is None:
            self.close(link.server)

    @staticmethod
    def send(one, data):
        if one.fileno() >= 0 and data:
            try:
                one.sendall(data)
            except OSError:
                pass

    # From the module to Redis.

    def take_commands(self, link):
        try:
            data = link.client.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end(link)
            return
        if link.dead:
            return
        link.commands += data
        ends = bounds(link.commands)
        if not ends:
            return
        data = link.commands[:ends[-1]]
        link.commands = link.commands[ends[-1]:]
        link.trips.append([len(ends), data])
        now = time.monotonic()
        kind = next((k for k in BEFORE if self.is_due(k, now)), None)
        if link.held is not None:
            link.held += data
        elif kind == "cut_before":
            self.end(link, self.dice.random() < 0.5)
        elif kind == "blackhole":
            link.dead = True
        elif kind == "hold":
            link.held = data
            self.after(self.dice.uniform(0.01, 0.7), self.release, link)
        else:
            self.send(link.server, data)

    # Who gave up meanwhile does not stop a command that is under way.
    def release(self, link):
        data, link.held = link.held, None
        self.send(link.server, data)
        if link.client.fileno() < 0:
            self.after(0.2, self.close, link.server)

    # From Redis to the module.

    def take_replies(self, link):
        try:
            data = link.server.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            link.ending = True
            self.deliver(link, link.replies)
            self.close(link.server)
            if link.late is None and not link.dead:
                self.end(link)
            return
        link.replies += data
        while link.replies:
            if not link.trips:          # unasked: too many clients, for one
                self.deliver(link, link.replies)
                link.replies = b""
                return
            most = link.trips[0][0]
            ends = bounds(link.replies, most)
            if len(ends) < most:
                return
            whole = link.replies[:ends[-1]]
            link.replies = link.replies[ends[-1]:]
            self.answer(link, link.trips.pop(0)[1], whole, ends)

    def deliver(self, link, data):
        if link.late is not None:
            link.late.append(data)
        elif not link.dead:
            self.send(link.client, data)

    def note(self, commands, whole):
        """What was surely answered: the values written, the sums told."""
        if whole.startswith(b"-") or b"\r\n-" in whole:
            return
        for tag, n in VALUE.findall(commands):
            self.wire.write(tag + b" " + n + b"\n")
        found = SUM.match(whole)
        if found:
            self.wire.write(b"= " + found.group(1) + b"\n")

    def fits(self, kind, whole, ends):
        """Whether this lie about these replies can be seen through."""
        if kind in ("double", "stray"):
            return len(ends) == 1 and len(whole) < SMALL \
                and len(self.memory) < SMALL
        if kind == "swap":
            return len(ends) > 1 and whole[0] != whole[ends[-2]] \
                and b"\r\n-" not in whole and whole[0] != 45
        return True

    def answer(self, link, commands, whole, ends):
        if link.late is not None:
            self.note(commands, whole)
            link.late.append(whole)
            return
        now = time.monotonic()
        kind = next((k for k in AFTER if self.next.get(k, now + 1) <= now
                     and self.fits(k, whole, ends) and self.is_due(k, now)),
                    None)
        if kind in (None, "delay", "drip", "late", "double", "stray"):
            self.note(commands, whole)
        if kind is None:
            self.deliver(link, whole)
        else:
            getattr(self, "lie_" + kind)(link, whole, ends)
        if len(ends) == 1 and whole[:1] == b"$" and whole[1:2] != b"-":
            self.memory = whole

    def lie_cut_after(self, link, whole, ends):
        self.end(link, self.dice.random() < 0.5)

    def lie_cut_inside(self, link, whole, ends):
        self.send(link.client, whole[:self.dice.randrange(1, len(whole))])
        self.end(link)

    # What was asked meanwhile is answered later still: a server that is slow
    # does not answer twice at once.
    def lie_delay(self, link, whole, ends):
        link.late = [whole]
        self.after(self.dice.uniform(*self.conf.get("delay", (0.005, 0.8))),
                   self.let_go, link, 0.02)

    def lie_drip(self, link, whole, ends):
        link.late = [whole[k:k + 1] for k in range(len(whole))]
        self.let_go(link, self.dice.uniform(0.01, 0.15))

    def let_go(self, link, pause):
        if link.client.fileno() < 0 or self.healed:
            link.late = [b"".join(link.late)]
        self.send(link.client, link.late.pop(0))
        if link.late:
            self.after(pause, self.let_go, link, pause)
            return
        link.late = None
        if link.ending:
            self.end(link)

    def lie_double(self, link, whole, ends):
        self.send(link.client, whole + whole)

    def lie_stray(self, link, whole, ends):
        self.send(link.client, whole + self.memory)

    def lie_late(self, link, whole, ends):
        self.send(link.client, whole)
        self.after(self.dice.uniform(0.0005, 0.05), self.send, link.client,
                   b"+PONG\r\n")

    def lie_swap(self, link, whole, ends):
        starts = [0] + ends[:-1]
        parts = [whole[a:b] for a, b in zip(starts, ends)]
        parts[0], parts[-1] = parts[-1], parts[0]
        self.send(link.client, b"".join(parts))

    def lie_garble(self, link, whole, ends):
        self.send(link.client, self.dice.choice(JUNK))

    # The loop.

    def run_timers(self):
        while self.timers and self.timers[0][0] <= time.monotonic():
            _, _, call, args = heapq.heappop(self.timers)
            call(*args)
        if self.doors and self.is_due("refuse", time.monotonic()):
            self.refuse()

    def run(self):
        self.listen()
        while self.going:
            wait = 0.1
            if self.timers:
                wait = min(wait, self.timers[0][0] - time.monotonic())
            for fd, _ in self.poll.poll(max(wait, 0)):
                if fd in self.doors:
                    self.accept(self.doors[fd])
                    continue
                link = self.links.get(fd)
                if link is None:
                    continue
                if fd == link.client.fileno():
                    self.take_commands(link)
                else:
                    self.take_replies(link)
            self.run_timers()
        self.wire.close()
        with open(self.conf["counts"], "w") as out:
            json.dump(self.counts, out)

    def stop(self, *_):
        self.going = False


def main():
    proxy = Proxy(json.loads(sys.argv[1]))
    signal.signal(signal.SIGUSR1, proxy.heal)
    signal.signal(signal.SIGTERM, proxy.stop)
    proxy.run()


if __name__ == "__main__":
    main()
