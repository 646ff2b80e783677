"""The bus over a Redis that works: what it sends, when it believes that a connection is gone, whom it trusts."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from tests.harness.buses import BusNode, Clock, post, redis_node
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.errors import StoreUnavailable
from wsgw.stores.base import Answer, Question
from wsgw.stores.redis.keys import Keys
from wsgw.stores.redis.wire import MOST_BYTES, VERSION, Batch, Wire

Join = Callable[..., Awaitable[BusNode]]
KEYS = Keys("wsgw")
LEASE = 10.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as one:
        yield one


@pytest.fixture
async def join(server: RedisServer, clock: Clock) -> AsyncIterator[Join]:
    """Opens the bus of another node; it ticks when the test says so."""
    nodes: list[BusNode] = []

    async def join(name: str, **settings: object) -> BusNode:
        node = redis_node(server.url, name, clock, **settings)
        nodes.append(node)
        return await node.open()

    yield join
    for node in nodes:
        await node.close()


async def publishes(server: RedisServer) -> int:
    return (await server.cli("INFO", "commandstats")).get("cmdstat_publish", {"calls": 0})["calls"]


# ---- batches


async def test_questions_of_one_turn_are_one_message_and_so_are_their_answers(server, join):
    asker, owner = await join("aaaa"), await join("bbbb")
    before = await publishes(server)
    answers = [asker.bus.ask("bbbb", post("c", b"%d" % n)) for n in range(500)]
    assert [one.data for one in await asyncio.gather(*answers)] == [b"%d" % n for n in range(500)]
    assert await publishes(server) - before == 2
    assert (asker.bus.asked, asker.bus.answered, owner.bus.executed) == (500, 500, 500)


async def test_what_is_for_several_nodes_is_one_message_for_each(server, join):
    asker, *owners = [await join(name) for name in ("aaaa", "bbbb", "cccc")]
    before = await publishes(server)
    await asyncio.gather(*(asker.bus.ask(one.name, post("c")) for one in owners for _ in range(50)))
    assert await publishes(server) - before == 4


@pytest.mark.parametrize(("many", "size", "messages"), [(2500, 0, 3), (10, 128 << 10, 10), (16, 60 << 10, 4)])
async def test_a_large_batch_is_several_messages_in_order(server, join, many, size, messages):
    asker, owner = await join("aaaa"), await join("bbbb")
    owner.reply = lambda question: Answer(200)
    before = await publishes(server)
    datas = [b"%d " % n + bytes(size) for n in range(many)]
    sent = asyncio.gather(*(asker.bus.ask("bbbb", post("c", data)) for data in datas))
    await sent
    assert [question.data for question in owner.asked] == datas
    # The answers of a message that was read at once are one message; there are at most as many as questions'.
    assert messages + 1 <= await publishes(server) - before <= 2 * messages


async def test_what_no_message_may_hold_is_too_large(join):
    asker = await join("aaaa")
    assert (await asker.bus.ask("bbbb", post("c", bytes(MOST_BYTES)))).status == 413


async def test_the_largest_question_that_is_sent_is_read(join):
    asker, owner = await join("aaaa"), await join("bbbb")
    owner.reply = lambda question: Answer(200)
    assert (await asker.bus.ask("bbbb", post("c" * 36, bytes(MOST_BYTES - 4096)))).status == 200


async def test_more_questions_than_may_wait_fail_at_once(join, monkeypatch):
    monkeypatch.setattr("wsgw.stores.redis.pending.MOST_QUESTIONS", 3)
    asker, owner = await join("aaaa"), await join("bbbb")
    first = [asker.bus.ask("bbbb", post("c")) for _ in range(3)]
    more = asker.bus.ask("bbbb", post("c"))
    assert more.done()
    with pytest.raises(StoreUnavailable):
        await more
    assert [one.status for one in await asyncio.gather(*first)] == [200] * 3
    assert len(owner.asked) == 3


async def test_before_it_is_open_and_after_it_is_closed_nothing_can_be_asked(server, join):
    node = await join("aaaa")
    new = redis_node(server.url, "eeee").bus
    await node.bus.close()
    for bus in (new, node.bus):
        assert not bus.hears
        with pytest.raises(StoreUnavailable):
            await bus.ask("aaaa", post("c"))
        bus.tick()


async def test_questions_that_are_told_of_as_failed_are_not_sent(join):
    asker, owner = await join("aaaa"), await join("bbbb")
    answer = asker.bus.ask("bbbb", post("c", b"never"))
    asker.bus._lost()
    with pytest.raises(StoreUnavailable):
        await answer
    assert (await asker.bus.ask("bbbb", post("c", b"later"))).status == 200
    assert [question.data for question in owner.asked] == [b"later"]


async def test_a_failure_that_nobody_waits_for_is_not_logged(join, clock, caplog):
    asker, owner = await join("aaaa"), await join("bbbb")
    owner.reply = None
    asker.bus.ask("bbbb", post("c"))
    clock.now += 3
    asker.bus.tick()
    gc.collect()
    assert asker.bus.expired == 1
    assert caplog.records == []


# ---- nobody listens


async def ask(asker: BusNode, connection_id: str = "c") -> int | str:
    try:
        return (await asker.bus.ask("dddd", post(connection_id))).status
    except StoreUnavailable as error:
        return str(error)


SILENT = "node dddd does not listen"


async def test_a_connection_of_a_node_that_is_gone_is_gone(join, clock):
    asker = await join("aaaa")
    assert await ask(asker) == SILENT  # Redis may have forgotten it
    clock.now += LEASE
    assert await ask(asker) == SILENT
    clock.now += 0.1
    assert await ask(asker) == 410
    assert asker.bus.unreachable == 3


@pytest.mark.parametrize("traces", [["SET", KEYS.lease("dddd"), "token"], ["HSET", KEYS.open("dddd"), "c", "x"]])
async def test_a_connection_that_redis_knows_of_is_not_gone(server, join, clock, traces):
    asker = await join("aaaa")
    clock.now += LEASE + 1
    await server.cli(*traces)
    assert await ask(asker) == SILENT


async def test_only_the_connections_that_are_owed_for_are_not_gone(server, join, clock):
    asker = await join("aaaa")
    clock.now += LEASE + 1
    await server.cli("HSET", KEYS.owed("dddd"), "owed", "x")
    assert await asyncio.gather(ask(asker, "owed"), ask(asker, "other")) == [SILENT, 410]


async def test_after_doubt_nothing_is_certain_for_a_lease(join, clock):
    asker = await join("aaaa")
    clock.now += LEASE + 1
    asker.bus.doubt()
    assert await ask(asker) == SILENT
    clock.now += LEASE + 1
    assert await ask(asker) == 410


# ---- age


async def test_what_may_be_older_than_its_asker_waits_is_not_carried_out(join, clock):
    """As after a pause of the owner's process: its socket holds what was said meanwhile."""
    asker, owner = await join("aaaa"), await join("bbbb")
    clock.now += 3
    answer = asker.bus.ask("bbbb", post("c", b"old"))
    await until(lambda: owner.bus.stale)
    owner.bus.tick()
    # It beats before it hears this: Redis keeps the order.
    await until(lambda: owner.bus._proof == clock.now)
    assert (await asker.bus.ask("bbbb", post("c", b"new"))).status == 200
    assert [question.data for question in owner.asked] == [b"new"]
    assert not answer.done()


async def test_a_message_that_comes_again_is_not_carried_out_again(server, join):
    asker, owner = await join("aaaa", cluster_secret="s"), await join("bbbb", cluster_secret="s")
    channel = KEYS.channel("bbbb")
    async with server.client() as spy:
        listening = spy.pubsub()
        await listening.subscribe(channel)
        await listening.get_message(timeout=5)
        await asker.bus.ask("bbbb", post("c", b"once"))
        message = (await listening.get_message(timeout=5))["data"]
        await listening.aclose()
        await spy.publish(channel, message)
        await until(lambda: owner.bus.stale == 1)
        # Nor is it for anybody else.
        await spy.publish(KEYS.channel("aaaa"), message)
        await until(lambda: asker.bus.forged == 1)
    assert len(owner.asked) == 1


async def test_silence_is_not_taken_for_a_fault_while_the_bus_is_well(join, clock):
    nodes = [await join(name) for name in ("aaaa", "bbbb", "cccc")]
    ears = [ear for node in nodes for ear in (node.bus._own, node.bus._announcements._ear)]
    for _ in range(20):
        clock.now += 1
        for node in nodes:
            node.bus.tick()
        await until(lambda: all(ear._heard == clock.now for ear in ears))
    assert [node.bus.gaps for node in nodes] == [0, 0, 0]
    assert [node.heard for node in nodes] == [[], [], []]


# ---- strangers


def questions(*items: object, sequence: int = 1) -> bytes:
    return bytes((VERSION, 0)) + msgspec.msgpack.encode(["eeee", 77, sequence, 0.0, 2.0, items, []])


STRANGE = [
    ("nothing", b""),
    ("random", b"\x93\x00\xff random"),
    ("another version", bytes((VERSION + 1,)) + questions((1, Question("POST", "c")))[1:]),
    ("cut off", questions((1, Question("POST", "c")))[:-3]),
    ("another type", questions((1, ("POST", 7, "api", b"", False)))),
    ("an unknown verb", questions((1, Question("FLY", "c")))),
    ("20 MB", questions((1, Question("POST", "c", "api", bytes(20_000_000))))),
    ("nested", bytes((VERSION, 0)) + b"\x91" * 1_000_000),
]


@pytest.mark.parametrize("message", [case[1] for case in STRANGE], ids=[case[0] for case in STRANGE])
async def test_a_node_counts_what_it_cannot_read_and_lives(server, join, message, caplog):
    """S-61."""
    asker, owner = await join("aaaa"), await join("bbbb")
    async with server.client() as stranger:
        for times in (1, 2, 3):
            await stranger.publish(KEYS.channel("bbbb"), message)
            await until(lambda times=times: owner.bus.garbage + owner.bus.stale == times)
    assert owner.bus.garbage >= 1
    assert owner.asked == []
    assert (await asker.bus.ask("bbbb", post("c"))).status == 200
    assert sum(record.name == "wsgw.bus" for record in caplog.records) == 1


async def test_a_node_lives_when_redis_drops_it_for_a_message_that_is_too_large(server, join):
    """S-61: Redis itself closes a subscriber that it has 32 MB for (client-output-buffer-limit)."""
    asker, owner = await join("aaaa"), await join("bbbb")
    async with server.client() as stranger:
        await stranger.publish(KEYS.channel("bbbb"), questions((1, Question("POST", "c", "api", bytes(50_000_000)))))
    await until(lambda: owner.bus.gaps)
    assert (await asker.bus.ask("bbbb", post("c"))).status == 200
    assert len(owner.asked) == 1


async def test_what_is_not_signed_with_the_secret_is_counted_and_dropped(server, join, clock, caplog):
    """S-61."""
    caplog.set_level(logging.WARNING, "wsgw.bus")
    asker, owner = await join("aaaa", cluster_secret="right"), await join("bbbb", cluster_secret="right")
    liar = await join("eeee", cluster_secret="wrong")
    lies = [liar.bus.ask("bbbb", post("c")), redis_unsigned(server)]
    await until(lambda: owner.bus.forged == 1)
    await lies[1]
    await until(lambda: owner.bus.forged == 2)
    assert owner.asked == []
    assert (await asker.bus.ask("bbbb", post("c"))).status == 200
    clock.now += 2
    liar.bus.tick()
    with pytest.raises(StoreUnavailable):
        await lies[0]
    assert sum("signed" in record.message for record in caplog.records) == 1


async def redis_unsigned(server: RedisServer) -> None:
    async with server.client() as stranger:
        await stranger.publish(KEYS.channel("bbbb"), questions((1, Question("DELETE", "c"))))


async def test_a_forged_announcement_is_dropped(server, join):
    node = await join("aaaa", cluster_secret="right")
    liar = await join("eeee", cluster_secret="wrong")
    liar.bus.announce("lie")
    await until(lambda: node.bus.forged == 1)
    node.bus.announce("truth")
    await until(lambda: node.heard)
    assert node.heard == ["truth"]


async def test_an_answer_to_an_earlier_process_of_the_same_name_is_nobodys(server, join):
    node, owner = await join("aaaa"), await join("bbbb")
    owner.reply = None
    pending = node.bus.ask("bbbb", post("c"))
    await until(lambda: owner.answers)
    answers = [(number, Answer(200, b"not yours")) for number in range(1000)]
    channel = KEYS.channel("aaaa")
    async with server.client() as earlier:
        await earlier.publish(channel, Wire("").write(channel, Batch("bbbb", 1, 1, 0.0, 2.0, [], answers)))
    await until(lambda: node.bus.late == 1000)
    assert not pending.done()
    owner.answers[0](Answer(200, b"yours"))
    assert (await pending).data == b"yours"
