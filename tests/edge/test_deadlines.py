"""The wheel of deadlines, against a plain list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsgw.edge.deadlines import Wheel


class Thing:
    def __init__(self) -> None:
        self.slice = -1


def test_what_is_due_comes_out_once_and_no_more_than_a_tick_late():
    wheel, thing = Wheel(tick=0.25), Thing()
    wheel.put(thing, 10.1)
    assert list(wheel.due(10.0)) == []
    assert list(wheel.due(10.35)) == [thing]
    assert list(wheel.due(20)) == []


def test_hasten_only_ever_brings_nearer():
    wheel, thing = Wheel(), Thing()
    wheel.put(thing, 10)
    wheel.hasten(thing, 20)
    assert list(wheel.due(10.25)) == [thing]
    wheel.put(thing, 10)
    wheel.hasten(thing, 5)
    assert list(wheel.due(5.25)) == [thing]


def test_what_was_dropped_never_comes_out():
    wheel, thing = Wheel(), Thing()
    wheel.put(thing, 1)
    wheel.drop(thing)
    wheel.drop(thing)
    assert list(wheel.due(100)) == []


def test_a_thing_may_be_put_again_while_others_come_out():
    wheel, things = Wheel(), [Thing() for _ in range(5)]
    for thing in things:
        wheel.put(thing, 1)
    seen = []
    for timed in wheel.due(2):
        seen.append(timed)
        wheel.put(timed, 3)
    assert set(seen) == set(things)
    assert set(wheel.due(4)) == set(things)


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 100)), max_size=60), st.floats(0, 120))
def test_it_agrees_with_a_list_but_for_a_tick(puts: list[tuple[int, float]], now: float):
    wheel, things = Wheel(tick=0.25), [Thing() for _ in range(10)]
    at: dict[int, float] = {}
    for index, deadline in puts:
        wheel.put(things[index], deadline)
        at[index] = deadline
    out = {things.index(timed) for timed in wheel.due(now)}
    assert {index for index, deadline in at.items() if deadline <= now - 0.25} <= out
    assert out <= {index for index, deadline in at.items() if deadline <= now}
