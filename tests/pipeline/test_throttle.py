"""Throttles whose store is away let everything through, and count it."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Stage

LIMIT = ThrottleSettings(rate_limit=4, burst_limit=1)


def counted(gateway: TestGateway) -> float:
    line = re.search(
        rb'^wsgw_events_total\{event="throttle_unavailable"\} (.*)$', gateway.app.metrics.exposition(), re.MULTILINE
    )
    return float(line[1]) if line else 0


@pytest.mark.parametrize("mode", ["exact", "sliced"])
async def test_while_redis_is_away_nothing_is_throttled_and_it_is_counted(
    make_gateway: MakeGateway, own_redis: RedisServer, mode: str
):
    gateway = await make_gateway(redis=own_redis.url, throttle_mode=mode)
    gateway.deploy(api(route("hi", mock("hello"), two_way=True), stage=Stage(name="prod", throttle=LIMIT)))
    client = await gateway.connect()

    async def says() -> str:
        await client.send_json({"action": "hi"})
        return await client.receive_text()

    async with asyncio.timeout(5):
        while "Too Many Requests" not in await says():
            pass
    await own_redis.stop()
    await until(lambda: gateway.app._stores.away())
    # What Redis has said of the next token still holds until it is due.
    async with asyncio.timeout(5):
        while await says() != "hello":
            await asyncio.sleep(0.01)
    before = counted(gateway)
    assert [await says() for _ in range(20)] == ["hello"] * 20
    assert counted(gateway) == before + 20
