# SPDX-License-Identifier: MIT
# What a history of a session may look like. A history is a list of calls,
# each with a beginning, an end and what it said of itself; the rules here
# know nothing of httpd or Redis, only what the answers promise:
#
#   ok       it was done, at one moment between beginning and end
#   down     it was surely not done
#   unsure   it was done at one moment after its beginning, or never
#   lost     the same: nobody heard the answer
#   gone     the session had ended
#   sent     it was not done: it needs a cookie, and the headers were out
#
# Times are microseconds on one monotonic clock. A session has epochs: each
# `renew` that is done begins the next one, with another id. What is asked
# with the id of an old epoch finds nothing, for ever.
from bisect import bisect_left, bisect_right
from collections import namedtuple

Op = namedtuple("Op", "kind field n status value epoch other start end door "
                      "client waited")
# kind    set add get has del pop mset mget incr num: verbs on one field (m:
#         on a pair of fields, written and read together); end renew: of the
#         session; key ttl: what lies in Redis; request: a whole request
# n       what a write writes; value: what a read found, the sum of an incr,
#         the new epoch of a renew
# other   1 = it was not this session that the call was executed on: the id
#         was found dead before, and a write began a new session
# waited  us that the thread was kept from running; -1 = not timed inside

WRITES = {"set", "add", "del", "pop", "mset", "incr", "end", "renew"}
MAYBE = {"unsure", "lost"}
NOTHING = {"down", "sent", "reply"}
SAID = {
    "set": {"ok", "gone"}, "mset": {"ok", "gone"}, "incr": {"ok", "gone"},
    "add": {"ok", "gone", "exists"}, "del": {"ok", "gone", "notfound"},
    "pop": {"ok", "gone", "notfound"}, "end": {"ok"},
    "renew": {"ok", "gone", "notfound"},
}
LONG = 100000           # us over its budget that a call may take
FOREVER = 1 << 62
DEAD, UNKNOWN = -1, -2  # epochs of no id, of an id that nobody learned
MOST = 60000            # states of one search; more is "not decided"


class Verdict:
    """What was looked at, and what is wrong: (rule, sentence, calls)."""

    def __init__(self):
        self.bad = []
        self.late = []      # calls that were, on a machine that was busy
        self.undecided = 0
        self.searched = 0

    def say(self, rule, text, *ops):
        self.bad.append((rule, text, ops))


# One register, by its model.

def step(state, op):
    """The state after a call, None where the call cannot have happened."""
    epoch, held = state
    kind, status = op.kind, op.status
    here = epoch == op.epoch
    if status in MAYBE:
        if not here:
            return None
        if kind in ("set", "mset"):
            return epoch, op.n
        if kind == "add":
            return (epoch, op.n) if held is None else None
        if kind in ("del", "pop"):
            return epoch, None
        return (DEAD if kind == "end" else UNKNOWN), held
    if kind == "end":
        return (DEAD, held) if here else state
    if kind == "renew":
        if status == "ok" and not op.other:
            return (op.value, held) if here else None
        return None if here else state
    if op.other or status == "gone":
        return None if here else state
    if status == "notfound":
        return None if here and held is not None else state
    if not here:
        return None
    if status == "exists" or kind == "has":
        return state if held is not None else None
    if kind in ("set", "mset"):
        return epoch, op.n
    if kind == "add":
        return (epoch, op.n) if held is None else None
    if kind == "del":
        return (epoch, None) if held is not None else None
    if held != op.value:
        return None
    return (epoch, None) if kind == "pop" else state


def is_linearizable(ops, state=(0, None)):
    """True, False, or None when that was not to be found out."""
    ops = sorted(ops, key=lambda op: op.start)
    sure = [op.status not in MAYBE for op in ops]
    ends = [op.end if known else FOREVER for op, known in zip(ops, sure)]
    goal = sum(1 << i for i, known in enumerate(sure) if known)
    stack = [(0, state)]
    seen = set(stack)
    while stack:
        mask, state = stack.pop()
        if mask & goal == goal:
            return True
        if len(seen) > MOST:
            return None
        limit = FOREVER
        able = []
        for i, op in enumerate(ops):
            if op.start > limit:
                break
            if not mask >> i & 1:
                able.append(i)
                limit = min(limit, ends[i])
        moves = []
        for i in able:
            if ops[i].start > limit:
                break
            after = step(state, ops[i])
            if after is None or after == state and not sure[i]:
                continue
            if after == state:      # what changes nothing may come first
                moves = [(mask | 1 << i, after)]
                break
            moves.append((mask | 1 << i, after))
        for move in moves:
            if move not in seen:
                seen.add(move)
                stack.append(move)
    return False


def shrink(ops):
    """Fewer calls that are as impossible: a proof that a reader can follow."""
    ops = sorted(ops, key=lambda op: op.start)
    if len(ops) > 120:
        return ops[:12]
    at = 0
    while at < len(ops):
        rest = ops[:at] + ops[at + 1:]
        if ops[at].kind not in WRITES and is_linearizable(rest) is False:
            ops = rest
        else:
            at += 1
    # What is over before it matters cannot be left out: it made the state.
    return ops[-12:]


# The rules.

def check_answers(ops, verdict):
    """Nothing but what is documented is answered; nobody else's at that."""
    for op in ops:
        if op.status == "alien":
            verdict.say("ownership", f"{op.kind} {op.field} got what is not "
                        f"of this session and field: {op.value}", op)
        elif op.status == "torn":
            verdict.say("order", f"the fields of {op.field} are of two "
                        f"writes: {op.value}", op)
        elif op.kind in SAID:
            if op.status not in SAID[op.kind] | MAYBE | {"down", "sent"}:
                verdict.say("manners", f"{op.kind} says {op.status}", op)
        elif op.kind in ("get", "has", "num", "mget"):
            if op.status not in ("ok", "notfound", "down", "reply", "lost"):
                verdict.say("manners", f"{op.kind} says {op.status}", op)
        if op.kind == "ttl" and op.value == -1:
            verdict.say("expiry", "the key has no expiry", op)
        if op.kind == "hang":
            verdict.say("bounds", "no answer to the request at all", op)


def check_bounds(ops, limits, machine, verdict):
    """No call takes longer than its budget, what the machine took apart."""
    for op in ops:
        if op.waited < 0:
            continue
        limit = limits["request"] if op.kind == "request" else \
            limits["command"] * (2 if op.kind == "renew" or op.other else 1)
        over = op.end - op.start - op.waited - limit
        if over <= LONG:
            continue
        woken, pressed = machine(op.start, op.end)
        if over - woken <= LONG:
            continue
        text = f"{op.kind} took {over // 1000} ms more than its " \
            f"{limit // 1000} ms"
        if pressed * 2 >= over:
            verdict.late.append((text, op))
        else:
            verdict.say("bounds", text, op)


def find_ends(ops):
    """Per epoch: when it may have ended first, when it surely had."""
    first, sure = {}, {}
    for op in ops:
        if op.kind not in ("end", "renew"):
            continue
        if op.status in MAYBE or op.status == "ok" and not op.other:
            first[op.epoch] = min(first.get(op.epoch, FOREVER), op.start)
        if op.status == "ok" and not op.other:
            best = sure.get(op.epoch)
            if best is None or op.end < best.end:
                sure[op.epoch] = op
    return first, sure


def check_ends(ops, sure, verdict):
    """After its acknowledged end an id reads nothing and takes nothing."""
    for op in ops:
        end = sure.get(op.epoch)
        if end is None or op.start <= end.end or op.kind == "end":
            continue
        if op.status in ("ok", "exists") and not op.other:
            if op.kind in SAID or op.kind in ("get", "has", "num", "mget",
                                              "key"):
                verdict.say("end", f"{op.kind} on an id that had ended",
                            end, op)


def latest(pairs):
    """A function: the greatest value among those that were over by then."""
    pairs = sorted(pairs)
    times = [time for time, _ in pairs]
    best, most = [], None
    for _, value in pairs:
        most = value if most is None or value > most else most
        best.append(most)

    def ask(time):
        at = bisect_left(times, time)
        return best[at - 1] if at else None
    return ask


def witness(ops, read, value):
    """The call that shows why a read should have seen a value."""
    for op in ops:
        if op.end < read.start and value in (op.n, op.value):
            return op
    return read


def check_single(ops, first, verdict):
    """Of one writer: what was acknowledged stays, and nothing goes back."""
    writes = [op for op in ops if op.kind in ("set", "mset")]
    tried = {op.n: op.start for op in writes
             if not op.other and (op.status == "ok" or op.status in MAYBE)}
    seen = latest([(op.end, op.n) for op in writes
                   if op.status == "ok" and not op.other]
                  + [(op.end, op.value) for op in ops
                     if op.kind == "get" and op.status == "ok"])
    for op in ops:
        if op.kind != "get" or op.status not in ("ok", "notfound"):
            continue
        least = seen(op.start)
        if op.status == "notfound":
            if least is not None and first.get(op.epoch, FOREVER) > op.end \
                    and not op.other:
                verdict.say("durability", "what was acknowledged is not "
                            "there", witness(ops, op, least), op)
        elif op.value not in tried or tried[op.value] > op.end:
            verdict.say("durability", "a value that was not written, or by "
                        "a write that says it was not done",
                        *[w for w in writes if w.n == op.value], op)
        elif least is not None and op.value < least:
            verdict.say("durability", f"{op.value} is there, {least} was "
                        "before", witness(ops, op, least), op)


def check_counter(ops, base, first, verdict):
    """A sum is what was acknowledged, and at most what is unsure more."""
    done = [op for op in ops if op.kind == "incr" and op.status == "ok"
            and not op.other]
    maybe = [op for op in ops if op.kind == "incr" and op.status in MAYBE]
    over = sorted(op.end for op in done)
    begun = sorted([op.start for op in done] + [op.start for op in maybe])
    told = [op for op in done if op.value is not None]
    reads = [op for op in ops if op.kind == "num"
             and op.status in ("ok", "notfound")]
    seen = latest([(op.end, op.value - base) for op in told]
                  + [(op.end, op.value - base) for op in reads
                     if op.status == "ok"])
    once = {}
    for op in told:
        if op.value in once:
            verdict.say("counters", "two increments got the same sum",
                        once[op.value], op)
        once[op.value] = op
    for op in told + reads:
        if op.status == "notfound":
            if first.get(op.epoch, FOREVER) > op.end and not op.other:
                verdict.say("counters", "the counter is not there", op)
            continue
        own = 1 if op.kind == "incr" else 0
        count = op.value - base
        least = max(bisect_left(over, op.start), seen(op.start) or 0) + own
        most = bisect_right(begun, op.end)
        if count < least:
            verdict.say("counters", f"the sum is {count}, but {least} were "
                        "acknowledged or seen before", op)
        if count > most:
            verdict.say("counters", f"the sum is {count}, but only {most} "
                        "were tried, those that say they were not done left "
                        "out", *maybe[-3:], op)


def check_register(name, ops, ends, verdict):
    """Of many writers: some order explains all that was answered."""
    useful = [op for op in ops if op.status not in NOTHING
              and not (op.kind in ("get", "has", "mget")
                       and op.status in MAYBE)]
    if not any(op.kind in ("get", "has", "mget", "pop", "del", "add")
               for op in useful):
        return
    verdict.searched += 1
    useful += ends
    fate = is_linearizable(useful)
    if fate is None:
        verdict.undecided += 1
    elif not fate:
        verdict.say("order", f"no order of these calls on {name} explains "
                    "what they answered", *shrink(useful))


def check_session(block, limits, machine, verdict):
    """All rules on all calls of one session."""
    ops = [Op(*op) for op in block["ops"]]
    first, sure = find_ends(ops)
    ends = [op for op in ops if op.kind in ("end", "renew")
            and op.status not in NOTHING]
    fields = {}
    for op in ops:
        if op.field:
            fields.setdefault(op.field, []).append(op)
    check_answers(ops, verdict)
    check_bounds(ops, limits, machine, verdict)
    check_ends(ops, sure, verdict)
    for name, own in fields.items():
        # A session begun in mid-request is read by nobody else.
        own = [op for op in own if op.status not in ("alien", "torn")
               and not (op.other and op.status == "ok"
                        and op.kind in ("get", "has", "num", "mget"))]
        if name[0] == "w" or name == "tag":
            check_single(own, first, verdict)
        elif name[0] == "c":
            check_counter(own, block["base"][name], first, verdict)
        else:
            check_register(name, own, ends, verdict)
    return ops
