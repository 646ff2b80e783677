"""S-61: whatever somebody else has put into Redis, the registry goes on and counts it."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.redis_server import RedisServer
from tests.stores.redis.members import KEYS, LEASE, Join, Time, all_ids, members, pass_time, rewritten, work_through
from wsgw.stores import values
from wsgw.stores.records import ConnectionRecord, Departure, PrincipalRecord

RECORD = ConnectionRecord("an id", "chat", "prod", 1, "::1", "agent", "gw", "http://gw", PrincipalRecord("me", {}, {}))


class Bomb:
    def __reduce__(self) -> Any:
        return (print, ("unpickled",))


GARBAGE = [
    b"",
    b"\xc1",
    b"{}",
    b"not a record",
    pickle.dumps(Bomb()),
    msgspec.msgpack.encode([1, 2, 3]),
    msgspec.msgpack.encode(["another id", *msgspec.to_builtins(RECORD)[1:]]),
    msgspec.msgpack.encode(["an id", None, None, "then", 4, 5, 6, 7]),
    b"\x91" * 5000,
    values.encoded(RECORD)[:-1],
]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def join(redis: RedisServer, time: Time) -> AsyncIterator[Join]:
    async with members(redis.url, time) as one_more:
        yield one_more


async def test_garbage_in_a_book_is_skipped_and_a_taken_over_book_is_rid_of_it(
    redis: RedisServer, join: Join, time: Time
):
    dead, other = await join(), await join()
    good = await dead.open(2)
    for number, value in enumerate(GARBAGE):
        await redis.cli("HSET", KEYS.open(dead.name), f"open {number}", value)
        await redis.cli("HSET", KEYS.owed(dead.name), f"owed {number}", value)
    await redis.cli("HSET", KEYS.open(dead.name), b"\xff\x00", b"x")
    # Beside a good record, too: that one is told all the same.
    await redis.cli("HSET", KEYS.owed(dead.name), good[0].id, b"x")
    assert await all_ids(other) == {one.id for one in good}
    assert other.registry.counts.garbage == len(GARBAGE) + 1
    await pass_time(time, LEASE + 2, other)
    told = await work_through(other.orphans[0])
    assert {one.connection.id for one in told} == {one.id for one in good}
    assert other.registry.counts.garbage == 3 * len(GARBAGE) + 3
    assert await redis.cli("EXISTS", KEYS.open(dead.name), KEYS.owed(dead.name)) == 0


async def test_a_value_of_50_mb_does_not_travel(redis: RedisServer, time: Time):
    # Redis itself takes 150 ms to look at it, once, where it has a core of its own.
    async with members(redis.url, time, redis_seconds=5) as join:
        dead, other = await join(), await join()
        (good,) = await dead.open()
        await redis.cli("HSET", KEYS.open(dead.name), "huge", b"x" * 50_000_000)
        await redis.cli("HSET", KEYS.owed(dead.name), "huge", b"x" * 50_000_000)
        assert await all_ids(other) == {good.id}
        await pass_time(time, LEASE + 2, other)
        assert [one.connection for one in await work_through(other.orphans[0])] == [good]
        assert not other.link.losses
        assert other.registry.counts.garbage == 2


async def test_garbage_among_the_nodes_is_removed(redis: RedisServer, join: Join, time: Time):
    one = await join()
    for name, value in (("not a node", "x"), ("aaaa", "x" * 1000), (b"\xff\xfe\xfd\xfc", "1"), ("bbbb", b"\xff")):
        await redis.cli("HSET", KEYS.nodes, name, value)
    await pass_time(time, 1, one)
    assert one.registry.counts.garbage == 3
    await pass_time(time, LEASE + 1, one)
    # A name that could be a node's was one, for all that one can know; its book is empty.
    assert [book.node for book in one.orphans] == ["bbbb"]
    await work_through(one.orphans[0])
    assert await redis.cli("HKEYS", KEYS.nodes) == [one.name]


@pytest.mark.parametrize("key", ["open", "owed", "lease", "nodes"])
async def test_a_key_of_another_type_is_replaced(redis: RedisServer, join: Join, time: Time, key: str):
    one = await join()
    await one.open(3)
    name = KEYS.nodes if key == "nodes" else getattr(KEYS, key)(one.name)
    await redis.cli("DEL", name)
    await redis.cli("RPUSH", name, "x")
    late = one.connection()
    one.held[late.id] = late
    await one.registry.own.enter(late)
    await pass_time(time, 2, one)
    if key in ("open", "lease"):
        await rewritten(one, 1)
    await one.open()
    assert await all_ids(one) == set(one.held)
    assert not one.fenced


async def test_a_taken_over_book_of_another_type_is_an_empty_one(redis: RedisServer, join: Join, time: Time):
    dead, other = await join(), await join()
    await redis.cli("SET", KEYS.open(dead.name), "x")
    await redis.cli("RPUSH", KEYS.owed(dead.name), "x")
    await pass_time(time, LEASE + 2, other)
    assert await work_through(other.orphans[0]) == []
    await pass_time(time, LEASE + 2, other)
    assert len(other.orphans) == 1


@pytest.mark.parametrize("value", GARBAGE)
def test_garbage_is_no_record(value: bytes):
    assert values.connection(b"an id", value) is None
    assert values.departure(b"an id", value) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(value: bytes):
    values.connection(b"an id", value)
    values.departure(b"an id", value)


def test_a_newer_gateway_may_write_more_fields():
    longer = msgspec.msgpack.encode([*msgspec.to_builtins(RECORD), "new", {"field": 1}])
    assert values.connection(b"an id", longer) == RECORD


@given(st.text(st.characters()), st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_any_text_can_be_written(agent: str, context: dict[str, str]):
    odd = msgspec.structs.replace(RECORD, user_agent=agent, principal=PrincipalRecord("me", context, {}))
    assert values.connection(b"an id", values.encoded(odd)) is not None


def test_a_record_beyond_all_bounds_goes_without_its_principal():
    huge = msgspec.structs.replace(RECORD, principal=PrincipalRecord("me", {"claims": "x" * 300_000}, {}))
    written = values.encoded(huge)
    assert len(written) < 300
    read = values.connection(b"an id", written)
    assert read is not None
    assert read.principal is None
    owed = values.departure(b"an id", values.encoded(Departure(huge, 1000, "x" * 300_000, 1)))
    assert owed is not None
    assert owed.code == 1000
