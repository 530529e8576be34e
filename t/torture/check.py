#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Reads the histories that drivers write, while they write them, and says
# what breaks a rule: `check.py FOLDER`. The folder holds
#
#   limits.json      {"command": us, "request": us}
#   hist-*           a session a line, as soon as it is over
#   machine          "TIME LATE PRESSURE" lines, us: how late it woke a sleeper,
#                    and how long so far somebody waited for a processor
#   wire-*           what the proxy let through whole
#   stop             comes last: nothing more will be written
#
# and gets `violations`, text with the calls that prove each, and
# `summary.json`, the figures.
import glob
import json
import os
import sys
import time
from bisect import bisect_left, bisect_right

from history import Verdict, check_session

# The kernel does not count all the time for which it keeps a thread waiting
# (seen: a poll of 50 ms that took 377, of which 104 are accounted for). Of so
# many timed calls one may be late, if somebody waited for a processor then.
ONE_IN = 20000
SOME = 3
SHOWN = 5       # violations of one rule that are told, if limits.json has none


class Machine:
    """What the machine took: from a process that only sleeps, and at all."""

    def __init__(self, path):
        self.path = path
        self.at = 0
        self.times, self.late, self.pressure = [], [], []

    def read(self):
        try:
            with open(self.path) as lines:
                lines.seek(self.at)
                for line in lines:
                    if not line.endswith("\n"):
                        break
                    when, late, pressure = map(int, line.split())
                    self.times.append(when)
                    self.late.append(late)
                    self.pressure.append(pressure)
                    self.at += len(line)
        except FileNotFoundError:
            pass

    def __call__(self, start, end):
        """us by which the sleeper woke late; us in which somebody waited."""
        for _ in range(10):
            self.read()
            if not self.times or self.times[-1] >= end:
                break
            time.sleep(0.1)
        first = max(bisect_right(self.times, start) - 1, 0)
        last = min(bisect_left(self.times, end), len(self.times) - 1)
        if last < first:
            return 0, 0
        return (sum(self.late[first:last + 1]),
                self.pressure[last] - self.pressure[first])


class Tail:
    """The whole lines of a growing file, as they come."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""

    def lines(self):
        data = self.rest + self.file.read(1 << 22)
        *whole, self.rest = data.split(b"\n")
        return whole


def show(op, zero):
    at = f"{(op.start - zero) / 1e6:.6f} to {(op.end - zero) / 1e6:.6f}"
    said = op.status + ("" if op.value is None else f" {op.value}")
    wrote = "" if op.n is None else f" {op.n}"
    return (f"    {at}  client {op.client} by {op.door}: {op.kind} "
            f"{op.field}{wrote} (id {op.epoch}) -> {said}"
            + (", elsewhere" if op.other else ""))


class Checker:
    def __init__(self, folder):
        self.folder = folder
        with open(folder + "/limits.json") as file:
            self.limits = json.load(file)
        self.machine = Machine(folder + "/machine")
        self.late = self.timed = 0
        self.tails = {}
        self.out = open(folder + "/violations", "a")
        self.count = {"sessions": 0, "ops": 0, "searched": 0, "undecided": 0,
                      "renewed": 0, "ended": 0}
        self.doors = {}
        self.kinds = {}
        self.said = {}
        self.rules = {}
        self.worst = 0          # us over its budget, of any call
        self.acked = set()      # what has to be on the wire

    def say(self, rule, text, ops, tag):
        self.rules[rule] = self.rules.get(rule, 0) + 1
        if self.rules[rule] > self.limits.get("shown", SHOWN):
            return
        zero = min((op.start for op in ops), default=0)
        lines = [f"{rule}: session {tag}: {text}"]
        lines += [show(op, zero) for op in ops]
        self.out.write("\n".join(lines) + "\n")
        self.out.flush()

    def note(self, op, tag):
        for table, key in ((self.doors, op.door), (self.kinds, op.kind),
                           (self.said, op.status)):
            table[key] = table.get(key, 0) + 1
        self.timed += op.waited >= 0
        if op.waited >= 0 and op.kind != "request" and op.kind != "renew" \
                and not op.other:
            self.worst = max(self.worst, op.end - op.start - op.waited
                             - self.limits["command"])
        if op.status != "ok" or op.door == "redis":
            return
        if op.kind in ("set", "add", "mset"):
            self.acked.add(f"{tag} {op.n}")
        elif op.kind == "incr" and op.value is not None and not op.other:
            self.acked.add(f"= {op.value}")

    def take(self, line):
        block = json.loads(line)
        verdict = Verdict()
        ops = check_session(block, self.limits, self.machine, verdict)
        for rule, text, proof in verdict.bad:
            self.say(rule, text, proof, block["tag"])
        for text, op in verdict.late:
            self.late += 1
            if self.late > SOME + self.timed // ONE_IN:
                self.say("bounds", f"{text}; {self.late} of {self.timed} "
                         "calls are as late", (op,), block["tag"])
        self.count["sessions"] += 1
        self.count["searched"] += verdict.searched
        self.count["undecided"] += verdict.undecided
        for op in ops:
            if op.door != "redis" and op.kind not in ("request", "hang"):
                self.count["ops"] += 1
                self.note(op, block["tag"])
            elif op.kind == "request":
                self.count["requests"] = self.count.get("requests", 0) + 1
            if op.status == "ok" and op.kind in ("renew", "end"):
                self.count[op.kind + "ed"] = \
                    self.count.get(op.kind + "ed", 0) + 1

    def sweep(self):
        """Take what is there; whether there was anything."""
        busy = False
        for path in glob.glob(self.folder + "/hist-*"):
            if path not in self.tails:
                self.tails[path] = Tail(path)
            for line in self.tails[path].lines():
                busy = True
                self.take(line)
        return busy

    def check_wire(self):
        """Honesty: what is said to be done was answered by Redis."""
        seen = set()
        for path in glob.glob(self.folder + "/wire-*"):
            with open(path) as lines:
                seen.update(line.rstrip("\n") for line in lines)
        for one in sorted(self.acked - seen):
            tag, _, n = one.partition(" ")
            what = f"the sum {n}" if tag == "=" else f"write {n}"
            self.say("honesty", f"{what} was said to be done, but the wire "
                     "has no answer to it", (), tag)

    def finish(self):
        self.check_wire()
        self.out.close()
        summary = dict(self.count, doors=self.doors, kinds=self.kinds,
                       said=self.said, rules=self.rules, worst=self.worst,
                       late=self.late, timed=self.timed)
        with open(self.folder + "/summary.json", "w") as file:
            json.dump(summary, file)


def main():
    checker = Checker(sys.argv[1])
    while True:
        last = os.path.exists(checker.folder + "/stop")
        if not checker.sweep():
            if last:
                break
            time.sleep(0.1)
    checker.finish()
    sys.exit(1 if checker.rules else 0)


if __name__ == "__main__":
    main()
