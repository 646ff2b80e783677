"""Fixtures that any test may use: a backend, a Lambda service, gateways with the lanes on and off, real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.harness.backend import Backend
from tests.harness.cluster import PATIENT
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, lambda_service
from tests.harness.one_at_a_time import OneAtATime, first_of_all, group_of
from tests.harness.pace import SLOWER
from tests.harness.ports import nobody_listens
from tests.harness.redis_server import RedisServer
from tests.harness.redis_sets import RedisClusterSet, SentinelSet
from tests.parity.summary import lines as parity_lines
from wsgw.authorizers import jwks_source

MakeGateway = Callable[..., Awaitable[TestGateway]]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """Everything runs on the loop that the gateway runs on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_configure(config: pytest.Config) -> None:
    """What keeps this process busy is no fault of the code under test."""
    # Hypothesis would fail each example that takes 200 ms, and tests whose examples it is slow to make.
    settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("unhurried")
    # Issuers run in the gateway's own process here.
    jwks_source.FETCH_SECONDS *= SLOWER


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long runs happen only where `-m` asks for them; what must be waited for longest comes first."""
    items.sort(key=lambda item: first_of_all(item.nodeid))
    if "soak" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneAtATime:
    """How tests are spread over test processes."""
    return OneAtATime(config, log)


@pytest.fixture(autouse=True)
def patient_with_redis(request: pytest.FixtureRequest) -> None:
    """No process that a test starts takes Redis for away because the machine is busy."""
    if group_of(request.node.nodeid):
        option, seconds = PATIENT
        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        monkeypatch.setenv("WSGW_" + option.removeprefix("--").replace("-", "_").upper(), seconds)


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    """A programmable HTTP backend."""
    one = Backend()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections."""
    with nobody_listens() as port:
        yield port


@pytest.fixture
async def functions(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LambdaEndpoint]:
    """The Lambda service, without functions."""
    async with lambda_service(monkeypatch) as endpoint:
        yield endpoint


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


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    one = RedisServer()
    yield one
    one.close()


@pytest.fixture
async def redis(_shared_redis: RedisServer) -> RedisServer:
    """A redis-server, empty. Tests of one process share it: whoever breaks or configures it takes `own_redis`."""
    if _shared_redis.running:
        await _shared_redis.flush()
    else:
        await _shared_redis.start()
    return _shared_redis


@pytest.fixture
async def own_redis() -> AsyncIterator[RedisServer]:
    """A redis-server that the test may break."""
    async with RedisServer() as one:
        yield one


@pytest.fixture
async def sentinels() -> AsyncIterator[SentinelSet]:
    """A master, two replicas and three sentinels, which the test may break."""
    async with SentinelSet() as some:
        yield some


@pytest.fixture
async def redis_cluster() -> AsyncIterator[RedisClusterSet]:
    """A Redis Cluster of three shards, which the test may break."""
    async with RedisClusterSet() as some:
        yield some


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in parity_lines(terminalreporter.stats):
        terminalreporter.write_line(line)
