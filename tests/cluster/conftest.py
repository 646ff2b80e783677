"""The two forms of a run, and a network between nodes and Redis that can be broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.cluster.steps import Scale
from tests.harness.fault_proxy import FaultProxy
from tests.harness.redis_server import RedisServer


@pytest.fixture(
    params=[
        pytest.param(Scale(120, 3, 0.5), marks=pytest.mark.slow, id="short"),
        pytest.param(Scale(1000, 10, 5), marks=[pytest.mark.soak, pytest.mark.timeout(600)], id="long"),
    ]
)
def scale(request: pytest.FixtureRequest) -> Scale:
    chosen: Scale = request.param
    return chosen


@pytest.fixture
async def proxies(own_redis: RedisServer) -> AsyncIterator[list[FaultProxy]]:
    """Three of them, one for each node, to the same Redis."""
    async with AsyncExitStack() as stack:
        yield [stack.enter_context(FaultProxy("127.0.0.1", own_redis.port)) for _ in range(3)]
