"""Pauses between attempts."""

from __future__ import annotations

from wsgw.stores.redis.backoff import Backoff


class Time:
    now = 100.0


def backoff(time: Time) -> Backoff:
    return Backoff(lambda: time.now, jitter=lambda: 1.0)


def test_pauses_double_up_to_the_longest():
    one = backoff(Time())
    assert [one.pause() for _ in range(8)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_what_has_held_for_a_while_begins_anew():
    time = Time()
    one = backoff(time)
    for _ in range(5):
        one.pause()
    one.works()
    time.now += 1
    assert one.pause() == 0.05


def test_what_breaks_at_once_goes_on_with_longer_pauses():
    time = Time()
    one = backoff(time)
    for expected in (0.05, 0.1, 0.2):
        assert one.pause() == expected
        one.works()
        time.now += 0.9
    assert one.pause() == 0.4
    time.now += 60  # in which it did not work
    assert one.pause() == 0.8


def test_no_two_wait_equally_long():
    assert len({Backoff().pause() for _ in range(50)}) > 40
