"""Fixtures that any test may use: a backend, and gateways with the lanes on and off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway

MakeGateway = Callable[..., Awaitable[TestGateway]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """Everything runs on the loop that the gateway runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    """A programmable HTTP backend."""
    one = Backend()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture(params=[True, False], ids=["lanes", "aiohttp"])
def lanes(request: pytest.FixtureRequest) -> bool:
    """Every edge test runs with the lanes on and off."""
    return bool(request.param)


@pytest.fixture
async def make_gateway(lanes: bool) -> AsyncIterator[MakeGateway]:
    """Starts gateways with settings of the test's choice; stops them in the end."""
    started: list[TestGateway] = []

    async def make(**settings: Any) -> TestGateway:
        one = TestGateway(lanes, **settings)
        started.append(one)
        return await one.start()

    yield make
    for one in started:
        await one.stop()


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> TestGateway:
    """A gateway with default settings; `serve` or `deploy` gives it APIs."""
    return await make_gateway()
