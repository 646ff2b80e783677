"""Usage plans: throttles and quotas of keys, what has been used, and what those are told who have used it up.

Sources: developer guide, "Usage plans and API keys for REST APIs"; API reference, GetUsage and UpdateUsage; texts
recorded on the service.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import ask, mock, rest_api
from tests.harness.usage import KEY, OTHER_KEY, OTHER_VALUE, VALUE, it_is, limit, on_both, plan, quota
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.check_usage import check_usage
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan
from wsgw.definitions.usage_documents import usage_plan_of
from wsgw.errors import StoreUnavailable

TOO_MANY = (429, "TooManyRequestsException", {"message": "Too Many Requests"})
EXCEEDED = (429, "LimitExceededException", {"message": "Limit Exceeded"})
KEYS = (KEY, OTHER_KEY)


def keyed(*keys: str, **members: Any) -> Api:
    routes = [
        msgspec.structs.replace(mock(key), api_key_required=True) for key in keys or ("GET /a", "PUT /a", "GET /")
    ]
    return rest_api(*routes, **members)


def serve(gateway: TestGateway, *plans: UsagePlan, keys: tuple[ApiKey, ...] = KEYS) -> None:
    it_is(gateway, "2026-11-18T12:00:00")  # a Wednesday
    gateway.deploy(keyed())
    gateway.app.admit_keys(keys, plans)


async def one(gateway: TestGateway, value: str = VALUE, verb: str = "GET", path: str = "/a") -> Response:
    return await ask(gateway, verb, path, f"X-API-Key: {value}")


async def some(gateway: TestGateway, count: int, value: str = VALUE, **request: str) -> list[int]:
    return [(await one(gateway, value, **request)).status for _ in range(count)]


def said(response: Response) -> tuple[int, str | None, Any]:
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)


# ---- members


async def test_a_plan_is_of_its_api_stages(gateway: TestGateway):
    """Row: apiStages[]."""
    serve(gateway, plan(stages=(PlanStage(api_id="pets", stage="prod"),)))
    assert await some(gateway, 1) == [403]
    serve(gateway, plan(stages=(PlanStage(api_id="pets", stage="dev"),)))
    assert await some(gateway, 1) == [200]


async def test_a_throttle_of_a_method_is_written_as_path_and_verb(gateway: TestGateway):
    """Row: apiStages[].throttle: /path/VERB, per key; the root is //VERB."""
    limits = {"/a/GET": {"rateLimit": 0.001, "burstLimit": 1}, "//GET": {"rateLimit": 0.001, "burstLimit": 2}}
    stages = [{"apiId": "pets", "stage": "dev", "throttle": limits}]
    serve(gateway, usage_plan_of({"id": "gold", "apiStages": stages, "keys": ["partner", "another"]}))
    assert await some(gateway, 2) == [200, 429]
    assert await some(gateway, 3, path="/") == [200, 200, 429]
    assert await some(gateway, 3, verb="PUT") == [200, 200, 200]
    assert await some(gateway, 2, OTHER_VALUE) == [200, 429]


def test_a_plan_has_20_methods_with_a_throttle_for_each_stage_at_most():
    """Row: at most 20 per-method entries."""
    api = keyed(*(f"GET /{number}" for number in range(21)))

    def findings(count: int) -> list[str]:
        throttle = {f"GET /{number}": limit(1) for number in range(count)}
        of = plan(stages=(PlanStage(api_id="pets", stage="dev", throttle=throttle),))
        return [one.message for one in check_usage(KEYS, [of], [api]) if one.severity == "error"]

    assert findings(20) == []
    assert findings(21) == ["limits for 21 methods, and 20 may have one"]


async def test_the_throttle_of_a_plan_is_each_keys_own(gateway: TestGateway):
    """Row: throttle {rateLimit, burstLimit} per key."""
    serve(gateway, plan(throttle=ThrottleSettings(rate_limit=0.01, burst_limit=2)))
    assert await some(gateway, 3) == [200, 200, 429]
    assert await some(gateway, 3, OTHER_VALUE, path="/") == [200, 200, 429]


async def test_a_quota_is_each_keys_own(gateway: TestGateway):
    """Row: quota {limit} per key, of all methods."""
    serve(gateway, plan(quota=quota(2)))
    assert [*await some(gateway, 2), *await some(gateway, 1, path="/")] == [200, 200, 429]
    assert await some(gateway, 3, OTHER_VALUE) == [200, 200, 429]


async def test_an_offset_is_taken_off_the_first_period(gateway: TestGateway):
    """Row: quota offset ≥ 0, requests subtracted in the first period."""
    serve(gateway, plan(quota=quota(3, offset=2)))
    assert await some(gateway, 2) == [200, 429]
    it_is(gateway, "2026-11-19T12:00:00")
    assert await some(gateway, 4) == [200, 200, 200, 429]


PERIODS = [
    pytest.param("DAY", "2026-11-18T23:59:58", "2026-11-19T00:00:01", id="DAY"),
    pytest.param("WEEK", "2026-11-22T23:59:58", "2026-11-23T00:00:01", id="WEEK from Monday (unconfirmed)"),
    pytest.param("MONTH", "2026-11-30T23:59:58", "2026-12-01T00:00:01", id="MONTH"),
]


@pytest.mark.parametrize(("period", "before", "after"), PERIODS)
async def test_a_period_is_of_the_calendar_in_utc(gateway: TestGateway, period: str, before: str, after: str):
    """Row: quota period; calendar periods in UTC."""
    serve(gateway, plan(quota=quota(1, period)))
    it_is(gateway, before)
    assert await some(gateway, 2) == [200, 429]
    it_is(gateway, after)
    assert await some(gateway, 2) == [200, 429]


async def test_a_key_may_be_in_several_plans_but_in_one_for_each_stage(gateway: TestGateway):
    """Row: key in plans."""
    dev, prod = PlanStage(api_id="pets", stage="dev"), PlanStage(api_id="pets", stage="prod")
    gold, silver = plan("partner", stages=(dev,)), plan("partner", id="silver", stages=(prod,), quota=quota(0))
    api = msgspec.structs.replace(keyed(), stages={name: Stage(name=name) for name in ("dev", "prod")})
    assert check_usage([KEY], [gold, silver], [api]) == []
    gateway.deploy(api)
    gateway.app.admit_keys([KEY], [gold, silver])
    statuses = [
        (await ask(gateway, "GET", "/a", f"X-API-Key: {VALUE}", stage=stage)).status for stage in ("dev", "prod")
    ]
    assert statuses == [200, 429]
    twice = check_usage([KEY], [gold, plan("partner", id="silver", stages=(dev,))], [api])
    assert [finding.severity for finding in twice] == ["error"]


def test_a_key_is_in_10_plans_at_most():
    """Row: ≤ 10 plans per key."""

    def findings(count: int) -> list[str]:
        plans = [UsagePlan(id=f"p{number}", keys=("partner",)) for number in range(count)]
        return [one.message for one in check_usage([KEY], plans, [])]

    assert findings(10) == []
    assert findings(11) == ["the key 'partner' is in more than 10 plans"]


# ---- usage


async def control(gateway: TestGateway, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    async with ClientSession() as session, session.request(method, gateway.control + path, json=body) as answer:
        return answer.status, json.loads(await answer.read())


async def test_usage_is_shown_by_key_and_day(gateway: TestGateway):
    """Row: GetUsage startDate, endDate → items{keyId: [[used, remaining], …]}."""
    serve(gateway, plan(quota=quota(5, "WEEK")))
    assert await some(gateway, 2) == [200, 200]
    it_is(gateway, "2026-11-19T12:00:00")
    assert await some(gateway, 1) == [200]
    status, shown = await control(gateway, "/usageplans/gold/usage?startDate=2026-11-18&endDate=2026-11-19")
    assert (status, shown["items"]) == (200, {"partner": [[2, 3], [1, 2]], "another": [[0, 5], [0, 5]]})


RANGES = [
    ("startDate=2026-08-21&endDate=2026-11-18", 200),
    ("startDate=2026-08-20&endDate=2026-11-18", 400),
    ("startDate=18.11.2026&endDate=2026-11-18", 400),
]


@pytest.mark.parametrize(("query", "status"), RANGES, ids=["90 days", "91 days", "not YYYY-MM-DD"])
async def test_usage_is_shown_for_90_days_at_most(gateway: TestGateway, query: str, status: int):
    """Row: GetUsage YYYY-MM-DD (≤ 90 days)."""
    serve(gateway, plan(quota=quota(5)))
    assert (await control(gateway, f"/usageplans/gold/usage?{query}"))[0] == status


async def test_what_remains_can_be_replaced_for_the_current_period(gateway: TestGateway):
    """Row: UpdateUsage /remaining replace grants extension for the current period."""
    serve(gateway, plan(quota=quota(1)))
    assert await some(gateway, 2) == [200, 429]
    patch = {"patchOperations": [{"op": "replace", "path": "/remaining", "value": "2"}]}
    status, shown = await control(gateway, "/usageplans/gold/keys/partner/usage", "PATCH", patch)
    assert (status, shown["items"]) == (200, {"partner": [[1, 2]]})
    assert await some(gateway, 3) == [200, 200, 429]
    it_is(gateway, "2026-11-19T12:00:00")
    assert await some(gateway, 2) == [200, 429]


async def test_a_plan_that_is_not_there(gateway: TestGateway):
    """Row: 404 Invalid Usage Plan ID specified."""
    assert await control(gateway, "/usageplans/none/usage") == (404, {"message": "Invalid Usage Plan ID specified"})


async def test_a_quota_is_shown_with_its_offset_and_period(gateway: TestGateway):
    """quota output always has offset (0) and period."""
    serve(gateway, plan(quota=quota(5)))
    (shown,) = (await control(gateway, "/usageplans"))[1]["items"]
    assert shown["quota"] == {"limit": 5, "offset": 0, "period": "DAY"}


# ---- overrun


OVERRUNS = [
    pytest.param(plan(quota=quota(0)), EXCEEDED, id="quota"),
    pytest.param(
        plan(throttle=limit(0)), TOO_MANY, id="plan throttle: key (Limit Exceeded in some editions: unconfirmed)"
    ),
    pytest.param(plan(stages=on_both(**{"GET /a": limit(0)})), TOO_MANY, id="plan throttle: per method"),
]


@pytest.mark.parametrize(("of", "answer"), OVERRUNS)
async def test_an_overrun_is_429(gateway: TestGateway, of: UsagePlan, answer: Any):
    """Rows: quota; plan throttle. No Retry-After."""
    serve(gateway, of)
    response = await one(gateway)
    assert said(response) == answer
    assert response.header("retry-after") is None


class _Away:
    """A store that does not answer."""

    async def take_each(self, *_: Any, **__: Any) -> Any:
        raise StoreUnavailable("Redis is away")

    add = used = take_each


async def test_a_throttle_that_cannot_be_evaluated_lets_pass_and_that_is_logged(
    gateway: TestGateway, caplog: pytest.LogCaptureFixture
):
    """If throttling cannot be evaluated the request is served and logged."""
    serve(gateway, plan(throttle=limit(0)))
    gateway.app.access.buckets = _Away()  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING, "wsgw"):
        assert await some(gateway, 2) == [200, 200]
    assert "Usage Plan check failed due to an internal error" in caplog.text
    assert VALUE not in caplog.text
