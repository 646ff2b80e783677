"""Judges a history: `check` gives everything in it that a cluster has promised not to do.

A 200 says that the owner of the connection has put the push on its socket. So the client reads it, unless its stream
broke first: by a reset or an end without a close frame, which the client saw before it would have had to read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tests.harness.history import (
    ABNORMAL,
    CLIENT,
    Answered,
    Asked,
    BackendConnect,
    BackendDisconnect,
    Closed,
    Connected,
    Event,
    NodeLost,
    Received,
    Sample,
    StoreAway,
)

#: What a push may be answered; a node that dies answers nothing (0).
STATUSES = (200, 410, 413, 429, 503)


class Violation(NamedTuple):
    """A broken promise: which, of which connection, push or event, and what was seen."""

    rule: str
    subject: str
    seen: str


@dataclass(frozen=True)
class Bounds:
    """How late things may be, in seconds.

    answer: from the question of a push to its answer, whatever it is
    read: from a 200 until the client has read it, and from a client's own drop until its node knows
    fenced: from a `$disconnect` that others sent for a live node until its client is closed
    listed: from the 101 until the registry has it; rebuilt: after the store was away
    ghost: from the end until the registry has forgotten it, beyond the lease
    """

    lease: float
    answer: float = 3
    read: float = 5
    fenced: float = 5
    listed: float = 2
    rebuilt: float = 10
    ghost: float = 10


def check(history: Iterable[Event], bounds: Bounds) -> list[Violation]:
    """Everything that is wrong in a history that has come to rest: nothing was on its way when it ended."""
    seen = _Seen(history)
    return [
        *_answers(seen, bounds),
        *_pushes(seen, bounds),
        *_order(seen),
        *_disconnects(seen),
        *_too_early(seen, bounds),
        *_out_of_nothing(seen),
        *_samples(seen, bounds),
    ]


class _Seen:
    """A history, sorted by what the rules ask for."""

    def __init__(self, history: Iterable[Event]) -> None:
        self.connected: dict[str, Connected] = {}
        self.closed: dict[str, Closed] = {}
        self.received: dict[str, list[Received]] = defaultdict(list)
        self.asked: dict[str, Asked] = {}
        self.answered: dict[str, Answered] = {}
        self.connects: dict[str, BackendConnect] = {}
        self.disconnects: dict[str, list[BackendDisconnect]] = defaultdict(list)
        self.samples: list[Sample] = []
        self.lost_nodes: set[str] = set()
        self.away: list[StoreAway] = []
        self.turn: dict[str, int] = {}  # when a push was read, in the order of the history
        for turn, event in enumerate(history):
            match event:
                case Connected():
                    self.connected[event.connection] = event
                case Closed():
                    self.closed.setdefault(event.connection, event)
                case Received():
                    self.received[event.push].append(event)
                    self.turn.setdefault(event.push, turn)
                case Asked():
                    self.asked[event.push] = event
                case Answered():
                    self.answered[event.push] = event
                case BackendConnect():
                    self.connects[event.connection] = event
                case BackendDisconnect():
                    self.disconnects[event.connection].append(event)
                case Sample():
                    self.samples.append(event)
                case NodeLost():
                    self.lost_nodes.add(event.node)
                case StoreAway():
                    self.away.append(event)

    def node_lost(self, connection: str) -> bool:
        opened = self.connected.get(connection)
        return opened is not None and opened.node in self.lost_nodes


# ---- pushes


def _answers(seen: _Seen, bounds: Bounds) -> Iterable[Violation]:
    for push, answer in seen.answered.items():
        asked = seen.asked[push]
        if asked.via in seen.lost_nodes:
            continue
        if answer.status not in STATUSES:
            yield Violation("a push is answered as documented", push, f"{asked}, {answer}")
        if answer.at > asked.at + bounds.answer:
            yield Violation("a push is answered in time", push, f"{asked}, {answer}")


def _pushes(seen: _Seen, bounds: Bounds) -> Iterable[Violation]:
    for push, answer in seen.answered.items():
        if answer.status == 200 and not seen.received[push]:
            excuse = _lost_on_the_way(seen, push, answer, bounds)
            if not excuse:
                yield Violation(
                    "a push answered 200 arrives", push, f"{answer}, {seen.asked[push]}, {_end(seen, push)}"
                )
    for push, receipts in seen.received.items():
        if not receipts:
            continue
        asked = seen.asked.get(push)
        if asked is None:
            yield Violation("what arrives was asked for", push, f"{receipts[0]}")
            continue
        if len(receipts) > 1:
            yield Violation("a push arrives once", push, f"{receipts}")
        for one in receipts:
            if one.connection != asked.connection:
                yield Violation("a push arrives where it was sent", push, f"{one}, {asked}")


def _end(seen: _Seen, push: str) -> Closed | None:
    return seen.closed.get(seen.asked[push].connection)


def _lost_on_the_way(seen: _Seen, push: str, answer: Answered, bounds: Bounds) -> bool:
    """The stream broke after the owner wrote the push, and before the client would have had to read it."""
    end, asked = _end(seen, push), seen.asked[push]
    if end is None or (end.whole and end.code != ABNORMAL):
        return False
    # A client that drops its connection knows so at once, its node a little later; of a node that has died, the
    # client hears last.
    unknown = bounds.read if end.by == CLIENT else 0
    return asked.at - unknown <= end.at <= answer.at + bounds.read


def _order(seen: _Seen) -> Iterable[Violation]:
    """Of pushes answered 200; one that got another answer may arrive late, or never."""
    rows: dict[tuple[str, str], list[Asked]] = defaultdict(list)
    for asked in sorted(seen.asked.values(), key=lambda asked: asked.at):
        answer = seen.answered.get(asked.push)
        if answer is not None and answer.status == 200 and seen.received[asked.push]:
            rows[asked.caller, asked.connection].append(asked)
    for (caller, connection), row in rows.items():
        for earlier, later in pairwise(row):
            if seen.turn[later.push] < seen.turn[earlier.push]:
                seen_so = f"{caller}: {later.push} before {earlier.push}"
                yield Violation("pushes of one caller arrive in order", connection, seen_so)


# ---- $disconnect


def _disconnects(seen: _Seen) -> Iterable[Violation]:
    """Every connection that a client saw opened, and that ended, has one: with one id, however often, and its code."""
    for connection, end in seen.closed.items():
        if connection not in seen.connected:
            continue
        told = seen.disconnects[connection]
        if not told:
            yield Violation("an ended connection gets its $disconnect", connection, f"{end}")
        allowed = {end.code, end.crossed or end.code}
        if seen.node_lost(connection):
            allowed.add(ABNORMAL)
        for one in told:
            if one.code not in allowed:
                yield Violation("a $disconnect has the true code", connection, f"{one}, {end}")
    for connection, told in seen.disconnects.items():
        if len({one.event for one in told}) > 1:
            yield Violation("a connection has one $disconnect id", connection, f"{told}")
    owners: dict[str, str] = {}
    for connection, told in seen.disconnects.items():
        for event in {one.event for one in told}:
            if event in owners:
                yield Violation("a $disconnect id is of one connection", event, f"{owners[event]}, {connection}")
            owners[event] = connection


def _too_early(seen: _Seen, bounds: Bounds) -> Iterable[Violation]:
    """While a connection is open it gets none; unless others held its node for dead: then it is closed soon after."""
    for connection, opened in seen.connected.items():
        end = seen.closed.get(connection)
        for one in seen.disconnects.get(connection, ())[:1]:
            if end is None or end.at > one.at + bounds.fenced:
                yield Violation("an open connection gets no $disconnect", connection, f"{opened}, {one}, {end}")


def _out_of_nothing(seen: _Seen) -> Iterable[Violation]:
    for connection, told in seen.disconnects.items():
        if not told:
            continue
        connect = seen.connects.get(connection)
        if connect is None:
            yield Violation("a $disconnect follows a $connect", connection, f"{told[0]}")
        elif not connect.accepted:
            yield Violation("a failed handshake gets no $disconnect", connection, f"{connect}, {told[0]}")


# ---- the registry


def _samples(seen: _Seen, bounds: Bounds) -> Iterable[Violation]:
    for sample in seen.samples:
        returns = max((away.until for away in seen.away if away.at <= sample.at), default=float("-inf"))
        latest = sample.began - bounds.lease - bounds.ghost
        for connection in sorted(sample.connections):
            ended = _ended(seen, connection)
            if ended is None:
                yield Violation("the registry lists what was connected", connection, f"in a sample at {sample.at}")
            elif max(ended, returns) < latest:
                yield Violation("the registry has no ghosts", connection, f"ended at {ended}, listed at {sample.began}")
        if sample.began < returns + bounds.rebuilt:
            continue
        for connection, opened in seen.connected.items():
            if connection not in sample.connections and _open_throughout(seen, opened, sample, bounds):
                yield Violation("the registry misses nobody", connection, f"{opened}, not listed at {sample.at}")


def _ended(seen: _Seen, connection: str) -> float | None:
    """When it ended: never is infinite; None if there was no such connection."""
    if connection in seen.closed:
        return seen.closed[connection].at
    if connection in seen.connected:
        return float("inf")
    # The backend let it in and its client never saw the 101: its node died, or the client was gone.
    return seen.connects[connection].at if connection in seen.connects else None


def _open_throughout(seen: _Seen, opened: Connected, sample: Sample, bounds: Bounds) -> bool:
    ends = [one.at for one in seen.disconnects.get(opened.connection, ())[:1]]
    if opened.connection in seen.closed:
        # The client reads of the end a little later than its node has written it.
        ends.append(seen.closed[opened.connection].at - bounds.listed)
    return opened.at + bounds.listed < sample.began and sample.at < min(ends, default=float("inf"))
