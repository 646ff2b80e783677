"""Throttling of HTTP APIs: the levels, which one counts, what a refused caller gets, and when in a request's way.

Source: developer guide, "Throttling requests to your HTTP API".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client, new_session, proxy, web_api
from tests.harness.lambda_endpoint import LambdaEndpoint, returns
from wsgw.definitions.api import Api
from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze
from wsgw.errors import DefinitionError
from wsgw.formats.parse import parse

REFUSED = b'{"message":"Too Many Requests"}'
SLOW = 0.001


def limit(burst: int, rate: float = SLOW) -> dict[str, Any]:
    return {"rateLimit": rate, "burstLimit": burst}


def settings(burst: int) -> dict[str, Any]:
    return {"throttlingRateLimit": SLOW, "throttlingBurstLimit": burst}


def throttled(backend: Backend, *keys: str, **stage: Any) -> Api:
    """`GET /pets` and `GET /shops`, or `keys`, in front of `backend`; `stage`: throttle, routes' own."""
    routes = {key: proxy(backend.url) for key in keys or ("GET /pets", "GET /shops")}
    return web_api(routes, stages={"$default": stage})


async def statuses(client: Client, *targets: str) -> list[int]:
    return [(await client.ask(target)).status for target in targets]


@pytest.fixture
def lanes() -> bool:
    """One bucket for both doors; tests/spec/test_throttle_levels.py has both."""
    return True


LEVELS = [
    pytest.param({"throttle": limit(2)}, "/pets /pets /pets", [200, 200, 429], id="stage defaultRouteSettings"),
    pytest.param(
        {"throttle": limit(1)}, "/pets /shops /pets /shops", [200, 200, 429, 429], id="stage: a bucket for each route"
    ),
    pytest.param(
        {"routeSettings": {"GET /pets": settings(1)}},
        "/pets /pets /shops /shops",
        [200, 429, 200, 200],
        id='routeSettings["GET /pets"]',
    ),
    pytest.param(
        {"throttle": limit(1), "routeSettings": {"GET /pets": settings(3)}},
        "/pets /pets /pets /pets /shops /shops",
        [200, 200, 200, 429, 200, 429],
        id="routeSettings overrides defaultRouteSettings",
    ),
    pytest.param({}, "/pets " * 20, [200] * 20, id="none"),
]


@pytest.mark.parametrize(("stage", "targets", "expected"), LEVELS)
async def test_each_level(
    gateway: TestGateway, backend: Backend, client: Client, stage: Any, targets: str, expected: list[int]
):
    """Levels: route setting overrides stage defaultRouteSettings."""
    gateway.deploy(throttled(backend, **stage))
    assert await statuses(client, *targets.split()) == expected


async def test_the_account_limit_is_shared_by_all(make_gateway: MakeGateway, backend: Backend):
    """Account limit: shared by all APIs; a stage cannot exceed it."""
    gateway = await make_gateway(account_rate=SLOW, account_burst=3)
    gateway.deploy(throttled(backend, throttle=limit(100)))
    async with new_session() as session:
        client = Client(session, gateway)
        assert await statuses(client, "/pets", "/shops", "/pets", "/shops") == [200, 200, 200, 429]


async def test_it_is_a_token_bucket(gateway: TestGateway, backend: Backend, client: Client):
    """Token bucket: `throttlingRateLimit` tokens come back a second, `throttlingBurstLimit` is the most."""
    gateway.deploy(throttled(backend, throttle=limit(2, 0.5)))
    assert await statuses(client, "/pets", "/pets", "/pets") == [200, 200, 429]
    gateway.advance(2)
    assert await statuses(client, "/pets", "/pets") == [200, 429]
    gateway.advance(1000)
    assert await statuses(client, "/pets", "/pets", "/pets") == [200, 200, 429]


async def test_a_refusal(gateway: TestGateway, backend: Backend, client: Client):
    """Refusal: 429 `{"message":"Too Many Requests"}`, as all errors are; the backend is not called."""
    gateway.deploy(throttled(backend, throttle=limit(0)))
    answer = await client.ask("/pets")
    assert (answer.status, answer.body) == (429, REFUSED)
    assert answer.header("content-type") == "application/json"
    assert answer.header("apigw-requestid")
    assert answer.header("x-amzn-errortype") is None
    assert backend.requests == []


async def test_a_refusal_in_the_log(make_gateway: MakeGateway, backend: Backend, tmp_path: Path):
    """Access log variables: error.message, error.responseType of what was throttled."""
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    line = "$context.status|$context.error.message|$context.error.responseType|$context.requestId"
    gateway.deploy(throttled(backend, throttle=limit(0), accessLog=line))
    async with new_session() as session:
        answer = await Client(session, gateway).ask("/pets")
    await gateway.stop()
    id = answer.header("apigw-requestid")
    assert (tmp_path / "access.log").read_text() == f"429|Too Many Requests|THROTTLED|{id}\n"


# ---- step 7 of the pipeline


async def test_preflights_and_what_no_route_takes_cost_nothing(gateway: TestGateway, backend: Backend, client: Client):
    """Steps 5 and 6 come before 7."""
    cors = {"allowOrigins": ["https://page.example"], "allowMethods": ["GET"]}
    api = web_api({"GET /pets": proxy(backend.url)}, stages={"$default": {"throttle": limit(1)}}, cors=cors)
    gateway.deploy(api)
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
    for _ in range(3):
        assert (await client.ask("/pets", "OPTIONS", asked)).status == 204
        assert (await client.ask("/nowhere")).status == 404
    assert await statuses(client, "/pets", "/pets") == [200, 429]


async def test_throttling_comes_before_authorization(
    gateway: TestGateway, backend: Backend, client: Client, lambdas: LambdaEndpoint
):
    """Steps 7 and 8: the order is not documented (unconfirmed): throttles first, so that nobody is asked in vain."""
    lambdas.functions["auth"] = returns(policy("Deny"))
    who = {"type": "REQUEST", "uri": "lambda:auth", "identitySource": "$request.header.X-Token"}
    gateway.deploy(
        web_api(
            {"GET /pets": {**proxy(backend.url), "authorizer": "who"}},
            authorizers={"who": who},
            stages={"$default": {"throttle": limit(3)}},
        )
    )
    assert await statuses(client, "/pets") == [401]
    denied = [(await client.ask("/pets", headers={"X-Token": "t"})).status for _ in range(3)]
    assert denied == [403, 403, 429]
    assert len(lambdas.calls) == 2


# ---- what there is not


def test_there_are_no_api_keys(gateway: TestGateway):
    """No usage plans or API keys: a route that asks for one is an error, and is not deployed."""
    text = "apis: {web: {protocol: HTTP, routes: {GET /: {integration: 'http://h', apiKeyRequired: true}}}}"
    parsed = parse(text.encode(), "web.yaml", {})
    found = [*parsed.findings]
    if not found:
        api = freeze(parsed.documents[0])
        found = check(api)
        with pytest.raises(DefinitionError):
            gateway.deploy(api)
    assert [finding.severity for finding in found] == ["error"]
