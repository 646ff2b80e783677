"""The judge itself: for each promise, histories that break it, and such that only seem to."""

from __future__ import annotations

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import check_history
from tests.harness.check_history import Bounds, check
from tests.harness.history import (
    ABNORMAL,
    CLIENT,
    SERVER,
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

BOUNDS = Bounds(lease=2)
#: A connection `c` that opens at 0 and is not closed.
OPEN: list[Event] = [BackendConnect(0, "c", True), Connected(0, "c", "n1")]
#: … and one that its client closes with 4000 at 100.
LIFE: list[Event] = [*OPEN, Closed(100, "c", 4000, CLIENT), BackendDisconnect(100.1, "c", "c.disconnect", 4000)]


def pushed(push: str, at: float, status: int, received: float | None = None, caller: str = "a") -> list[Event]:
    events: list[Event] = [Asked(at, push, "c", caller, "n2")]
    if received is not None:
        events.append(Received(received, "c", push))
    return [*events, Answered(at + 0.1, push, status)]


def sample(at: float, *connections: str) -> Sample:
    return Sample(at - 0.1, at, frozenset(connections))


def cut(at: float, by: str = SERVER) -> list[Event]:
    """`c` opens at 0, and its stream breaks without a close frame."""
    return [*OPEN, Closed(at, "c", ABNORMAL, by), BackendDisconnect(at, "c", "c.disconnect", ABNORMAL)]


def closed(code: int, *told: BackendDisconnect, by: str = CLIENT) -> list[Event]:
    return [*OPEN, Closed(100, "c", code, by), *told]


def gone(code: int = 4000, event: str = "c.disconnect", at: float = 100.1) -> BackendDisconnect:
    return BackendDisconnect(at, "c", event, code)


ARRIVES = "a push answered 200 arrives"
ORDER = "pushes of one caller arrive in order"
GETS_ONE = "an ended connection gets its $disconnect"
TRUE_CODE = "a $disconnect has the true code"
OPEN_GETS_NONE = "an open connection gets no $disconnect"
GHOSTS = "the registry has no ghosts"
MISSES = "the registry misses nobody"
REFUSED: list[Event] = [BackendConnect(0, "r", False)]
UNSEEN: list[Event] = [BackendConnect(0, "u", True)]

BAD: dict[str, tuple[str, list[Event]]] = {
    "200 and never there": (ARRIVES, [*OPEN, *pushed("p", 1, 200)]),
    "200 and the client closed in order": (ARRIVES, [*LIFE, *pushed("p", 99.9, 200)]),
    "200 and the server closed in order": (
        ARRIVES,
        [*closed(1001, gone(1001), by=SERVER), *pushed("p", 99.9, 200)],
    ),
    "200 and the stream broke long after": (ARRIVES, [*cut(50), *pushed("p", 1, 200)]),
    "200 after the client saw its stream break": (ARRIVES, [*cut(50), *pushed("p", 50.1, 200)]),
    "200 long after the client dropped": (ARRIVES, [*cut(50, CLIENT), *pushed("p", 56, 200)]),
    "200 for a connection that never was": (ARRIVES, pushed("p", 1, 200)),
    "no answer of a node that lives": ("a push is answered as documented", [*OPEN, *pushed("p", 1, 0)]),
    "an answer of another kind": ("a push is answered as documented", [*OPEN, *pushed("p", 1, 500)]),
    "a late answer": (
        "a push is answered in time",
        [*OPEN, Asked(1, "p", "c", "a", "n2"), Answered(4.5, "p", 503)],
    ),
    "nobody asked": ("what arrives was asked for", [*OPEN, Received(1, "c", "p")]),
    "twice": ("a push arrives once", [*OPEN, *pushed("p", 1, 200, 1.05), Received(2, "c", "p")]),
    "twice, of a 503": ("a push arrives once", [*OPEN, *pushed("p", 1, 503, 1.05), Received(2, "c", "p")]),
    "at another client": (
        "a push arrives where it was sent",
        [*OPEN, Asked(1, "p", "c", "a", "n2"), Received(1, "d", "p"), Answered(1, "p", 200)],
    ),
    "the second before the first": (
        ORDER,
        [
            *OPEN,
            Asked(1, "p", "c", "a", "n2"),
            Answered(1.1, "p", 200),
            Asked(1.2, "q", "c", "a", "n3"),
            Received(1.3, "c", "q"),
            Received(1.3, "c", "p"),
            Answered(1.4, "q", 200),
        ],
    ),
    "no $disconnect": (GETS_ONE, closed(4000)),
    "no $disconnect after a kill": (GETS_ONE, [*closed(ABNORMAL, by=SERVER), NodeLost(99, "n1")]),
    "two ids": ("a connection has one $disconnect id", closed(4000, gone(), gone(event="c.other"))),
    "the id of another": (
        "a $disconnect id is of one connection",
        [*LIFE, *REFUSED, BackendConnect(0, "d", True), BackendDisconnect(1, "d", "c.disconnect", 1000)],
    ),
    "another code": (TRUE_CODE, closed(4000, gone(1000))),
    "1006 of a node that lives": (TRUE_CODE, closed(4000, gone(ABNORMAL))),
    "1006 of a node that lives while another died": (TRUE_CODE, [*closed(4000, gone(ABNORMAL)), NodeLost(1, "n2")]),
    "another code of a dead node": (TRUE_CODE, [*closed(4000, gone(1001)), NodeLost(99, "n1")]),
    "a $disconnect while it is open": (OPEN_GETS_NONE, [*OPEN, gone(ABNORMAL, at=50)]),
    "a $disconnect long before the end": (OPEN_GETS_NONE, closed(1012, gone(1012, at=90), by=SERVER)),
    "a $disconnect for a refused one": (
        "a failed handshake gets no $disconnect",
        [*REFUSED, BackendDisconnect(1, "r", "r.disconnect", ABNORMAL)],
    ),
    "a $disconnect for nobody": ("a $disconnect follows a $connect", [BackendDisconnect(1, "x", "x.disconnect", 1000)]),
    "a ghost": (GHOSTS, [*LIFE, sample(112.5, "c")]),
    "a ghost after the store came back": (GHOSTS, [*LIFE, StoreAway(101, 110), sample(122.5, "c")]),
    "a ghost whose client never saw the 101": (GHOSTS, [*UNSEEN, sample(13, "u")]),
    "a stranger in the registry": ("the registry lists what was connected", [sample(1, "x")]),
    "one is missing": (MISSES, [*OPEN, sample(2.2)]),
    "one is missing before it ends": (MISSES, [*LIFE, sample(97)]),
    "one is missing after the store came back": (MISSES, [*OPEN, StoreAway(10, 20), sample(30.2)]),
    "one is missing before the store went away": (MISSES, [*OPEN, StoreAway(10, 20), sample(9)]),
}

GOOD: dict[str, list[Event]] = {
    "both said goodbye at once, and the server's is told": [
        *OPEN,
        Closed(1.1, "c", 4000, CLIENT, crossed=1001),
        gone(1001),
    ],
    "a whole life": [*LIFE, *pushed("p", 1, 200, 1.05), *pushed("q", 2, 200, 2.05), sample(50, "c"), sample(120)],
    "not 200, not there": [
        *OPEN,
        *pushed("p", 1, 503),
        *pushed("q", 2, 429),
        *pushed("r", 3, 410),
        *pushed("s", 4, 413),
    ],
    "no answer of a node that died": [*OPEN, *pushed("p", 1, 0), NodeLost(1, "n2")],
    "goodbye was said, and the stream breaks before the echo": [
        *OPEN,
        Closed(1.1, "c", 4000, CLIENT, whole=False),
        BackendDisconnect(3, "c", "c.disconnect", ABNORMAL),
        *pushed("p", 1, 200),
        NodeLost(1, "n1"),
    ],
    "503, and there all the same": [*OPEN, *pushed("p", 1, 503, 1.05)],
    "no answer, and there all the same": [*OPEN, Asked(1, "p", "c", "a", "n2"), Received(1, "c", "p")],
    "200 just before the stream breaks": [*cut(1.15), *pushed("p", 1, 200)],
    "200 while the stream breaks": [*cut(1.05), *pushed("p", 1, 200)],
    "200 just after the client dropped": [*cut(1, CLIENT), *pushed("p", 1.5, 200)],
    "two at once in any order": [
        *OPEN,
        Asked(1, "p", "c", "a", "n2"),
        Asked(1, "q", "c", "b", "n3"),
        Received(1.3, "c", "q"),
        Received(1.3, "c", "p"),
        Answered(1.4, "p", 200),
        Answered(1.4, "q", 200),
    ],
    "a late 503 behind a 200": [
        *OPEN,
        Asked(1, "p", "c", "a", "n2"),
        Answered(2, "p", 503),
        Asked(2, "q", "c", "a", "n2"),
        Received(2, "c", "q"),
        Received(2, "c", "p"),
        Answered(2, "q", 200),
    ],
    "told twice with one id": [*LIFE, gone(at=130)],
    "1006 of a dead node": [*closed(ABNORMAL, gone(ABNORMAL, at=104), by=SERVER), NodeLost(99.9, "n1")],
    "1006 of a dead node that the client had said goodbye to": [*closed(4000, gone(ABNORMAL)), NodeLost(99.9, "n1")],
    "fenced: told, then closed": [*closed(1012, gone(ABNORMAL, at=98), by=SERVER), NodeLost(95, "n1")],
    "a refused handshake": [*REFUSED, sample(5)],
    "the client never saw the 101": [*UNSEEN, BackendDisconnect(5, "u", "u.disconnect", ABNORMAL), sample(5, "u")],
    "ended, not forgotten yet": [*LIFE, sample(111, "c")],
    "the store was away when it ended": [*LIFE, StoreAway(99, 120), sample(130, "c")],
    "not listed yet": [*OPEN, sample(2.05)],
    "not listed while the registry is built anew": [*OPEN, StoreAway(10, 10), sample(19)],
    "not listed while it ends": [*LIFE, sample(100), sample(99)],
    "not listed because others took its node for dead": [*cut(100), sample(100.1)],
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_promise_is_found(name: str):
    rule, history = BAD[name]
    assert {found.rule for found in check(history, BOUNDS)} == {rule}


@pytest.mark.parametrize("name", GOOD)
def test_what_only_seems_broken_is_not_reported(name: str):
    assert check(GOOD[name], BOUNDS) == []


def test_every_rule_has_a_history_that_breaks_it():
    rules = set(re.findall(r'Violation\(\s*"([^"]+)"', inspect.getsource(check_history)))
    assert rules == {rule for rule, _ in BAD.values()}


ENDINGS = st.sampled_from(
    [(4000, CLIENT), (1000, CLIENT), (ABNORMAL, CLIENT), (ABNORMAL, SERVER), (1001, SERVER), None]
)
STATUSES = st.sampled_from([200, 200, 200, 410, 413, 429, 503])


@st.composite
def good_histories(draw: st.DrawFn) -> list[Event]:
    """What a cluster may do: connections, each on a node, with pushes one after the other; a node may die."""
    dead = draw(st.sampled_from([None, "n1"]))
    history: list[Event] = [] if dead is None else [NodeLost(60, dead)]
    lives: dict[str, tuple[float, float]] = {}
    for number in range(draw(st.integers(1, 6))):
        id, node = f"c{number}", draw(st.sampled_from(["n1", "n2"]))
        begin = draw(st.floats(0, 30))
        history += [BackendConnect(begin, id, True), Connected(begin + 0.01, id, node)]
        ending = draw(ENDINGS)
        end = draw(st.floats(40, 80))
        if node == dead and (ending is None or end > 60):
            end, ending = 60.0, (ABNORMAL, SERVER)
        at = begin + 0.1
        for count in range(draw(st.integers(0, 8))):
            at += draw(st.floats(0.01, 1))
            push, status = f"{id}.{count}", draw(STATUSES)
            history.append(Asked(at, push, id, "caller", "n2"))
            lost = ending is not None and ending[0] == ABNORMAL and abs(at - end) < 2
            if status == 200 and not lost and at + 0.01 < (end if ending else 1e9):
                history.append(Received(at + 0.01, id, push))
            elif status == 200:
                status = 410
            elif status == 503 and draw(st.booleans()) and at + 0.01 < end:
                history.append(Received(at + 0.01, id, push))
            at += 0.02
            history.append(Answered(at, push, status))
        if ending is not None:
            history.append(Closed(end, id, *ending))
            code = ABNORMAL if node == dead else ending[0]
            for again in range(draw(st.integers(1, 3))):
                history.append(BackendDisconnect(end + 0.1 + again, id, f"{id}.disconnect", code))
        lives[id] = (begin, end if ending else 1e9)
    for at in draw(st.lists(st.floats(0, 120), max_size=5)):
        listed = {id for id, (begin, end) in lives.items() if begin <= at < end}
        listed |= {id for id, (_, end) in lives.items() if end <= at < end + 11 and draw(st.booleans())}
        history.append(sample(at, *listed))
    return history


@given(good_histories())
def test_a_cluster_that_keeps_its_promises_is_not_accused(history: list[Event]):
    assert check(history, BOUNDS) == []


@given(good_histories(), st.data())
def test_a_receipt_that_is_taken_away_is_missed(history: list[Event], data: st.DataObject):
    answered = {event.push for event in history if isinstance(event, Answered) and event.status == 200}
    broken = {event.connection for event in history if isinstance(event, Closed) and event.code == ABNORMAL}
    receipts = [
        event
        for event in history
        if isinstance(event, Received) and event.push in answered and event.connection not in broken
    ]
    if not receipts:
        return
    taken = data.draw(st.sampled_from(receipts))
    found = check([event for event in history if event is not taken], BOUNDS)
    assert [(one.rule, one.subject) for one in found] == [(ARRIVES, taken.push)]
