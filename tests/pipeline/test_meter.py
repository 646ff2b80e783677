"""API keys and usage plans on the way of a request: every row of the service's rules, over real sockets."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.conftest import MakeGateway
from tests.harness.gateway import TestGateway, api, route
from tests.harness.gateway import mock as socket_mock
from tests.harness.raw_websocket import HandshakeRefused, Response
from tests.harness.rest_api import ask, mock, rest_api
from tests.harness.usage import KEY, OTHER_KEY, OTHER_VALUE, VALUE, it_is, limit, on_both, plan, quota
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.usage import ApiKey, PlanStage, UsagePlan
from wsgw.errors import DefinitionError, StoreUnavailable
from wsgw.observe.metrics import Metrics

FORBIDDEN = (403, "ForbiddenException", {"message": "Forbidden"})
TOO_MANY = (429, "TooManyRequestsException", {"message": "Too Many Requests"})
EXCEEDED = (429, "LimitExceededException", {"message": "Limit Exceeded"})
NOON = "2026-11-21T12:00:00"


def keyed(*keys: str, **members: Any) -> Api:
    """The API `pets`, each of whose methods requires an API key."""
    import msgspec

    routes = [msgspec.structs.replace(mock(key), api_key_required=True) for key in keys or ("GET /pets", "PUT /pets")]
    return rest_api(*routes, **members)


def serve(gateway: TestGateway, *plans: UsagePlan, keys: tuple[ApiKey, ...] = (KEY, OTHER_KEY)) -> None:
    it_is(gateway, NOON)
    gateway.deploy(keyed())
    gateway.app.admit_keys(keys, plans)


def said(response: Response) -> tuple[int, str | None, Any]:
    return response.status, response.header("x-amzn-ErrorType"), json.loads(response.body)


async def get(gateway: TestGateway, value: str | None = VALUE, path: str = "/pets", verb: str = "GET") -> Response:
    return await ask(gateway, verb, path, *([] if value is None else [f"X-API-Key: {value}"]))


async def statuses(gateway: TestGateway, count: int, value: str = VALUE, verb: str = "GET") -> list[int]:
    return [(await get(gateway, value, verb=verb)).status for _ in range(count)]


# ---- API keys


@pytest.mark.parametrize("name", ["x-api-key", "X-API-Key", "X-Api-Key"])
async def test_a_key_of_a_plan_of_this_stage_lets_in(gateway: TestGateway, name: str):
    """Source HEADER; the recorded case of a valid key."""
    serve(gateway, plan())
    assert (await ask(gateway, "GET", "/pets", f"{name}: {VALUE}")).status == 200


REFUSED = {
    "missing": (None, KEY, plan()),
    "empty": ("", KEY, plan()),
    "unknown": ("a-value-that-nobody-has-given", KEY, plan()),
    "begins as one that is known": (VALUE[:-1], KEY, plan()),
    "disabled": (VALUE, ApiKey(id="partner", value=VALUE, enabled=False), plan()),
    "in no plan": (VALUE, KEY, plan("another")),
    "in a plan of another stage": (VALUE, KEY, plan(stages=(PlanStage(api_id="pets", stage="prod"),))),
    "in a plan of another API": (VALUE, KEY, plan(stages=(PlanStage(api_id="cats", stage="dev"),))),
    "in a plan without stages": (VALUE, KEY, UsagePlan(id="gold", keys=("partner",))),
}


@pytest.mark.parametrize(("value", "key", "of"), REFUSED.values(), ids=REFUSED.keys())
async def test_any_other_is_refused_in_the_services_words(
    gateway: TestGateway, value: str | None, key: ApiKey, of: UsagePlan
):
    """Missing, unknown, disabled, or not attached to a usage plan containing this API stage: INVALID_API_KEY."""
    serve(gateway, of, keys=(key,))
    assert said(await get(gateway, value)) == FORBIDDEN


WHY = {
    "missing": "apiKey_missing",
    "unknown": "apiKey_unknown_or_disabled",
    "disabled": "apiKey_unknown_or_disabled",
    "in no plan": "apiKey_in_no_plan_of_this_stage key=partner",
}


@pytest.mark.parametrize(("case", "why"), WHY.items(), ids=WHY.keys())
async def test_the_log_says_why_a_key_was_refused_and_never_its_value(
    gateway: TestGateway, case: str, why: str, caplog: pytest.LogCaptureFixture
):
    value, key, of = REFUSED[case]
    serve(gateway, of, keys=(key,))
    await get(gateway, value)
    assert f"INVALID_API_KEY: {why} api=pets" in caplog.text
    assert VALUE not in caplog.text


@pytest.mark.parametrize(("part", "why"), [("quota", "usage_plan_quota"), ("throttle", "usage_plan_throttle")])
async def test_the_log_says_whose_plan_is_used_up(
    gateway: TestGateway, part: str, why: str, caplog: pytest.LogCaptureFixture
):
    serve(gateway, plan(**{part: quota(0) if part == "quota" else limit(0)}))
    assert (await get(gateway)).status == 429
    assert f": {why} plan=gold key=partner api=pets" in caplog.text


async def test_a_key_in_the_query_is_none(gateway: TestGateway):
    serve(gateway, plan())
    assert said(await ask(gateway, "GET", f"/pets?x-api-key={VALUE}")) == FORBIDDEN


async def test_a_method_that_requires_no_key_ignores_one_and_counts_nothing(gateway: TestGateway):
    """Method without apiKeyRequired: key ignored, no metering."""
    it_is(gateway, NOON)
    gateway.deploy(rest_api(mock("GET /pets")))
    gateway.app.admit_keys([KEY], [plan(quota=quota(0))])
    assert [(await get(gateway, value)).status for value in (VALUE, "unknown", None)] == [200, 200, 200]
    assert gateway.app.access.usage.unwritten == 0


async def test_keys_and_plans_act_without_a_deployment(gateway: TestGateway):
    serve(gateway)
    assert (await get(gateway)).status == 403
    gateway.app.admit_keys([KEY], [plan()])
    assert (await get(gateway)).status == 200
    gateway.app.admit_keys([ApiKey(id="partner", value=VALUE, enabled=False)], [plan()])
    assert (await get(gateway)).status == 403


async def test_a_gateway_response_words_a_refused_key(gateway: TestGateway):
    from wsgw.definitions.api import GatewayResponse

    answer = GatewayResponse(
        response_type="INVALID_API_KEY",
        status_code="401",
        response_templates={"application/json": '{"why": "$context.error.responseType"}'},
    )
    gateway.deploy(keyed(gateway_responses={"INVALID_API_KEY": answer}))
    response = await get(gateway, None)
    assert (response.status, json.loads(response.body)) == (401, {"why": "INVALID_API_KEY"})


# ---- plans


async def test_the_limit_of_a_key_is_each_keys_own_and_of_all_methods(gateway: TestGateway):
    """throttle: per key."""
    serve(gateway, plan(throttle=limit(2)))
    assert await statuses(gateway, 1) + await statuses(gateway, 1, verb="PUT") == [200, 200]
    assert said(await get(gateway)) == TOO_MANY
    assert await statuses(gateway, 3, OTHER_VALUE) == [200, 200, 429]


async def test_the_limit_of_a_method_is_that_methods_alone(gateway: TestGateway):
    """apiStages[].throttle: per key and method."""
    serve(gateway, plan(stages=on_both(**{"GET /pets": limit(1)})))
    assert await statuses(gateway, 2) == [200, 429]
    assert await statuses(gateway, 3, verb="PUT") == [200, 200, 200]
    assert await statuses(gateway, 1, OTHER_VALUE) == [200]


async def test_a_methods_limit_comes_before_the_keys_and_takes_nothing_of_it(gateway: TestGateway):
    """Order 1: per key and method, then per key."""
    serve(gateway, plan(throttle=limit(2), stages=on_both(**{"GET /pets": limit(1)})))
    assert await statuses(gateway, 4) == [200, 429, 429, 429]
    assert await statuses(gateway, 2, verb="PUT") == [200, 429]


async def test_what_a_plan_refuses_takes_nothing_of_the_stages_limit(gateway: TestGateway):
    """Order: the plan's limits, then the stage's."""
    gateway.deploy(keyed("GET /pets", stage=Stage(name="dev", throttle=limit(2))))
    gateway.app.admit_keys([KEY, OTHER_KEY], [plan(throttle=limit(1))])
    assert await statuses(gateway, 3) == [200, 429, 429]
    assert await statuses(gateway, 1, OTHER_VALUE) == [200]


@pytest.mark.parametrize(("rate", "burst", "expected"), [(0, 5, 429), (5, 0, 429), (-1, -1, 200)])
async def test_a_limit_of_0_lets_nobody_pass_and_minus_1_is_none(
    gateway: TestGateway, rate: float, burst: int, expected: int
):
    """rateLimit 0 or burstLimit 0 blocks everything; -1 means unlimited."""
    serve(gateway, plan(throttle=limit(burst, rate)))
    assert await statuses(gateway, 2) == [expected] * 2


async def test_a_quota_used_up_is_said_in_the_services_words(gateway: TestGateway):
    """quota: 429 Limit Exceeded, without Retry-After."""
    serve(gateway, plan(quota=quota(2)))
    assert await statuses(gateway, 2) == [200, 200]
    response = await get(gateway)
    assert (said(response), response.header("retry-after")) == (EXCEEDED, None)
    assert await statuses(gateway, 1, OTHER_VALUE) == [200]


PERIODS = [
    ("DAY", "2026-11-21T23:59:58", "2026-11-22T00:00:01"),
    ("WEEK", "2026-11-22T23:59:58", "2026-11-23T00:00:01"),
    ("WEEK", "2027-01-03T23:59:58", "2027-01-04T00:00:01"),
    ("MONTH", "2026-11-30T23:59:58", "2026-12-01T00:00:01"),
    ("MONTH", "2026-12-31T23:59:58", "2027-01-01T00:00:01"),
]


@pytest.mark.parametrize(("period", "before", "after"), PERIODS)
async def test_a_quota_begins_anew_with_its_period_in_utc(gateway: TestGateway, period: str, before: str, after: str):
    serve(gateway, plan(quota=quota(1, period)))
    it_is(gateway, before)
    assert (await get(gateway)).status == 200
    assert (await get(gateway)).status == 429
    it_is(gateway, after)
    assert (await get(gateway)).status == 200


async def test_what_the_limit_refuses_is_not_taken_off_the_quota(gateway: TestGateway):
    serve(gateway, plan(throttle=limit(1), quota=quota(2)))
    assert await statuses(gateway, 3) == [200, 429, 429]
    gateway.app.admit_keys([KEY], [plan(quota=quota(2))])
    assert await statuses(gateway, 2) == [200, 429]


async def test_an_offset_is_taken_off_the_first_period_only(gateway: TestGateway):
    """quota.offset: requests subtracted in the first period."""
    serve(gateway, plan(quota=quota(3, offset=2)))
    assert await statuses(gateway, 2) == [200, 429]
    it_is(gateway, "2026-11-22T12:00:00")
    assert await statuses(gateway, 4) == [200, 200, 200, 429]


async def test_an_offset_as_large_as_the_limit_leaves_nothing_of_the_first_period(gateway: TestGateway):
    serve(gateway, plan(quota=quota(2, offset=2)))
    assert await statuses(gateway, 1) == [429]


async def test_a_plan_counts_what_a_key_does_on_all_of_its_stages_together(gateway: TestGateway):
    import msgspec

    cats = msgspec.structs.replace(keyed(), id="cats")
    serve(gateway, plan(quota=quota(2), stages=(*on_both(), PlanStage(api_id="cats", stage="dev"))))
    gateway.deploy(keyed(), cats)
    assert await statuses(gateway, 2) == [200, 200]
    head = f"GET /cats/dev/pets HTTP/1.1\r\nHost: a\r\nx-api-key: {VALUE}\r\nConnection: close\r\n\r\n"
    from tests.harness.raw_http import split_responses, talk

    (response,) = split_responses(await talk(gateway.url, head.encode()))
    assert response.status == 429


async def test_a_key_may_be_in_one_plan_for_each_stage(gateway: TestGateway):
    """key in plans: several, one for each API stage."""
    silver = plan("partner", id="silver", stages=(PlanStage(api_id="pets", stage="prod"),), quota=quota(0))
    serve(gateway, plan("partner", stages=(PlanStage(api_id="pets", stage="dev"),)), silver)
    assert await statuses(gateway, 1) == [200]


class _Away:
    """A store that does not answer."""

    async def take_each(self, *_: Any, **__: Any) -> Any:
        raise StoreUnavailable("Redis is away")

    add = used = take_each


@pytest.mark.parametrize("part", ["quota", "throttle"])
async def test_without_its_store_a_plan_lets_in_and_that_is_counted_and_said(
    gateway: TestGateway, part: str, caplog: pytest.LogCaptureFixture
):
    """If throttling cannot be evaluated the request is served, and the service's sentence is logged."""
    serve(gateway, plan(**{part: quota(0) if part == "quota" else limit(0)}))
    gateway.app.access.buckets = gateway.app.access.usage._quota = _Away()  # type: ignore[assignment]
    before = counted()
    with caplog.at_level(logging.WARNING, "wsgw"):
        assert await statuses(gateway, 3) == [200, 200, 200]
    assert counted() == before + 3
    (record,) = [one for one in caplog.records if "Usage Plan check failed" in one.getMessage()]
    assert VALUE not in record.getMessage()


def counted() -> float:
    text = Metrics().exposition().decode()
    lines = [line for line in text.splitlines() if 'event="usage_plan_unavailable"' in line]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else 0


# ---- WebSocket


def chat(**members: Any) -> Api:
    return api(route("$connect", socket_mock("{}"), api_key_required=True), route("send", socket_mock("{}")), **members)


async def shaken(gateway: TestGateway, *headers: tuple[str, str], path: str = "/prod") -> Response:
    """The answer to a handshake."""
    try:
        client = await gateway.connect(path, headers=headers)
    except HandshakeRefused as refused:
        return refused.response
    return client.response


async def test_a_handshake_with_a_key_is_let_in_and_its_connection_knows_the_key(gateway: TestGateway):
    gateway.deploy(chat())
    gateway.app.admit_keys([KEY], [plan()])
    assert (await shaken(gateway, ("X-Api-Key", VALUE))).status == 101
    (connection,) = gateway.connections
    assert connection.api_key is not None
    assert connection.api_key.id == "partner"


@pytest.mark.parametrize("headers", [[], [("x-api-key", "a-value-that-nobody-has-given")]], ids=["missing", "unknown"])
async def test_a_handshake_without_a_good_key_is_refused(gateway: TestGateway, headers: list[tuple[str, str]]):
    """websocket: missing or invalid is 403 Forbidden."""
    gateway.deploy(chat())
    gateway.app.admit_keys([KEY], [plan()])
    response = await shaken(gateway, *headers)
    assert response.status == 403
    assert json.loads(response.body)["message"] == "Forbidden"


async def test_a_handshakes_query_is_no_place_for_a_key(gateway: TestGateway):
    gateway.deploy(chat())
    gateway.app.admit_keys([KEY], [plan()])
    assert (await shaken(gateway, path=f"/prod?x-api-key={VALUE}")).status == 403


@pytest.mark.parametrize(
    ("of", "message"),
    [(plan(throttle=limit(1)), "Too Many Requests"), (plan(quota=quota(1)), "Limit Exceeded")],
    ids=["rate", "quota"],
)
async def test_a_handshake_over_its_plan_is_refused_with_429(gateway: TestGateway, of: UsagePlan, message: str):
    gateway.deploy(chat())
    gateway.app.admit_keys([KEY], [of])
    first, second = [await shaken(gateway, ("x-api-key", VALUE)) for _ in range(2)]
    assert (first.status, second.status) == (101, 429)
    assert json.loads(second.body)["message"] == message


async def test_a_connection_is_closed_when_the_key_that_opened_it_goes(gateway: TestGateway):
    gateway.deploy(chat())
    gateway.app.admit_keys([KEY, OTHER_KEY], [plan()])
    one = await gateway.connect(headers=[("x-api-key", VALUE)])
    other = await gateway.connect(headers=[("x-api-key", OTHER_VALUE)])
    gateway.app.admit_keys([OTHER_KEY], [plan("another")])
    assert (await one.receive_close())[0] == 4401
    assert not other.closed


async def test_messages_are_not_counted(gateway: TestGateway):
    """Enforced on the handshake only, though another route may ask for it, too."""
    gateway.deploy(
        api(
            route("$connect", api_key_required=True),
            route("send", socket_mock('{"ok": 1}'), two_way=True, api_key_required=True),
        )
    )
    gateway.app.admit_keys([KEY], [plan(quota=quota(1))])
    client = await gateway.connect(headers=[("x-api-key", VALUE)])
    for _ in range(3):
        await client.send_text('{"action": "send"}')
        assert await client.receive_text() == '{"ok": 1}'


async def test_a_route_whose_keys_nobody_would_look_at_is_not_deployed(gateway: TestGateway):
    with pytest.raises(DefinitionError, match="with the handshake"):
        gateway.deploy(api(route("$connect"), route("send", socket_mock("{}"), api_key_required=True)))


@pytest.mark.parametrize("what", ["REST", "WEBSOCKET"])
async def test_keys_from_an_authorizer_need_one(make_gateway: MakeGateway, what: str):
    gateway = await make_gateway()
    if what == "REST":
        one = keyed(api_key_source="AUTHORIZER")
    else:
        one = chat(api_key_selection_expression="$context.authorizer.usageIdentifierKey")
    with pytest.raises(DefinitionError, match="come from an authorizer"):
        gateway.deploy(one)


# ---- keys that an authorizer names


def by_authorizer(value: object) -> tuple[Any, dict[str, Any]]:
    """An authorizer, and its function, which lets everybody in with the key `value`."""
    from wsgw.definitions.authorizer import Authorizer

    async def authorize(event: dict[str, Any], context: Any) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        named = {} if value is None else {"usageIdentifierKey": value}
        return {"principalId": "somebody", "policyDocument": policy, **named}

    one = Authorizer(id="auth", name="auth", type="REQUEST", called="PYTHON", uri="auth")
    return one, {"auth": authorize}


@pytest.mark.parametrize(
    ("value", "expected"), [(VALUE, 200), (None, 403), ("a-value-that-nobody-has", 403), ("", 403)]
)
async def test_the_key_of_a_rest_api_may_come_from_its_authorizer_alone(
    gateway: TestGateway, value: str | None, expected: int
):
    """Source AUTHORIZER: usageIdentifierKey returned by the Lambda authorizer."""
    import msgspec

    authorizer, handlers = by_authorizer(value)
    method = msgspec.structs.replace(
        mock("GET /pets"), api_key_required=True, authorization_type="CUSTOM", authorizer="auth"
    )
    one = rest_api(method, api_key_source="AUTHORIZER", authorizers={"auth": authorizer})
    gateway.deploy(one, handlers=handlers)
    gateway.app.admit_keys([KEY], [plan()])
    assert (await get(gateway, VALUE)).status == expected
    assert (await get(gateway, None)).status == expected


@pytest.mark.parametrize(("value", "expected"), [(VALUE, 101), (None, 403), ("a-value-that-nobody-has", 403)])
async def test_the_key_of_a_handshake_may_come_from_its_authorizer_alone(
    gateway: TestGateway, value: str | None, expected: int
):
    """apiKeySelectionExpression=$context.authorizer.usageIdentifierKey."""
    authorizer, handlers = by_authorizer(value)
    connect = route("$connect", api_key_required=True, authorization_type="CUSTOM", authorizer="auth")
    one = api(
        connect,
        route("send", socket_mock("{}")),
        api_key_selection_expression="$context.authorizer.usageIdentifierKey",
        authorizers={"auth": authorizer},
    )
    gateway.deploy(one, handlers=handlers)
    gateway.app.admit_keys([KEY], [plan()])
    assert (await shaken(gateway, ("x-api-key", VALUE))).status == expected
    assert (await shaken(gateway)).status == expected


async def test_a_revoked_key_is_refused_and_not_counted(gateway: TestGateway):
    serve(gateway, plan(quota=quota(1)))
    gateway.app.access.revoked.until = {"apiKey/partner": float("inf")}
    assert said(await get(gateway)) == FORBIDDEN
    assert gateway.app.access.usage.unwritten == 0
    gateway.app.access.revoked.until = {}
    assert (await get(gateway)).status == 200
