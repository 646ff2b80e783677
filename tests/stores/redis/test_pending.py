"""Questions that wait: how many bytes a node is asked at once, and that nothing of the rest is lost or overtaken."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Answer, Question
from wsgw.stores.redis.pending import WINDOW, Pending

LARGEST = memoryview(bytes(WINDOW + 1))
HALF = bytes(WINDOW // 2 - 64)


class Node:
    """`sent` are the numbers and the data that were sent, to any node."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.pending = Pending(lambda node, number, question: self.sent.append((number, question.data)))

    def ask(self, data: bytes | memoryview, node: str = "bbbb", until: float = 10) -> asyncio.Future[Answer]:
        return self.pending.ask(node, Question("POST", "c", "api", data), until)  # type: ignore[arg-type]


async def test_a_node_is_asked_no_more_than_the_window_at_once():
    node = Node()
    answers = [node.ask(HALF) for _ in range(5)]
    other = node.ask(HALF, "cccc")
    assert len(node.sent) == 3
    assert node.pending.answer(node.sent[0][0], Answer(200))
    assert len(node.sent) == 4
    assert [one.done() for one in [*answers, other]] == [True, False, False, False, False, False]


async def test_what_is_larger_than_the_window_is_asked_alone():
    node = Node()
    node.ask(b"small")
    node.ask(bytes(WINDOW))
    node.ask(b"small")
    assert len(node.sent) == 1
    for sent in (2, 3):
        node.pending.answer(node.sent[-1][0], Answer(200))
        assert len(node.sent) == sent


async def test_what_waited_too_long_to_be_asked_is_not_asked():
    node = Node()
    first = node.ask(bytes(WINDOW), until=10)
    held = node.ask(b"held", until=11)
    last = node.ask(b"last", until=12)
    assert node.pending.expire(9.9) == 0
    assert node.pending.expire(11) == 2
    for one in (first, held):
        with pytest.raises(StoreUnavailable):
            await one
    assert [data for _, data in node.sent[1:]] == [b"last"]
    node.pending.answer(node.sent[-1][0], Answer(204))
    assert await last == Answer(204)


async def test_when_all_fail_the_window_is_open_again():
    node = Node()
    answers = [node.ask(bytes(WINDOW)), node.ask(b"held")]
    node.pending.fail_all("lost")
    for one in answers:
        with pytest.raises(StoreUnavailable):
            await one
    assert not node.pending.answer(node.sent[0][0], Answer(200))
    node.ask(b"new")
    assert [data for _, data in node.sent[1:]] == [b"new"]


@settings(deadline=None)
@given(st.lists(st.integers(0, WINDOW + 1), max_size=12), st.randoms(use_true_random=False))
def test_all_are_asked_in_order_whatever_the_sizes_and_the_order_of_answers(sizes, rolls):
    async def run() -> None:
        node = Node()
        answers = [node.ask(LARGEST[:size]) for size in sizes]
        asked = 0
        waiting: list[int] = []
        for _ in sizes:
            waiting += [number for number, _ in node.sent[asked:]]
            asked = len(node.sent)
            assert node.pending.answer(waiting.pop(rolls.randrange(len(waiting))), Answer(200))
        assert all(one.done() for one in answers)
        assert len(node.sent) == len(sizes)
        assert [number for number, _ in node.sent] == sorted(number for number, _ in node.sent)
        assert len(node.pending) == 0
        assert not node.pending._open
        assert not node.pending._held
        assert node.pending._held_bytes == 0

    asyncio.run(run())
