"""When a Link leaves its master for the one that Sentinels name: not for the word of one, which may be behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.harness.ports import free_port
from tests.harness.redis_server import HOST, RedisServer
from tests.harness.until import until
from tests.stores.redis.links import Notes, opened


class FakeSentinel:
    """Names the master that it is told to name."""

    def __init__(self, names: int) -> None:
        self.names = names
        self.asked = 0
        self.silent = False

    async def __aenter__(self) -> FakeSentinel:
        self._server = await asyncio.start_server(self._answer, HOST, 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    @property
    def address(self) -> str:
        return f"{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            self.asked += 1
            if not self.silent:
                words = (HOST, str(self.names))
                writer.write(b"*2\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words))
        writer.close()


@pytest.fixture
async def sentinels(redis: RedisServer) -> AsyncIterator[list[FakeSentinel]]:
    """Three, which name the server that all tests share."""
    async with FakeSentinel(redis.port) as one, FakeSentinel(redis.port) as two, FakeSentinel(redis.port) as three:
        yield [one, two, three]


@pytest.fixture
def url(sentinels: list[FakeSentinel]) -> str:
    return f"redis+sentinel://{','.join(one.address for one in sentinels)}/mymaster"


async def asked_again(sentinel: FakeSentinel) -> None:
    """Wait until what it named twice has had its effect."""
    before = sentinel.asked
    await until(lambda: sentinel.asked >= before + 3)


@pytest.mark.slow
async def test_one_sentinel_that_is_behind_does_not_take_a_link_away(
    sentinels: list[FakeSentinel], url: str, own_redis: RedisServer
):
    async with opened(url) as link:
        notes = Notes(link)
        sentinels[0].names = own_redis.port
        await asked_again(sentinels[0])
        sentinels[0].silent = True  # another is asked in its place, and that one is behind
        sentinels[1].names = own_redis.port
        await asked_again(sentinels[1])
        assert (await link.send("PING"), notes.away) == (b"PONG", [])


@pytest.mark.slow
async def test_most_sentinels_take_a_link_away(sentinels: list[FakeSentinel], url: str, own_redis: RedisServer):
    async with opened(url) as link:
        notes = Notes(link)
        sentinels[0].names = sentinels[2].names = own_redis.port
        await until(lambda: notes.back)
        assert notes.away == [f"Sentinel names another master, {HOST}:{own_redis.port}"]
        await link.send("SET", "here", "1")
        assert await own_redis.cli("GET", "here") == "1"


@pytest.mark.slow
async def test_nobody_leaves_a_master_for_one_that_is_none(
    sentinels: list[FakeSentinel], url: str, own_redis: RedisServer, redis: RedisServer
):
    await own_redis.cli("REPLICAOF", HOST, str(redis.port))
    async with opened(url) as link:
        notes = Notes(link)
        for port in (free_port(), own_redis.port):
            for one in sentinels:
                one.names = port
            await asked_again(sentinels[2])
        assert (await link.send("PING"), notes.away) == (b"PONG", [])
