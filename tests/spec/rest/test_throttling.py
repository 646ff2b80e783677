"""Throttles of REST APIs: the bucket, the levels in their order, the settings of a stage's methods.

Source: developer guide, "Throttle requests to your REST APIs for better throughput"; service model, MethodSetting.
Levels of single callers, which are ours, are in tests/spec/test_throttle_levels.py.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import ask, mock, rest_api
from tests.harness.usage import KEY, OTHER_KEY, OTHER_VALUE, VALUE, limit, on_both, plan
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.freeze_rest import freeze_rest
from wsgw.definitions.usage import UsagePlan

TOO_MANY = (429, "TooManyRequestsException", {"message": "Too Many Requests"})


def api(*keys: str, **members: Any) -> Api:
    """An API whose methods want a key; `members` of its stage."""
    routes = [msgspec.structs.replace(mock(key), api_key_required=True) for key in keys or ("GET /a", "GET /b")]
    return rest_api(*routes, stage=Stage(name="dev", **members))


def serve(gateway: TestGateway, one: Api, of: UsagePlan | None = None) -> None:
    gateway.deploy(one)
    gateway.app.admit_keys((KEY, OTHER_KEY), [of or plan()])


async def get(gateway: TestGateway, path: str = "/a", value: str = VALUE, **request: Any) -> Response:
    return await ask(gateway, "GET", path, f"X-API-Key: {value}", **request)


async def some(gateway: TestGateway, count: int, path: str = "/a", value: str = VALUE) -> list[int]:
    return [(await get(gateway, path, value)).status for _ in range(count)]


def said(response: Response) -> tuple[int, str | None, Any]:
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)


# ---- the bucket


async def test_a_bucket_holds_the_burst_and_fills_with_the_rate(gateway: TestGateway):
    """Token bucket: capacity = burstLimit, refill = rateLimit tokens per second, one token per request."""
    serve(gateway, api(throttle=ThrottleSettings(rate_limit=0.01, burst_limit=3)))
    assert await some(gateway, 4) == [200, 200, 200, 429]
    gateway.advance(100)
    assert await some(gateway, 2) == [200, 429]
    gateway.advance(10_000)
    assert await some(gateway, 4) == [200, 200, 200, 429]


# ---- levels


LEVELS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "1: per key, per method": ({}, {"stages": on_both(**{"GET /a": limit(0)})}, {}),
    "1: per key": ({}, {"throttle": limit(0)}, {}),
    "2: stage method setting": ({"route_throttles": {"GET /a": limit(0)}}, {}, {}),
    "2: stage method setting */*": ({"throttle": limit(0)}, {}, {}),
    "3: account": ({}, {}, {"account_rate": 0.001, "account_burst": 1}),
}


@pytest.mark.parametrize("level", LEVELS)
async def test_a_level_refuses_with_429(make_gateway: MakeGateway, level: str):
    """Any refusal: 429 Too Many Requests."""
    of_stage, of_plan, settings = LEVELS[level]
    gateway = await make_gateway(**settings)
    serve(gateway, api(**of_stage), plan(**of_plan))
    if settings:
        assert await some(gateway, 1) == [200]
    assert said(await get(gateway)) == TOO_MANY


async def test_without_a_throttle_nobody_is_refused(gateway: TestGateway):
    """Default: none of a plan; of stages and account the service's 10,000 are ours to set, and off."""
    serve(gateway, api())
    assert await some(gateway, 50) == [200] * 50


async def test_a_methods_limit_of_a_key_is_asked_first(gateway: TestGateway):
    """Order 1: per key and method, then per key; what the first refuses takes nothing of the second."""
    serve(gateway, api(), plan(throttle=limit(2), stages=on_both(**{"GET /a": limit(1)})))
    assert await some(gateway, 3) == [200, 429, 429]
    assert await some(gateway, 2, "/b") == [200, 429]


async def test_what_a_plan_refuses_takes_nothing_of_the_stage(gateway: TestGateway):
    """Order 1 before 2."""
    serve(gateway, api("GET /a", throttle=limit(2)), plan(throttle=limit(1)))
    assert await some(gateway, 3) == [200, 429, 429]
    assert await some(gateway, 1, value=OTHER_VALUE) == [200]


async def test_what_a_stage_refuses_takes_nothing_of_the_account(make_gateway: MakeGateway):
    """Order 2 before 3."""
    gateway = await make_gateway(account_rate=0.001, account_burst=2)
    serve(gateway, api(route_throttles={"GET /a": limit(1)}))
    assert await some(gateway, 3) == [200, 429, 429]
    assert await some(gateway, 2, "/b") == [200, 429]


async def test_the_account_is_one_for_all_apis_and_stages(make_gateway: MakeGateway):
    """Row: account per Region."""
    gateway = await make_gateway(account_rate=0.001, account_burst=2)
    pets = rest_api(mock("GET /a"))
    pets = msgspec.structs.replace(pets, stages={name: Stage(name=name) for name in ("dev", "prod")})
    gateway.deploy(pets)
    statuses = [(await ask(gateway, "GET", "/a", stage=stage)).status for stage in ("dev", "prod", "dev")]
    assert statuses == [200, 200, 429]


# ---- settings of methods


def documented(settings: dict[str, Any]) -> Api:
    """The API as its documents have it, with these methodSettings."""
    method = {
        "authorizationType": "NONE",
        "methodIntegration": {
            "type": "MOCK",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "integrationResponses": {"200": {"statusCode": "200"}},
        },
        "methodResponses": {"200": {"statusCode": "200"}},
    }
    paths = ("/", "/a", "/a/{id}")
    resources = [{"id": f"r{at}", "path": path, "resourceMethods": {"GET": method}} for at, path in enumerate(paths)]
    stage = {"stageName": "dev", "methodSettings": settings}
    return freeze_rest(
        {"protocolType": "REST", "id": "pets", "name": "pets", "resources": resources, "stages": [stage]}
    )


ONE = {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 1}
TWO = {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 2}
SETTINGS: list[Any] = [
    pytest.param({"*/*": ONE}, {"/": 1, "/a": 1, "/a/7": 1}, id="*/*: every method, each its own bucket"),
    pytest.param({"a/GET": ONE}, {"/a": 1, "/a/7": 3}, id="/resource/VERB"),
    pytest.param({"~1a/GET": ONE}, {"/a": 1, "/": 3}, id="/resource/VERB, its slash as in patches"),
    pytest.param({"a~1{id}/GET": ONE}, {"/a/7": 1, "/a": 3}, id="/resource/{parameter}/VERB"),
    pytest.param({"~1/GET": ONE}, {"/": 1, "/a": 3}, id="the root"),
    pytest.param({"*/*": ONE, "a/GET": TWO}, {"/a": 2, "/": 1}, id="a method's own before */*"),
]


@pytest.mark.parametrize(("settings", "passed"), SETTINGS)
async def test_method_settings_name_what_they_throttle(
    gateway: TestGateway, settings: dict[str, Any], passed: dict[str, int]
):
    """Level 2: stage method setting (/resource/VERB or */*)."""
    gateway.deploy(documented(settings))
    for path, count in passed.items():
        statuses = [(await ask(gateway, "GET", path)).status for _ in range(3)]
        assert statuses == [200] * count + [429] * (3 - count), path


LIMITS = [
    pytest.param(0, 100, 429, id="rateLimit 0 blocks everything"),
    pytest.param(100, 0, 429, id="burstLimit 0 blocks everything"),
    pytest.param(0, 0, 429, id="both 0"),
    pytest.param(-1, -1, 200, id="-1 means unlimited (unconfirmed)"),
    pytest.param(-1, 1, 200, id="-1 for the rate alone (unconfirmed)"),
]


@pytest.mark.parametrize(("rate", "burst", "status"), LIMITS)
@pytest.mark.parametrize("where", ["methodSettings", "usage plan"])
async def test_limits_that_are_no_numbers_of_tokens(
    gateway: TestGateway, rate: float, burst: int, status: int, where: str
):
    """Rows: 0 and -1, of a stage and of a plan."""
    if where == "methodSettings":
        gateway.deploy(documented({"*/*": {"throttlingRateLimit": rate, "throttlingBurstLimit": burst}}))
        assert [(await ask(gateway, "GET", "/a")).status for _ in range(3)] == [status] * 3
    else:
        serve(gateway, api(), plan(throttle=limit(burst, rate)))
        assert await some(gateway, 3) == [status] * 3


async def test_throttled_requests_count_as_client_errors(gateway: TestGateway):
    """Throttled requests count in 4XXError."""
    serve(gateway, api(throttle=limit(1)))
    await some(gateway, 3)
    lines = gateway.app.metrics.exposition().decode().splitlines()
    assert 'wsgw_client_error_total{api_id="pets",route="GET /a",stage="dev"} 2.0' in lines
