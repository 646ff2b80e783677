"""The registry when Redis is away, comes back, or comes back empty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from tests.stores.redis.members import (
    KEYS,
    LEASE,
    Join,
    Member,
    Time,
    all_ids,
    members,
    pass_time,
    rewritten,
    work_through,
)
from wsgw.stores.records import Departure
from wsgw.stores.redis.registry_scripts import OPEN


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def join(own_redis: RedisServer, time: Time) -> AsyncIterator[Join]:
    async with members(own_redis.url, time) as one_more:
        yield one_more


async def away(redis: RedisServer, *some: Member) -> None:
    await redis.stop()
    for one in some:
        one.link.send("PING")
    await until(lambda: all(one.link.away for one in some))


async def back(redis: RedisServer, *some: Member) -> None:
    await redis.restart(empty=True)
    await until(lambda: not any(one.link.away for one in some))


async def test_an_emptied_redis_is_filled_again(own_redis: RedisServer, join: Join, time: Time):
    """R-06, with the connection to Redis intact."""
    one, other = await join(), await join()
    await one.open(1200)
    ended = one.connection()
    one.registry.own.defer(Departure(ended, 1001, "", 5))
    await own_redis.flush()
    await pass_time(time, 1, one, other)
    await rewritten(one, 1)
    assert await all_ids(other) == set(one.held)
    await pass_time(time, LEASE + 2, other)
    departures = await work_through(other.orphans[0])
    assert departures[0] == Departure(ended, 1001, "", 5)
    assert len(departures) == 1201


async def test_a_write_that_finds_redis_empty_is_known_to_be_late(own_redis: RedisServer, join: Join, time: Time):
    one = await join()
    await own_redis.flush()
    entering = one.connection()
    one.held[entering.id] = entering
    assert await one.registry.own.enter(entering) is False
    await pass_time(time, 1, one)
    await rewritten(one, 1)
    assert await all_ids(one) == {entering.id}
    assert one.registry.counts.entered_late == 1
    assert await one.registry.own.enter(one.connection()) is True


async def test_what_happened_while_redis_was_away_is_in_it_afterwards(own_redis: RedisServer, join: Join, time: Time):
    """R-06, with a restart."""
    one, other = await join(), await join()
    stays, leaves, ends = await one.open(3)
    await away(own_redis, one, other)
    late, brief = one.connection(), one.connection()
    assert await one.registry.own.enter(late) is False
    one.held[late.id] = late
    assert await one.registry.own.enter(brief) is False
    one.end(brief)
    one.end(leaves)
    one.held.pop(ends.id)
    one.registry.own.defer(Departure(ends, 1000, "", 5))
    await pass_time(time, 2, one, other)
    await back(own_redis, one, other)
    await pass_time(time, 1, one, other)
    await rewritten(one, 1)
    assert await all_ids(other) == {stays.id, late.id}
    assert await own_redis.cli("HLEN", KEYS.owed(one.name)) == 1


async def test_what_redis_kept_though_it_left_is_removed(own_redis: RedisServer, join: Join, time: Time):
    one = await join()
    stays, leaves, entering = *await one.open(2), one.connection()
    assert await one.registry.own.enter(entering)  # its 101 is not written yet: the node does not hold it
    ghosts = {one.connection().id: b"forgotten by a replica" for _ in range(3)}
    for id, value in ghosts.items():
        await own_redis.cli("HSET", KEYS.open(one.name), id, value)
        await own_redis.cli("HSET", KEYS.owed(one.name), id, value)
    own_redis.freeze()
    one.link.send("PING")
    await until(lambda: one.link.away)
    one.end(leaves)
    own_redis.thaw()
    await until(lambda: not one.link.away)
    await pass_time(time, 1, one)
    await rewritten(one, 1)
    assert set(await own_redis.cli("HKEYS", KEYS.open(one.name))) == {stays.id, entering.id}
    assert await own_redis.cli("HLEN", KEYS.owed(one.name)) == 0


async def test_nobody_is_dead_because_redis_was_away(own_redis: RedisServer, join: Join, time: Time):
    some = [await join() for _ in range(3)]
    for one in some:
        await one.open(2)
    await pass_time(time, 2, *some)
    own_redis.freeze()
    for one in some:
        one.link.send("PING")
    await until(lambda: all(one.link.away for one in some))
    await pass_time(time, 2 * LEASE, *some)
    own_redis.thaw()
    await until(lambda: not any(one.link.away for one in some))
    # One of them is back first, and looks for as long as it takes the others to find Redis again.
    await pass_time(time, LEASE, some[0])
    await pass_time(time, LEASE * 2, *some)
    assert not any(one.orphans or one.fenced for one in some)
    assert await all_ids(some[0]) == {id for one in some for id in one.held}


async def test_a_node_that_lost_redis_alone_is_fenced_when_it_is_back(own_redis: RedisServer, join: Join, time: Time):
    """R-13: the others went on."""
    alone, other = await join(), await join()
    held = await alone.open(2)
    await pass_time(time, 1, alone, other)
    alone.link._lose("the network is down", [])  # it tries again in the background
    await pass_time(time, LEASE + 1, other)
    told = await work_through(other.orphans[0])
    assert {one.connection for one in told} == set(held)
    await until(lambda: not alone.link.away)
    await pass_time(time, 1, alone)
    assert alone.fenced == 1
    await alone.registry.rejoin()
    (again,) = await alone.open()
    await pass_time(time, LEASE * 2, alone, other)
    assert await all_ids(other) == {again.id}


async def test_a_dead_node_is_found_after_redis_was_away(own_redis: RedisServer, join: Join, time: Time):
    dead, other = await join(), await join()
    await dead.open()
    own_redis.freeze()
    other.link.send("PING")
    await until(lambda: other.link.away)
    own_redis.thaw()
    await until(lambda: not other.link.away)
    await pass_time(time, LEASE + 4, other)
    assert [book.node for book in other.orphans] == [dead.name]


async def test_connections_come_and_go_while_the_book_is_written_anew(own_redis: RedisServer, join: Join, time: Time):
    one = await join()
    await one.open(3000)
    await own_redis.flush()
    await one.registry.tick()
    for number, record in enumerate(list(one.held.values())):
        if number % 3 == 0:
            one.end(record)
        if number % 7 == 0:
            await one.open()
        if number % 100 == 0:
            await asyncio.sleep(0)
    await rewritten(one, 1)
    await one.registry.own.drained()
    assert await all_ids(one) == set(one.held)


async def test_a_redis_that_refuses_to_write_stops_nobody(own_redis: RedisServer, join: Join, time: Time):
    one = await join()
    await one.open()
    await own_redis.cli("CONFIG", "SET", "maxmemory", "1")
    late = one.connection()
    one.held[late.id] = late
    assert await one.registry.own.enter(late) is False
    assert not one.link.away
    await pass_time(time, LEASE * 2, one)
    await own_redis.cli("CONFIG", "SET", "maxmemory", "0")
    await pass_time(time, 1, one)
    await rewritten(one, 1)
    assert await all_ids(one) == set(one.held)


async def test_joining_without_redis_says_so(own_redis: RedisServer, time: Time):
    from wsgw.errors import StoreUnavailable

    one = Member(own_redis.url, time)
    with pytest.raises(StoreUnavailable):
        await one.registry.join()
    await one.registry.close()
    await one.link.close()


async def test_what_is_deferred_while_the_book_is_written_anew_stays_in_it(
    own_redis: RedisServer, join: Join, monkeypatch: pytest.MonkeyPatch
):
    """Redis still names it open when it is looked at, and owed by the time that the look has come back."""
    one, other = await join(), await join()
    (record,) = await one.open()
    book = one.registry.own
    look = book._fields

    async def fields(kind: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
        async for found in look(kind):
            if kind == OPEN:
                del one.held[record.id]
                book.defer(Departure(record, 1001, "", 5))
                await book.drained()
            yield found

    monkeypatch.setattr(book, "_fields", fields)
    assert await book.write_anew(one.registry.held())
    assert await all_ids(other) == set()
    assert await own_redis.cli("HLEN", KEYS.owed(one.name)) == 1
