"""What any bus does, in memory or over Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.harness.buses import BusNode, Clock, memory_node, post, redis_node
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Answer, Question
from wsgw.stores.memory_bus import Exchange

Join = Callable[[str], Awaitable[BusNode]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
async def join(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Join]:
    """Opens the bus of another node."""
    nodes: list[BusNode] = []
    exchange = Exchange()
    server = RedisServer() if request.param == "redis" else None
    if server is not None:
        await server.start()

    async def join(name: str) -> BusNode:
        node = memory_node(exchange, name, clock) if server is None else redis_node(server.url, name, clock)
        nodes.append(node)
        return await node.open()

    yield join
    for node in nodes:
        await node.close()
    if server is not None:
        server.close()


async def test_a_question_is_answered_by_the_node_that_it_names(join):
    asker, owner, other = await join("aaaa"), await join("bbbb"), await join("cccc")
    question = Question("POST", "connection=", "api", b"\x00\xff payload", True)
    owner.reply = lambda question: Answer(413, b"too much")
    assert await asker.bus.ask("bbbb", question) == Answer(413, b"too much")
    assert (owner.asked, other.asked, asker.asked) == ([question], [], [])


async def test_a_node_may_ask_itself(join):
    node = await join("aaaa")
    assert (await node.bus.ask("aaaa", post("c", b"me"))).data == b"me"


async def test_each_asker_gets_its_own_answer(join):
    one, two, _ = [await join(name) for name in ("aaaa", "bbbb", "cccc")]
    asks = [(n, asker.bus.ask("cccc", post("c", b"%d" % n))) for n in range(200) for asker in (one, two)]
    for n, answer in asks:
        assert (await answer).data == b"%d" % n


async def test_questions_arrive_in_the_order_of_the_calls(join):
    asker, owner = await join("aaaa"), await join("bbbb")
    texts = [b"%d" % n for n in range(3000)]
    await asyncio.gather(*(asker.bus.ask("bbbb", post("c", text)) for text in texts))
    assert [question.data for question in owner.asked] == texts


async def test_an_answer_may_come_later_and_in_another_order(join):
    asker, owner = await join("aaaa"), await join("bbbb")
    owner.reply = None
    first, second = asker.bus.ask("bbbb", post("1")), asker.bus.ask("bbbb", post("2"))
    await until(lambda: len(owner.answers) == 2)
    owner.answers[1](Answer(410))
    assert (await second).status == 410
    assert not first.done()
    owner.answers[0](Answer(200))
    assert (await first).status == 200


async def test_a_question_without_an_answer_ends_after_bus_seconds(join, clock):
    asker, owner = await join("aaaa"), await join("bbbb")
    owner.reply = None
    answer = asker.bus.ask("bbbb", post("c"))
    await until(lambda: owner.answers)
    clock.now += 1.9
    asker.bus.tick()
    assert not answer.done()
    clock.now += 0.1
    asker.bus.tick()
    with pytest.raises(StoreUnavailable):
        await answer
    owner.answers[0](Answer(200))  # nobody waits for it any more
    clock.now -= 1.5
    owner.reply = lambda question: Answer(204)
    assert (await asker.bus.ask("bbbb", post("c"))).status == 204


async def test_who_no_longer_waits_disturbs_nobody(join):
    asker, owner = await join("aaaa"), await join("bbbb")
    owner.reply = None
    answers = [asker.bus.ask("bbbb", post(str(n))) for n in range(10)]
    await until(lambda: len(owner.answers) == 10)
    for one in answers[::2]:
        one.cancel()
    for n, answer in enumerate(owner.answers):
        answer(Answer(200, b"%d" % n))
    assert [one.data for one in await asyncio.gather(*answers[1::2])] == [b"1", b"3", b"5", b"7", b"9"]


async def test_a_failing_owner_gives_no_answer_and_lives(join, clock):
    asker, owner = await join("aaaa"), await join("bbbb")
    good, owner.bus.on_question = owner.bus.on_question, lambda question, answer: 1 / 0
    answer = asker.bus.ask("bbbb", post("c"))
    behind = asker.bus.ask("aaaa", post("c"))
    await behind
    clock.now += 2
    asker.bus.tick()
    with pytest.raises(StoreUnavailable):
        await answer
    clock.now -= 1
    owner.bus.on_question = good
    assert (await asker.bus.ask("bbbb", post("c"))).status == 200


async def test_an_announcement_reaches_every_node_and_the_one_that_makes_it(join):
    nodes = [await join(name) for name in ("aaaa", "bbbb", "cccc")]
    nodes[0].bus.announce("definitions")
    for node in nodes:
        await until(lambda node=node: node.heard == ["definitions"])


async def test_a_node_that_moves_is_asked_under_its_new_name(join):
    asker, owner = await join("aaaa"), await join("bbbb")
    asker.reply = None
    pending = owner.bus.ask("aaaa", post("c"))
    owner.name = "dddd"
    await owner.bus.move()
    with pytest.raises(StoreUnavailable):
        await pending
    assert (await asker.bus.ask("dddd", post("c"))).status == 200
    owner.asked.clear()
    try:
        assert (await asker.bus.ask("bbbb", post("c"))).status == 410
    except StoreUnavailable:
        pass
    assert owner.asked == []


async def test_what_is_pending_fails_when_the_bus_is_closed(join):
    asker, owner = await join("aaaa"), await join("bbbb")
    owner.reply = None
    answer = asker.bus.ask("bbbb", post("c"))
    await until(lambda: owner.answers)
    closing = asyncio.ensure_future(asker.bus.close())
    with pytest.raises(StoreUnavailable):
        await answer
    await closing
