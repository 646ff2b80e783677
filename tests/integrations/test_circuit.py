"""The circuit breaker, on a clock that the test sets."""

from __future__ import annotations

import pytest

from wsgw.integrations.circuit import Circuit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock, threshold: int = 3) -> Circuit:
    circuit = Circuit(threshold, clock)
    for _ in range(threshold):
        circuit.failed()
    return circuit


def test_it_opens_after_that_many_failures_in_a_row(clock):
    circuit = Circuit(3, clock)
    circuit.failed()
    circuit.failed()
    assert circuit.admits()
    circuit.failed()
    assert not circuit.admits()


def test_a_success_starts_the_count_again(clock):
    circuit = Circuit(3, clock)
    for _ in range(5):
        circuit.failed()
        circuit.failed()
        circuit.succeeded()
    assert circuit.admits()


def test_a_threshold_of_zero_never_opens(clock):
    circuit = Circuit(0, clock)
    for _ in range(1000):
        circuit.failed()
    assert circuit.admits()
    assert not circuit.opened


def test_one_probe_is_let_through_after_the_pause(clock):
    circuit = opened(clock)
    clock.now += 0.99
    assert not circuit.admits()
    clock.now += 0.01
    assert [circuit.admits() for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_it(clock):
    circuit = opened(clock)
    clock.now += 1
    assert circuit.admits()
    circuit.succeeded()
    assert [circuit.admits() for _ in range(3)] == [True, True, True]


def test_each_probe_that_fails_doubles_the_pause_up_to_thirty_seconds(clock):
    circuit = opened(clock)
    pauses = []
    pause = 1.0
    for _ in range(8):
        clock.now += pause
        assert circuit.admits()
        circuit.failed()
        begun = clock.now
        while not Circuit.admits(circuit):
            clock.now += 0.5
        pauses.append(clock.now - begun)
        circuit.failed()
        pause = 60.0
    assert pauses[0] == 2.0
    assert pauses == sorted(pauses)
    assert max(pauses) == 30.0


def test_stragglers_from_before_it_opened_do_not_lengthen_the_pause(clock):
    circuit = opened(clock)
    for _ in range(500):
        circuit.failed()
    clock.now += 1
    assert circuit.admits()


def test_a_probe_that_says_nothing_is_followed_by_another(clock):
    circuit = opened(clock)
    clock.now += 1
    assert circuit.admits()
    clock.now += 0.5
    assert not circuit.admits()
    clock.now += 0.5
    assert circuit.admits()


def test_after_closing_the_first_pause_is_short_again(clock):
    circuit = opened(clock)
    clock.now += 1
    circuit.admits()
    circuit.failed()
    clock.now += 2
    circuit.admits()
    circuit.succeeded()
    for _ in range(3):
        circuit.failed()
    clock.now += 1
    assert circuit.admits()
