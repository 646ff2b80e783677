from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.cli.load.pacing import Timetable, keep
from wsgw.cli.load.plan import Messages, Plan, message_id
from wsgw.cli.load.tally import Second, Tally, merged


@pytest.mark.parametrize("size", [60, 111, 4096])
@pytest.mark.parametrize("action", ["echo", "", "100%"])
def test_messages_have_the_size_asked_for_and_carry_their_id(size: int, action: str) -> None:
    id = message_id(17_999, 123_456_789)
    message = Messages(action, size).build(id)
    assert len(message) == size
    assert json.loads(message)["id"] == id
    assert json.loads(message).get("action", "") == action


def test_a_message_is_no_smaller_than_what_it_must_carry() -> None:
    assert json.loads(Messages("echo", 0).build(message_id(0, 0))) == {
        "action": "echo",
        "id": message_id(0, 0),
        "pad": "",
    }


@given(st.integers(1, 500), st.integers(1, 8))
def test_split_plans_add_up_to_the_whole_and_number_each_connection_once(connections: int, processes: int) -> None:
    parts = Plan(url="ws://h/s", scenario="idle", connections=connections, rate=100.0).split(processes)
    assert sum(part.connections for part in parts) == connections
    assert sum(part.rate or 0 for part in parts) == pytest.approx(100)
    numbers = [part.first_index + number for part in parts for number in range(part.connections)]
    assert numbers == list(range(connections))


BASES = [
    ("ws://h:1/prod", "", "http://h:1/prod"),
    ("wss://h/prod/?token=x", "", "https://h/prod"),
    ("ws://h/prod", "https://other/base/", "https://other/base"),
]


@pytest.mark.parametrize(("url", "push_url", "base"), BASES)
def test_pushes_go_to_the_websocket_url_over_http_unless_told(url: str, push_url: str, base: str) -> None:
    assert Plan(url=url, scenario="push", push_url=push_url).management_base() == base


@given(st.floats(0.5, 5000), st.floats(0.1, 2), st.lists(st.floats(0, 3), max_size=20))
def test_a_timetable_gives_every_event_once_and_never_early(rate: float, duration: float, looks: list[float]) -> None:
    timetable = Timetable(rate, 100.0, duration)
    given_out = []
    for now in sorted(100.0 + look for look in looks):
        due = list(timetable.due(now))
        assert all(at <= now for at in due)
        given_out += due
    given_out += list(timetable.due(1000.0))
    assert timetable.over()
    assert given_out == [100.0 + number / rate for number in range(max(1, round(rate * duration)))]


async def test_events_stay_due_on_time_while_the_other_side_stalls() -> None:
    """Coordinated omission: a stall must not move what was due during it."""
    clock = iter([0.0, 0.001, 5.0, 5.0])
    fired: list[float] = []
    await keep(Timetable(1000, 0.0, 0.004), 1000, fired.append, lambda: next(clock))
    assert fired == [0.0, 0.001, 0.002, 0.003]


def test_the_tallies_of_processes_add_up_second_by_second() -> None:
    one, other = Tally(sent=3, done=2, lost=1, window=2.0, cpu=0.5), Tally(sent=5, done=5, window=1.9, cpu=0.25)
    one.seconds = [Second(open=1, sent=2, done=2), Second(open=1, sent=1)]
    other.seconds = [Second(open=2, sent=5, done=5)]
    one.latency.add(0.25)
    other.latency.add(0.5)
    one.faults, other.faults = {"no answer": 1}, {"no answer": 2, "other": 1}
    whole = merged([one, other])
    assert (whole.sent, whole.done, whole.lost, whole.window, whole.cpu) == (8, 7, 1, 2.0, 0.75)
    assert [(second.open, second.sent, second.done) for second in whole.seconds] == [(3, 7, 7), (1, 1, 0)]
    assert whole.latency.count == 2
    assert whole.faults == {"no answer": 3, "other": 1}
    assert whole.rate() == 3.5


def test_the_warm_up_is_forgotten_but_not_its_faults() -> None:
    tally = Tally(sent=10, done=8, waiting=2, lost=1)
    tally.seconds.append(Second(done=8))
    tally.begin()
    assert (tally.sent, tally.done, tally.lost, tally.seconds) == (2, 0, 1, [])
