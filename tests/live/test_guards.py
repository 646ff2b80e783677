"""What guards a route and cannot be enforced is not deployed, whoever did not check the definition before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.gateway import TestGateway
from wsgw.definitions.access import CallerThrottles, ThrottleSettings, TokenPlaces
from wsgw.definitions.api import Api, Protocol, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.check import check
from wsgw.definitions.finding import has_errors
from wsgw.definitions.route import Integration, Route
from wsgw.errors import DefinitionError
from wsgw.live.prove import prove

FUNCTION = Authorizer(id="f", name="f", type="REQUEST", uri="f")
TOKEN = Authorizer(id="t", name="t", type="TOKEN", uri="f", identity_sources=("method.request.header.a",))
JWT = Authorizer(
    id="j",
    name="j",
    type="JWT",
    issuer="https://i.invalid",
    audience=("a",),
    identity_sources=("$request.header.a",),
)
POOL = Authorizer(
    id="p",
    name="p",
    type="COGNITO_USER_POOLS",
    provider_arns=("arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a",),
    identity_sources=("method.request.header.a",),
)
ALL = {one.id: one for one in (FUNCTION, TOKEN, JWT, POOL)}
POLICY = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"},
}
BUCKET = ThrottleSettings(rate_limit=1, burst_limit=1)


@pytest.fixture
async def gateway() -> AsyncIterator[TestGateway]:
    one = TestGateway(True)
    await one.start()
    yield one
    await one.stop()


def api(protocol: Protocol, key: str = "", stage: dict[str, Any] | None = None, **members: Any) -> Api:
    """An API with one guarded route."""
    of_api = {name: members.pop(name) for name in ("policy", "api_key_selection_expression") if name in members}
    key = key or ("$connect" if protocol == "WEBSOCKET" else "GET /a")
    backend = Integration(type="HTTP_PROXY", uri="http://127.0.0.1:9/", method="POST")
    return Api(
        id="c",
        name="c",
        protocol=protocol,
        route_selection_expression="$request.body.action",
        routes={key: Route(key=key, integration=backend, **members)},
        authorizers={name: one for name, one in ALL.items() if name == members.get("authorizer")},
        stages={"prod": Stage(name="prod", **(stage or {}))},
        **of_api,
    )


UNENFORCEABLE: dict[str, Api] = {
    "REST: a type of authorization that is none": api("REST", authorization_type="aws_iam"),
    "REST: an empty type": api("REST", authorization_type=""),
    "REST: JWT": api("REST", authorization_type="JWT", authorizer="j"),
    "HTTP: COGNITO_USER_POOLS": api("HTTP", authorization_type="COGNITO_USER_POOLS", authorizer="p"),
    "HTTP: a TOKEN authorizer": api("HTTP", authorization_type="CUSTOM", authorizer="t"),
    "HTTP: API keys": api("HTTP", api_key_required=True),
    "WEBSOCKET: a TOKEN authorizer": api("WEBSOCKET", authorization_type="CUSTOM", authorizer="t"),
    "WEBSOCKET: IAM of a message": api("WEBSOCKET", "send", authorization_type="AWS_IAM"),
    "WEBSOCKET: an authorizer of $disconnect": api(
        "WEBSOCKET", "$disconnect", authorization_type="CUSTOM", authorizer="f"
    ),
    "WEBSOCKET: API keys of messages alone": api("WEBSOCKET", "send", api_key_required=True),
    "WEBSOCKET: API keys from nowhere": api(
        "WEBSOCKET", api_key_required=True, api_key_selection_expression="$request.body.key"
    ),
    "WEBSOCKET: a policy": api("WEBSOCKET", policy=POLICY),
    "HTTP: a policy": api("HTTP", policy=POLICY),
    "no authorizer": api("REST", authorization_type="CUSTOM"),
    "an authorizer that is not there": api("REST", authorization_type="CUSTOM", authorizer="x"),
    "an authorizer of another type": api("REST", authorization_type="CUSTOM", authorizer="p"),
    "an authorizer that NONE would not ask": api("REST", authorizer="t"),
    "an authorizer beside IAM": api("REST", authorization_type="AWS_IAM", authorizer="t"),
    "scopes that nobody looks at": api("HTTP", authorization_scopes=("a",)),
    "scopes beside IAM": api("HTTP", authorization_type="AWS_IAM", authorization_scopes=("a",)),
    "a policy that is none": api("REST", policy={"Statement": {"Effect": "allow"}}),
    "a throttle of principals that nobody names": api(
        "REST", stage={"caller_throttles": CallerThrottles(principal=BUCKET)}
    ),
    "a throttle of connections that are not there": api(
        "HTTP", stage={"caller_throttles": CallerThrottles(connection=BUCKET)}
    ),
    "tokens that end, and nobody who knows": api("WEBSOCKET", stage={"token_expiry": "CLOSE"}),
    "places of tokens, and nobody who looks": api("WEBSOCKET", stage={"tokens": TokenPlaces(query="t")}),
    "messages to authorize, and nobody let in by a policy": api("WEBSOCKET", stage={"authorize_messages": True}),
    "WEBSOCKET: a policy, and no $connect": api("WEBSOCKET", "send", policy=POLICY),
    "HTTP: tokens of connections": api("HTTP", stage={"tokens": TokenPlaces(ticket="t")}),
    "REST: messages to authorize": api("REST", stage={"authorize_messages": True}),
    "REST: tokens that end": api("REST", stage={"token_expiry": "CLOSE"}),
}


@pytest.mark.parametrize("asked", UNENFORCEABLE)
async def test_what_cannot_be_enforced_is_not_deployed(asked: str, gateway: TestGateway):
    with pytest.raises(DefinitionError):
        gateway.deploy(UNENFORCEABLE[asked])


@pytest.mark.parametrize("asked", UNENFORCEABLE)
def test_a_check_of_the_definition_says_the_same(asked: str):
    one = UNENFORCEABLE[asked]
    assert has_errors([*check(one), *prove(one)])


@pytest.mark.parametrize("protocol", ["REST", "HTTP", "WEBSOCKET"])
async def test_the_same_without_is_sound_and_deployed(protocol: Protocol, gateway: TestGateway):
    assert not has_errors([*check(api(protocol)), *prove(api(protocol))])
    gateway.deploy(api(protocol))


@pytest.mark.parametrize("stage", [{"tokens": TokenPlaces(ticket="t")}, {"token_expiry": "IGNORE"}], ids=str)
async def test_tickets_need_no_authorizer(stage: dict[str, Any], gateway: TestGateway):
    gateway.deploy(api("WEBSOCKET", stage=stage))
