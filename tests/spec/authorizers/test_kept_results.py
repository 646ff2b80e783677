"""Results that are kept: under which key, for how long, for which routes, and who else gets to see them.

Source: developer guide, "Configure a Lambda authorizer" (authorization caching), API reference of
FlushStageAuthorizersCache and ResetAuthorizersCache.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import authorizer, call, guarded, hello, policy
from tests.harness.gateway import TestGateway
from tests.harness.redis_server import RedisServer
from tests.harness.until import until
from wsgw.definitions.api import Api, Protocol, Stage

ARN = "arn:aws:execute-api:us-east-1:000000000000:pets/dev"
KEPT: tuple[Protocol, ...] = ("REST", "HTTP")
BOTH = pytest.mark.parametrize("protocol", KEPT)


class Authorize:
    """A Python authorizer: answers `result`, which may be a function of the event, and counts its calls."""

    def __init__(self) -> None:
        self.result: Any = policy()
        self.events: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def calls(self) -> int:
        return len(self.events)

    async def __call__(self, event: dict[str, Any], context: Any) -> Any:
        self.events.append(event)
        await self.gate.wait()
        result = self.result(event) if callable(self.result) else self.result
        if isinstance(result, Exception):
            raise result
        return result


@pytest.fixture
def authorize() -> Authorize:
    return Authorize()


def keeping(protocol: Protocol, *keys: str, stage: Stage | None = None, **members: Any) -> Api:
    """An API whose authorizer keeps results for 300 s, unless `members` say otherwise."""
    members.setdefault("result_ttl", 300)
    members.setdefault("payload_format_version", "2.0" if protocol == "HTTP" else "1.0")
    one = authorizer(protocol, "authorize", called="PYTHON", **members)
    return guarded(one, protocol, *keys, stage=stage)


def deploy(gateway: TestGateway, authorize: Authorize, *apis: Api) -> None:
    gateway.deploy(*apis, handlers={"hello": hello, "authorize": authorize})


async def status(gateway: TestGateway, protocol: Protocol, token: str = "t", **request: Any) -> int:
    return (await call(gateway, protocol, f"X-Token: {token}", **request)).status


@BOTH
async def test_a_result_is_kept_for_its_time(gateway: TestGateway, authorize: Authorize, protocol: Protocol):
    deploy(gateway, authorize, keeping(protocol))
    for _ in range(3):
        assert await status(gateway, protocol) == 200
    assert authorize.calls == 1
    gateway.advance(299)
    await status(gateway, protocol)
    assert authorize.calls == 1
    gateway.advance(2)
    await status(gateway, protocol)
    assert authorize.calls == 2


@BOTH
async def test_a_time_of_0_keeps_nothing(gateway: TestGateway, authorize: Authorize, protocol: Protocol):
    """Row: 0 disables."""
    deploy(gateway, authorize, keeping(protocol, result_ttl=0))
    for _ in range(3):
        assert await status(gateway, protocol) == 200
    assert authorize.calls == 3


@BOTH
async def test_another_token_is_asked_about(gateway: TestGateway, authorize: Authorize, protocol: Protocol):
    authorize.result = lambda event: policy("Deny" if '"bad"' in json.dumps(event["headers"]) else "Allow")
    deploy(gateway, authorize, keeping(protocol))
    for _ in range(2):
        assert await status(gateway, protocol, "good") == 200
        assert await status(gateway, protocol, "bad") == 403
    assert authorize.calls == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("a", "bc"), ("ab", "c"), id="the same text in all"),
        pytest.param(("1:a", "b"), ("1", "a1:b"), id="what looks like a separator"),
        pytest.param(("a,b", "c"), ("a", "b,c"), id="commas"),
        pytest.param(("a", "b"), ("b", "a"), id="the other way around"),
    ],
)
async def test_all_identity_sources_are_the_key(
    gateway: TestGateway, authorize: Authorize, first: tuple[str, str], second: tuple[str, str]
):
    """S-52: no two identities share an entry."""
    sources = ("method.request.header.X-One", "method.request.header.X-Two")
    deploy(gateway, authorize, keeping("REST", identity_sources=sources))
    for one, two in (first, second):
        await call(gateway, "REST", f"X-One: {one}", f"X-Two: {two}")
    assert authorize.calls == 2


@pytest.mark.parametrize(
    ("protocol", "sources"),
    [
        pytest.param("REST", ("method.request.header.X-Token", "method.request.querystring.who"), id="REST"),
        pytest.param("HTTP", ("$request.header.X-Token", "$request.querystring.who"), id="HTTP"),
    ],
)
async def test_the_same_header_lines_with_another_query_are_another_identity(
    gateway: TestGateway, authorize: Authorize, protocol: Protocol, sources: tuple[str, str]
):
    """What is made of header lines is remembered with them; a query is no part of it."""
    deploy(gateway, authorize, keeping(protocol, identity_sources=sources))
    for who in ("ann", "bob", "ann", "bob"):
        assert await status(gateway, protocol, query=f"?who={who}") == 200
    assert authorize.calls == 2


@BOTH
async def test_the_same_header_lines_are_told_apart_by_each_authorizer(
    gateway: TestGateway, authorize: Authorize, protocol: Protocol
):
    """An authorizer that looks elsewhere finds another identity in lines that are known."""
    header = "method.request.header" if protocol == "REST" else "$request.header"
    lines = ("X-Token: t", "X-Other: o")
    for name in ("X-Token", "X-Other", "X-Token"):
        deploy(gateway, authorize, keeping(protocol, identity_sources=(f"{header}.{name}",)))
        for _ in range(2):
            assert (await call(gateway, protocol, *lines)).status == 200
    deploy(gateway, authorize, keeping(protocol, identity_sources=(f"{header}.X-None",)))
    assert (await call(gateway, protocol, *lines)).status == 401
    assert authorize.calls == 2


async def test_a_header_that_is_no_identity_source_does_not_count(gateway: TestGateway, authorize: Authorize):
    """S-52: as on the service, who differs in such a header only gets the result that is kept."""
    authorize.result = lambda event: policy("Allow" if event["headers"].get("X-Role") == "admin" else "Deny")
    deploy(gateway, authorize, keeping("REST"))
    assert (await call(gateway, "REST", "X-Token: t", "X-Role: admin")).status == 200
    assert (await call(gateway, "REST", "X-Token: t", "X-Role: guest")).status == 200
    assert (await call(gateway, "REST", "X-Token: u", "X-Role: guest")).status == 403
    assert (await call(gateway, "REST", "X-Token: u", "X-Role: admin")).status == 403


async def test_a_repeated_header_does_not_borrow_the_result_of_one_of_its_values(
    gateway: TestGateway, authorize: Authorize
):
    """S-52: an entry of one value is not found by two, wherever the authorizer looks."""
    deploy(gateway, authorize, keeping("REST"))
    await call(gateway, "REST", "X-Token: known")
    await call(gateway, "REST", "X-Token: other", "X-Token: known")
    await call(gateway, "REST", "X-Token: known", "X-Token: other")
    assert authorize.calls == 3


@BOTH
@pytest.mark.parametrize(
    ("resource", "a", "b"),
    [
        pytest.param("*", 200, 200, id="a wildcard covers all"),
        pytest.param(f"{ARN}/*/*", 200, 200, id="a wildcard of the stage"),
        pytest.param(f"{ARN}/GET/a", 200, 403, id="one method only"),
        pytest.param([f"{ARN}/GET/a", f"{ARN}/GET/b"], 200, 200, id="both"),
        pytest.param(f"{ARN}/POST/*", 403, 403, id="another method"),
    ],
)
async def test_the_policy_that_is_kept_is_asked_about_every_route(
    gateway: TestGateway, authorize: Authorize, protocol: Protocol, resource: Any, a: int, b: int
):
    """S-52: policy for another route or method: no cross-grant, wildcards as on the service."""
    authorize.result = policy(resource=resource)
    deploy(gateway, authorize, keeping(protocol))
    for _ in range(2):
        assert await status(gateway, protocol, path="/a") == a
        assert await status(gateway, protocol, path="/b") == b
    assert authorize.calls == 1


async def test_the_route_key_as_an_identity_source_keeps_results_by_route(gateway: TestGateway, authorize: Authorize):
    """Row: add $context.routeKey to the identity sources for per-route results."""
    authorize.result = lambda event: {"isAuthorized": event["routeKey"] == "GET /a"}
    sources = ("$request.header.X-Token", "$context.routeKey")
    deploy(gateway, authorize, keeping("HTTP", identity_sources=sources, simple_responses=True))
    for _ in range(2):
        assert await status(gateway, "HTTP", path="/a") == 200
        assert await status(gateway, "HTTP", path="/b") == 403
    assert authorize.calls == 2


async def test_a_simple_no_is_kept_too(gateway: TestGateway, authorize: Authorize):
    authorize.result = {"isAuthorized": False}
    deploy(gateway, authorize, keeping("HTTP", simple_responses=True))
    for _ in range(3):
        assert await status(gateway, "HTTP") == 403
    assert authorize.calls == 1


@BOTH
@pytest.mark.parametrize("result", [ValueError("no"), Exception("Unauthorized"), "nonsense"], ids=str)
async def test_failures_are_not_kept(gateway: TestGateway, authorize: Authorize, protocol: Protocol, result: Any):
    authorize.result = result
    deploy(gateway, authorize, keeping(protocol))
    assert await status(gateway, protocol) in (401, 500)
    authorize.result = policy()
    assert await status(gateway, protocol) == 200
    assert authorize.calls == 2


@BOTH
async def test_a_result_is_not_kept_beyond_its_own_end(gateway: TestGateway, authorize: Authorize, protocol: Protocol):
    """Ours: expiresAt."""
    authorize.result = lambda event: policy(expiresAt=gateway.clock.wall_ms() / 1000 + 60)
    deploy(gateway, authorize, keeping(protocol))
    await status(gateway, protocol)
    gateway.advance(59)
    await status(gateway, protocol)
    assert authorize.calls == 1
    gateway.advance(2)
    assert await status(gateway, protocol) == 200
    assert authorize.calls == 2


async def test_results_outlive_a_deployment_unless_the_authorizer_changes(gateway: TestGateway, authorize: Authorize):
    deploy(gateway, authorize, keeping("REST"))
    await status(gateway, "REST")
    deploy(gateway, authorize, keeping("REST", "GET /a", "GET /c"))
    await status(gateway, "REST")
    assert authorize.calls == 1
    deploy(gateway, authorize, keeping("REST", result_ttl=200))
    await status(gateway, "REST")
    assert authorize.calls == 2


async def test_a_simple_yes_is_no_result_of_an_authorizer_that_wants_policies(
    gateway: TestGateway, authorize: Authorize
):
    """What was kept under another definition lets nobody in."""
    authorize.result = {"isAuthorized": True}
    deploy(gateway, authorize, keeping("HTTP", simple_responses=True))
    assert await status(gateway, "HTTP") == 200
    deploy(gateway, authorize, keeping("HTTP"))
    assert await status(gateway, "HTTP") == 500


# ---- one call for all who ask at once


@BOTH
async def test_many_who_ask_at_once_with_one_token_make_one_call(
    gateway: TestGateway, authorize: Authorize, protocol: Protocol
):
    authorize.gate.clear()
    deploy(gateway, authorize, keeping(protocol))
    asking = [asyncio.create_task(status(gateway, protocol)) for _ in range(100)]
    await until(lambda: authorize.calls)
    authorize.gate.set()
    assert await asyncio.gather(*asking) == [200] * 100
    assert authorize.calls == 1


@BOTH
async def test_many_who_ask_at_once_share_a_failure(gateway: TestGateway, authorize: Authorize, protocol: Protocol):
    authorize.gate.clear()
    authorize.result = Exception("Unauthorized")
    deploy(gateway, authorize, keeping(protocol))
    asking = [asyncio.create_task(status(gateway, protocol)) for _ in range(20)]
    await until(lambda: authorize.calls)
    authorize.gate.set()
    assert set(await asyncio.gather(*asking)) == {401}


# ---- flushing


async def flushed(gateway: TestGateway, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.delete(gateway.control + path) as answer:
        return answer.status


@pytest.mark.parametrize(("prefix", "expected"), [("/restapis", 202), ("/v2/apis", 204)])
async def test_a_flush_makes_all_be_asked_about_anew(
    gateway: TestGateway, authorize: Authorize, prefix: str, expected: int
):
    """FlushStageAuthorizersCache empties the cache; ResetAuthorizersCache."""
    deploy(gateway, authorize, keeping("REST"))
    await status(gateway, "REST")
    authorize.result = policy("Deny")
    assert await status(gateway, "REST") == 200
    assert await flushed(gateway, f"{prefix}/pets/stages/dev/cache/authorizers") == expected
    assert await status(gateway, "REST") == 403


async def test_a_stage_that_keeps_nothing_has_nothing_to_flush(gateway: TestGateway, authorize: Authorize):
    deploy(gateway, authorize, keeping("REST"))
    assert await flushed(gateway, "/restapis/pets/stages/other/cache/authorizers") == 404


# ---- several nodes


@pytest.fixture
async def nodes(make_gateway: MakeGateway, redis: RedisServer, authorize: Authorize) -> list[TestGateway]:
    """Two nodes with one Redis."""
    made = [await make_gateway(redis=redis.url, redis_seconds=1.0) for _ in range(2)]
    for each in made:
        deploy(each, authorize, keeping("REST"))
    return made


async def test_nodes_share_results(nodes: list[TestGateway], authorize: Authorize):
    assert [await status(each, "REST") for each in nodes] == [200, 200]
    assert authorize.calls == 1


async def test_no_token_stands_in_what_nodes_share(nodes: list[TestGateway], redis: RedisServer):
    await status(nodes[0], "REST", "hush-hush")
    client = redis.client(decode_responses=False)
    keys = await client.keys("*")
    values = [await client.get(key) for key in keys if await client.type(key) == b"string"]
    await client.aclose()
    assert any(b"somebody" in value for value in values)
    assert not any(b"hush-hush" in text for text in (*keys, *values))


async def test_a_flush_reaches_all_nodes(nodes: list[TestGateway], authorize: Authorize):
    for each in nodes:
        await status(each, "REST")
    authorize.result = policy("Deny")
    assert await flushed(nodes[0], "/restapis/pets/stages/dev/cache/authorizers") == 202

    async def denied() -> None:
        while await status(nodes[1], "REST") != 403:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(denied(), 10)
    assert authorize.calls == 2


async def test_without_redis_the_authorizer_is_asked(
    make_gateway: MakeGateway, own_redis: RedisServer, authorize: Authorize
):
    """A store that is away costs a call, and lets nobody in or out."""
    gateway = await make_gateway(redis=own_redis.url, redis_seconds=1.0)
    deploy(gateway, authorize, keeping("REST"))
    assert await status(gateway, "REST") == 200
    await own_redis.stop()
    assert await status(gateway, "REST") == 200  # this node has it ready
    assert authorize.calls == 1
    authorize.result = policy("Deny")
    assert await status(gateway, "REST", "another") == 403
    assert await status(gateway, "REST", "another") == 403
    assert authorize.calls == 2
    exposed = gateway.app.metrics.exposition().decode()
    assert any("authorizer_cache_unavailable" in line for line in exposed.splitlines())
