"""Look-ups of names that fail, or hang."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from wsgw.errors import StoreUnavailable
from wsgw.stores.redis.names import Names


class Resolver:
    """Stands in for the system's, and answers when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def look_up(self, host: str, port: int) -> object:
        self.asked.append(host)
        return await asyncio.shield(self.answer)


async def test_addresses_are_not_looked_up():
    resolver = Resolver()
    names = Names(resolver.look_up)
    await names.found("127.0.0.1", 1)
    await names.found("::1", 1)
    assert not resolver.asked


async def test_a_hanging_resolver_is_asked_once_however_many_give_up(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)
    resolver = Resolver()
    names = Names(resolver.look_up)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await names.found("redis.example", 1)
    assert resolver.asked == ["redis.example"]
    last = asyncio.ensure_future(names.found("redis.example", 1))
    await asyncio.sleep(0)
    resolver.answer.set_exception(OSError("no such name"))
    with pytest.raises(StoreUnavailable, match="no such name"):
        await last
    gc.collect()
    assert not caplog.records


async def test_a_name_is_looked_up_anew_each_time_that_it_was_answered():
    resolver = Resolver()
    resolver.answer.set_result([])
    names = Names(resolver.look_up)
    await names.found("redis.example", 1)
    await names.found("redis.example", 1)
    assert len(resolver.asked) == 2
