"""A refusal leaves nothing behind for the garbage collector: under a flood that would be most of what it costs."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable

from tests.harness.gateway import TestGateway, api, mock, route
from tests.harness.rest_api import ask, rest_api
from tests.harness.rest_api import mock as rest_mock
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Stage
from wsgw.errors import Throttled

NOTHING = ThrottleSettings(rate_limit=0, burst_limit=0)


async def left_by(refusal: Callable[[], Awaitable[object]]) -> int:
    """How many refusals of twenty are garbage that only the collector finds."""
    await refusal()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            await refusal()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return sum(isinstance(one, Throttled) for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_a_refused_request(gateway: TestGateway):
    gateway.deploy(rest_api(rest_mock("GET /"), stage=Stage(name="dev", throttle=NOTHING)))

    async def refusal() -> None:
        assert (await ask(gateway, "GET", "/")).status == 429

    assert await left_by(refusal) == 0


async def test_a_refused_message(gateway: TestGateway):
    gateway.deploy(api(route("a", mock("sent"), two_way=True), stage=Stage(name="prod", throttle=NOTHING)))
    client = await gateway.connect()

    async def refusal() -> None:
        await client.send_json({"action": "a"})
        assert "Too Many Requests" in await client.receive_text()

    assert await left_by(refusal) == 0
