"""Who is dead, on one clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsgw.stores.redis.watch import Watch


def watch() -> Watch:
    return Watch(10, b"left")


def test_a_beat_that_stands_still_for_a_lease_is_a_dead_node():
    one = watch()
    assert one.look({"aaaa": b"t 1"}, 0) == []
    assert one.look({"aaaa": b"t 1"}, 9.9) == []
    assert one.look({"aaaa": b"t 1"}, 10) == [("aaaa", b"t 1")]


def test_a_node_that_has_left_is_not_waited_for():
    assert watch().look({"aaaa": b"t left"}, 0) == [("aaaa", b"t left")]


def test_a_node_is_watched_anew_after_its_entry_was_gone():
    one = watch()
    one.look({"aaaa": b"t 1"}, 0)
    one.look({}, 5)
    assert one.look({"aaaa": b"t 1"}, 10) == []


def test_nobody_is_judged_by_what_was_before_a_restart():
    one = watch()
    one.look({"aaaa": b"t 1"}, 0)
    one.restart(12)
    assert one.look({"aaaa": b"t 1"}, 11) == []
    assert one.look({"aaaa": b"t 1"}, 21.9) == []
    assert one.look({"aaaa": b"t 1"}, 22) == [("aaaa", b"t 1")]


def test_a_lease_that_moved_is_what_must_stand_still_from_then_on():
    one = watch()
    one.look({"aaaa": b"t 1"}, 0)
    one.alive("aaaa", b"t 5", 10)
    assert one.look({"aaaa": b"t 1"}, 19) == []
    assert one.look({"aaaa": b"t 1"}, 20) == [("aaaa", b"t 5")]


def test_the_time_in_which_the_beats_were_waited_for_is_nobodys_silence():
    one = watch()
    one.look({"aaaa": b"t 1"}, 0)
    assert one.look({"aaaa": b"t 1"}, 15, asked=9) == []
    assert one.look({"aaaa": b"t 1"}, 15, asked=15) == [("aaaa", b"t 1")]


def test_a_beat_is_seen_when_it_has_come_and_not_when_it_was_asked_for():
    one = watch()
    one.look({"aaaa": b"t 1"}, 6, asked=0)
    assert one.look({"aaaa": b"t 1"}, 15) == []
    assert one.look({"aaaa": b"t 1"}, 16) == [("aaaa", b"t 1")]


@given(st.lists(st.tuples(st.floats(0.1, 3), st.booleans()), max_size=60))
def test_a_node_is_dead_exactly_when_it_stood_still_for_a_lease(steps: list[tuple[float, bool]]):
    one, now, moved, beat = watch(), 0.0, 0.0, 0
    one.look({"aaaa": b"t 0"}, now)
    for pause, moves in steps:
        now += pause
        if moves:
            beat, moved = beat + 1, now
        assert bool(one.look({"aaaa": b"t %d" % beat}, now)) == (now - moved >= 10)
