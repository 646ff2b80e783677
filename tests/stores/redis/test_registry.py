"""Leases and take-overs on a real Redis; the clock on which nodes judge each other is the test's."""

from __future__ import annotations

import asyncio
import contextlib
import time as wall
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.crc import key_slot

from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet
from tests.harness.until import until
from tests.stores.redis.members import KEYS, LEASE, Join, Time, all_ids, members, pass_time, work_through
from wsgw.settings import Settings
from wsgw.stores.base import Book
from wsgw.stores.records import Departure
from wsgw.stores.redis.link import Link
from wsgw.stores.redis.registry import RedisConnections
from wsgw.stores.redis.registry_scripts import SCAN


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def join(redis: RedisServer, time: Time) -> AsyncIterator[Join]:
    async with members(redis.url, time) as one_more:
        yield one_more


async def keys_of(redis: RedisServer, node: str) -> set[str]:
    return {key.rpartition(":")[2] for key in await redis.cli("KEYS", f"*{{{node}}}*")}


async def test_nodes_have_names_of_their_own(join: Join):
    some = [await join() for _ in range(5)]
    assert len({one.name for one in some}) == 5


@pytest.mark.parametrize("trace", ["lease", "fence", "fallen", "open", "owed", "nodes"])
async def test_a_name_that_has_left_a_trace_is_not_taken_again(
    redis: RedisServer, join: Join, trace: str, monkeypatch: pytest.MonkeyPatch
):
    names = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("wsgw.ids.node_name", lambda: next(names))
    if trace == "nodes":
        await redis.cli("HSET", KEYS.nodes, "aaaa", "token 1")
    elif trace in ("open", "owed"):
        await redis.cli("HSET", getattr(KEYS, trace)("aaaa"), "id", "value")
    else:
        await redis.cli("SET", getattr(KEYS, trace)("aaaa"), "token 1")
    assert (await join()).name == "bbbb"


async def test_a_book_that_no_node_is_named_for_is_found_all_the_same(
    redis: RedisServer, join: Join, time: Time, monkeypatch: pytest.MonkeyPatch
):
    names = iter(["aaaa", "bbbb"])
    monkeypatch.setattr("wsgw.ids.node_name", lambda: next(names))
    await redis.cli("HSET", KEYS.open("aaaa"), "id", "garbage")
    one = await join()
    await pass_time(time, 1, one)
    assert [book.node for book in one.orphans] == ["aaaa"]


async def test_a_dead_nodes_book_is_found_by_exactly_one_of_those_left(redis: RedisServer, join: Join, time: Time):
    dead, *others = [await join() for _ in range(3)]
    lost = await dead.open(30)
    await pass_time(time, 2, dead, *others)
    await pass_time(time, LEASE - 1, *others)
    assert not any(one.orphans for one in others)
    await pass_time(time, 2, *others)
    books = [book for one in others for book in one.orphans]
    assert [book.node for book in books] == [dead.name]
    departures = await work_through(books[0])
    assert {one.connection for one in departures} == set(lost)
    assert {(one.code, one.reason) for one in departures} == {(1006, "Node lost")}
    await pass_time(time, LEASE * 2, *others)
    assert sum(one.registry.counts.takeovers for one in others) == 1
    assert await all_ids(others[0]) == set()
    assert dead.name not in await redis.cli("HKEYS", KEYS.nodes)
    assert await keys_of(redis, dead.name) == {"fallen"}


async def test_those_that_look_at_the_same_moment_do_not_both_get_the_book(join: Join, time: Time):
    dead, *others = [await join() for _ in range(4)]
    await dead.open(3)
    await pass_time(time, 1, *others)
    for _ in range(12):
        time.now += 1
        await asyncio.gather(*(one.registry.tick() for one in others))
    assert sum(len(one.orphans) for one in others) == 1


async def test_what_was_deferred_is_given_as_it_was_and_first(join: Join, time: Time):
    dead, other = await join(), await join()
    _, ended = await dead.open(2)
    deferred = Departure(ended, 4000, "left", 7, attempts=2)
    dead.registry.own.defer(deferred)
    await dead.open()
    await pass_time(time, LEASE + 2, other)
    departures = await work_through(other.orphans[0])
    assert departures[0] == deferred
    assert [one.code for one in departures[1:]] == [1006, 1006]


async def test_a_frozen_node_comes_back_fenced_and_begins_anew(join: Join, time: Time):
    frozen, other = await join(), await join()
    before = frozen.name
    (held,) = await frozen.open()
    await pass_time(time, LEASE + 2, other)
    book = frozen.registry.own
    # Before it ticks, it may believe that nothing has happened.
    assert await book.enter(frozen.connection()) is False
    await frozen.registry.tick()
    assert frozen.fenced == 1
    assert book.lost
    assert await all_ids(other) == {held.id}
    await frozen.registry.tick()
    assert frozen.fenced == 1, "once is enough"
    assert await frozen.registry.rejoin() == frozen.name != before
    await frozen.open()
    await work_through(other.orphans[0])
    await pass_time(time, LEASE * 2, frozen, other)
    assert await all_ids(other) == set(frozen.held)
    assert len(other.orphans) == 1


async def test_a_fenced_node_stays_so_after_all_of_its_book_is_done(join: Join, time: Time):
    frozen, other = await join(), await join()
    await frozen.open()
    await pass_time(time, LEASE + 2, other)
    await work_through(other.orphans[0])
    await frozen.registry.tick()
    assert frozen.fenced == 1


async def test_a_node_that_froze_does_not_hold_those_that_went_on_for_dead(join: Join, time: Time):
    frozen, other = await join(), await join()
    await pass_time(time, 2, frozen, other)
    time.now += LEASE * 0.9  # both stand still, and one of them looks first
    await frozen.registry.tick()
    time.now += LEASE * 0.2
    await frozen.registry.tick()
    assert frozen.orphans == []
    await other.registry.tick()
    assert other.fenced == 0


async def test_a_node_that_froze_while_it_looked_does_not_hold_those_that_froze_with_it_for_dead(
    join: Join, time: Time, monkeypatch: pytest.MonkeyPatch
):
    """As when a whole machine stands still: who goes on first has asked before, and is answered long after."""
    first, other = await join(), await join()
    await pass_time(time, 2, other, first)
    beat = first.registry._beat

    async def late() -> dict[str, bytes]:
        found = await beat()
        time.now += LEASE
        return found

    monkeypatch.setattr(first.registry, "_beat", late)
    await pass_time(time, 1, first)
    monkeypatch.undo()
    await pass_time(time, 2, first, other)
    assert (first.orphans, other.fenced) == ([], 0)


async def test_a_node_lives_whose_lease_moves_though_its_beat_does_not_show(redis: RedisServer, join: Join, time: Time):
    odd, other = await join(), await join()
    for _ in range(40):
        time.now += 1
        await odd.registry.tick()
        await redis.cli("HSET", KEYS.nodes, odd.name, "the same always")
        await other.registry.tick()
    assert (other.orphans, odd.fenced) == ([], 0)
    await pass_time(time, LEASE * 2 + 2, other)
    assert [book.node for book in other.orphans] == [odd.name]


async def test_a_taker_that_dies_halfway_has_its_own_taker(redis: RedisServer, join: Join, time: Time):
    dead, taker, last = [await join() for _ in range(3)]
    lost = {one.id for one in await dead.open(20)}
    await pass_time(time, LEASE + 1, taker, last)
    assert len(taker.orphans) == 1
    told = []
    async for departure in taker.orphans[0].departures():
        told.append(departure.connection.id)
        taker.orphans[0].leave(departure.connection.id)
        if len(told) == 7:
            break
    await taker.registry._orphans[dead.name].drained()
    await pass_time(time, 2 * LEASE, last)
    assert dead.name not in [book.node for book in last.orphans], "the fence still stands"
    await redis.cli("DEL", KEYS.fence(dead.name))  # as Redis does when it runs out
    await pass_time(time, 1, last)
    books = {book.node: book for book in last.orphans}
    assert set(books) == {dead.name, taker.name}
    told += [one.connection.id for one in await work_through(books[dead.name])]
    assert set(told) == lost
    assert len(told) == len(lost)
    # The first taker, should it wake up, writes nothing into it any more.
    taker.orphans[0].leave(told[0])
    await taker.registry.tick()
    assert taker.orphans[0].lost
    assert taker.fenced == 1


async def test_a_taker_that_was_slow_goes_on_if_nobody_else_came(redis: RedisServer, join: Join, time: Time):
    dead, taker = await join(), await join()
    await dead.open(3)
    await pass_time(time, LEASE + 2, taker)
    await redis.cli("DEL", KEYS.fence(dead.name))
    taker.orphans[0].leave(next(iter(dead.held)))
    await pass_time(time, 1, taker)
    assert not taker.orphans[0].lost
    assert len(await work_through(taker.orphans[0])) == 2
    assert len(taker.orphans) == 1


async def test_a_node_that_leaves_owing_nothing_leaves_nothing(redis: RedisServer, join: Join, time: Time):
    leaving, other = await join(), await join()
    for one in await leaving.open(3):
        leaving.end(one)
    name = leaving.name
    await leaving.registry.close()
    assert await keys_of(redis, name) == set()
    await pass_time(time, LEASE * 2, other)
    assert other.orphans == []


async def test_what_a_leaving_node_owes_is_taken_over_without_waiting(join: Join, time: Time):
    leaving, other = await join(), await join()
    (owed,) = await leaving.open()
    deferred = Departure(owed, 1001, "Going away", 5)
    leaving.registry.own.defer(deferred)
    await leaving.registry.close()
    await pass_time(time, 1, other)
    assert await work_through(other.orphans[0]) == [deferred]


async def test_a_whole_cluster_that_died_is_found_by_the_next_one(redis: RedisServer, join: Join, time: Time):
    old = [await join() for _ in range(3)]
    lost = {record.id for one in old for record in await one.open(5)}
    new = await join()
    await pass_time(time, LEASE + 2, new)
    told = [departure.connection.id for book in new.orphans for departure in await work_through(book)]
    assert set(told) == lost
    assert await redis.cli("HKEYS", KEYS.nodes) == [new.name]


async def test_a_wall_clock_that_jumps_kills_nobody(join: Join, time: Time, monkeypatch: pytest.MonkeyPatch):
    """R-18."""
    some = [await join() for _ in range(3)]
    await some[0].open()
    true_time = wall.time
    for jump in (3600, -3600, 86_400 * 400):
        monkeypatch.setattr(wall, "time", lambda jump=jump: true_time() + jump)
        await pass_time(time, 3, *some)
    assert not any(one.orphans or one.fenced for one in some)


async def test_everything_in_redis_expires(redis: RedisServer, join: Join, time: Time):
    dead, other = await join(), await join()
    await dead.open(2)
    dead.registry.own.defer(Departure(next(iter(dead.held.values())), 1000, "", 1))
    await other.open(2)
    await pass_time(time, 1, dead, other)
    await pass_time(time, LEASE + 1, other)
    for key in await redis.cli("KEYS", "*"):
        assert await redis.cli("PTTL", key) > 0, key


async def test_entries_of_one_turn_go_to_redis_together(redis: RedisServer, join: Join):
    one = await join()

    async def scripts() -> int:
        used: Any = await redis.cli("INFO", "commandstats")
        return sum(used[f"cmdstat_{name}"]["calls"] for name in ("eval", "evalsha") if f"cmdstat_{name}" in used)

    await one.open()
    before = await scripts()
    await one.open(300)
    assert await scripts() - before <= 2
    assert await all_ids(one) == set(one.held)


def test_all_keys_of_a_nodes_scripts_lie_in_one_slot():
    for node in ("0000", "a3f0", "ffff"):
        names = (KEYS.lease, KEYS.fence, KEYS.fallen, KEYS.open, KEYS.owed)
        assert len({key_slot(name(node).encode()) for name in names}) == 1
    assert len({key_slot(KEYS.open(f"{number:04x}").encode()) for number in range(50)}) > 40


@pytest.mark.slow
async def test_nodes_of_a_cluster_over_three_shards_find_a_dead_one(redis_cluster: RedisClusterSet, time: Time):
    async with members(redis_cluster.url, time) as join:
        some = [await join() for _ in range(4)]
        lost = [record.id for one in some[:3] for record in await one.open(5)]
        assert await all_ids(some[3]) == set(lost)
        await pass_time(time, LEASE + 2, some[3])
        told = [departure.connection.id for book in some[3].orphans for departure in await work_through(book)]
        assert sorted(told) == sorted(lost)
        assert await some[3].link.run(SCAN, [KEYS.open(some[0].name)], ["0", 10, 100]) == [b"0", 0]


async def test_nodes_beat_by_themselves_and_find_a_dead_one(redis: RedisServer):
    """R-01, with the true clock and the shortest lease."""
    settings = Settings(redis=redis.url, redis_seconds=1, lease_seconds=0.5)
    async with contextlib.AsyncExitStack() as ends:
        some = []
        for _ in range(3):
            link = Link(settings)
            await link.open()
            ends.push_async_callback(link.close)
            some.append(RedisConnections(link, KEYS, settings))
            await some[-1].join()
            ends.push_async_callback(some[-1].close)
        dead, *others = some
        found: list[Book] = []
        for one in others:
            one.on_orphaned = found.append
        assert dead._heart is not None
        dead._heart.cancel()
        await until(lambda: found)
        assert [book.node for book in found] == [dead.own.node]
        assert not any(one.counts.fenced for one in others)
