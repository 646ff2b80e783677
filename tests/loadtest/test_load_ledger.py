"""The checker is checked: histories made wrong on purpose must be found out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.cli.load.ledger import Ledger
from wsgw.cli.load.tally import Tally


def ledger(count: int, index: int = 0, **options: object) -> tuple[Ledger, Tally, list[int]]:
    """A ledger that waits for `count` answers, due at 1, 2, 3, …"""
    tally = Tally()
    book = Ledger(index, tally, **options)  # type: ignore[arg-type]
    return book, tally, [book.expect(float(number + 1)) for number in range(count)]


def answer(id: int) -> bytes:
    return b'{"pong":{"action":"echo","id":%d,"pad":"x"}}' % id


@given(st.integers(1, 20))
def test_the_right_answers_in_order_all_pass(count: int) -> None:
    book, tally, ids = ledger(count)
    assert [book.take(answer(id), 100.0) for id in ids] == ids
    assert (tally.sent, tally.done, tally.waiting, tally.failures()) == (count, count, 0, 0)


def test_latency_counts_from_when_the_message_was_due() -> None:
    book, tally, ids = ledger(1)
    book.take(answer(ids[0]), 1.25)
    assert tally.now.latency.quantile(1) == pytest.approx(0.25, abs=1e-6)


@given(st.integers(1, 20), st.randoms(use_true_random=False))
def test_every_answer_that_is_missing_is_lost(count: int, chance: random.Random) -> None:
    book, tally, ids = ledger(count, ordered=False)
    missing = set(chance.sample(ids, chance.randint(1, count)))
    for id in ids:
        if id not in missing:
            book.take(answer(id), 100.0)
    assert set(book.abandon()) == missing
    assert (tally.lost, tally.done, tally.failures()) == (len(missing), count - len(missing), len(missing))


@given(st.integers(1, 20), st.randoms(use_true_random=False))
def test_an_answer_that_comes_twice_is_duplicated(count: int, chance: random.Random) -> None:
    book, tally, ids = ledger(count)
    twice = chance.choice(ids)
    for id in ids:
        book.take(answer(id), 100.0)
        if id == twice:
            assert book.take(answer(id), 100.0) is None
    assert (tally.done, tally.duplicated, tally.failures()) == (count, 1, 1)


def test_the_answer_of_another_connection_is_wrong() -> None:
    _, _, others = ledger(1, index=1)
    book, tally, _ = ledger(1, index=0)
    assert book.take(answer(others[0]), 100.0) is None
    assert (tally.wrong, tally.done) == (1, 0)


def test_an_answer_to_a_message_not_sent_yet_is_wrong() -> None:
    book, tally, ids = ledger(1)
    book.take(answer(ids[0] + 1), 100.0)
    assert (tally.wrong, tally.duplicated) == (1, 0)


@given(st.integers(2, 20), st.randoms(use_true_random=False))
def test_answers_out_of_order_are_found(count: int, chance: random.Random) -> None:
    book, tally, ids = ledger(count)
    first, second = sorted(chance.sample(range(count), 2))
    ids[first], ids[second] = ids[second], ids[first]
    for id in ids:
        book.take(answer(id), 100.0)
    assert tally.done == count
    assert tally.misordered >= 1


def test_pushes_may_overtake_each_other() -> None:
    book, tally, ids = ledger(3, ordered=False)
    for id in reversed(ids):
        book.take(answer(id), 100.0)
    assert (tally.done, tally.failures()) == (3, 0)


def test_an_error_frame_takes_the_place_of_the_answer() -> None:
    book, tally, ids = ledger(2)
    assert book.take(b'{"message":"Internal server error","connectionId":"a","requestId":"b"}', 100.0) == ids[0]
    assert book.take(answer(ids[1]), 100.0) == ids[1]
    assert (tally.errors, tally.done, tally.waiting) == (1, 1, 0)
    assert "Internal server error" in next(iter(tally.faults))


def test_a_frame_without_an_id_among_pushes_settles_nothing() -> None:
    book, tally, _ = ledger(1, ordered=False)
    assert book.take(b"hello", 100.0) is None
    assert (tally.errors, tally.waiting) == (1, 1)


WRAPPED = [
    b'{"id":%d}',
    b'{"id" : %d}',
    b'{"pong":{"id":%d}}',
    rb'{"body":"{\"id\":%d}"}',
    rb'{"connectionId":"x","body":"{\"action\":\"echo\",\"id\": %d}"}',
]


@pytest.mark.parametrize("form", WRAPPED)
def test_the_id_is_found_however_the_backend_wraps_it(form: bytes) -> None:
    book, _, ids = ledger(1)
    assert book.take(form % ids[0], 100.0) == ids[0]


def test_replies_without_ids_can_be_counted_by_their_order() -> None:
    book, tally, ids = ledger(2, verify="order")
    assert [book.take(b'{"pong":true}', 100.0) for _ in ids] == ids
    assert book.take(b'{"pong":true}', 100.0) is None
    assert (tally.done, tally.errors) == (2, 1)


def test_a_refused_push_is_an_error_once() -> None:
    book, tally, ids = ledger(1, ordered=False)
    assert book.withdraw(ids[0], "push answered 410")
    assert not book.withdraw(ids[0], "push answered 410")
    assert (tally.errors, tally.waiting, tally.faults) == (1, 0, {"push answered 410": 1})


def test_only_so_many_kinds_of_fault_are_kept() -> None:
    tally = Tally()
    for number in range(100):
        tally.fault(f"fault {number}")
    tally.fault("fault 0")
    assert len(tally.faults) == 20
    assert tally.faults["fault 0"] == 2
