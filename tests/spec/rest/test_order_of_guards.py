"""The order of what guards a method: one request that would fail at every step, repaired step by step.

Sources: developer guide, "How API Gateway resource policies affect authorization workflow", "Use AWS WAF to protect
your REST APIs" (it comes first), "Throttle requests to your REST APIs" (the order of limits).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from tests.authorizers.sigv4_signing import KEY as SIGNER
from tests.conftest import MakeGateway
from tests.firewall.web_acls import blocking, contains
from tests.harness.authorizers import authorizer, policy
from tests.harness.gateway import TestGateway
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import JSON, ask, mock, rest_api
from tests.harness.signed_requests import document, send, signed, statement
from tests.harness.usage import KEY, VALUE, limit, plan, quota
from wsgw.definitions.api import Api, GatewayResponse, Stage, StageLimits
from wsgw.definitions.model import Model, RequestValidator

TYPES = {
    "ACCESS_DENIED",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "THROTTLED",
    "UNAUTHORIZED",
    "WAF_FILTERED",
}
#: Each type names itself, so that no two refusals read alike.
NAMED = {
    kind: GatewayResponse(response_type=kind, response_templates={JSON: '{"type": "$context.error.responseType"}'})
    for kind in TYPES
}


class Setting:
    """What is wrong with the definition; a repair sets one of these right."""

    def __init__(self) -> None:
        self.blocked = self.denied = True
        self.of_plan: dict[str, Any] = {"throttle": limit(0), "quota": quota(0)}
        self.of_stage: dict[str, Any] = {"throttle": limit(0)}
        #: Seconds between requests: without them the account's bucket stays empty.
        self.account = 0.0


class Asked:
    """What is wrong with the request."""

    def __init__(self) -> None:
        self.path, self.token, self.key = "/nowhere", "none", "nobody's"
        self.query, self.body = "", b"x" * 300


def api(setting: Setting) -> Api:
    token = authorizer(
        "REST",
        "authorize",
        called="PYTHON",
        type="TOKEN",
        identity_sources=("method.request.header.X-Token",),
        identity_validation_expression="known|denied",
    )
    method = msgspec.structs.replace(
        mock(
            "POST /a",
            required=("method.request.querystring.q",),
            validator=RequestValidator(validate_request_body=True, validate_request_parameters=True),
            request_models={JSON: "Pet"},
        ),
        authorization_type="CUSTOM",
        authorizer="who",
        api_key_required=True,
    )
    everybody = statement(Principal="*")
    return rest_api(
        method,
        models={"Pet": Model(name="Pet", schema={"required": ["name"]})},
        policy=document(statement("Deny", Principal="*") if setting.denied else {**everybody, "Resource": "none"}),
        authorizers={"who": token},
        gateway_responses=NAMED,
        stage=Stage(
            name="dev",
            limits=StageLimits(payload_bytes=200),
            web_acl=blocking(contains("gateway", {"SingleHeader": {"Name": "host"}})) if setting.blocked else None,
            **setting.of_stage,
        ),
    )


async def authorize(event: dict[str, Any], _context: Any) -> Any:
    return policy("Deny" if event["authorizationToken"] == "denied" else "Allow")


def deploy(gateway: TestGateway, setting: Setting) -> None:
    gateway.deploy(api(setting), handlers={"authorize": authorize})
    gateway.app.admit_keys([KEY], [plan("partner", **setting.of_plan)])


async def outcome(gateway: TestGateway, asked: Asked) -> str:
    """The type of the refusal, or the status of what was not refused."""
    lines = (f"X-Token: {asked.token}", f"X-API-Key: {asked.key}", "Content-Type: application/json")
    response = await ask(gateway, "POST", asked.path + asked.query, *lines, body=asked.body)
    return _type_of(response)


def _type_of(response: Response) -> str:
    return str(json.loads(response.body)["type"]) if response.status >= 400 else str(response.status)


#: Step, its refusal, what repairs it. The account comes in behind the stage.
STEPS: list[tuple[str, str, Callable[[Setting, Asked], None]]] = [
    ("3 body size", "REQUEST_TOO_LARGE", lambda _, asked: setattr(asked, "body", b"{}")),
    ("4 WAF web ACL of the stage", "WAF_FILTERED", lambda setting, _: setattr(setting, "blocked", False)),
    ("5 resource and method lookup", "MISSING_AUTHENTICATION_TOKEN", lambda _, asked: setattr(asked, "path", "/a")),
    ("6 resource policy: explicit deny", "ACCESS_DENIED", lambda setting, _: setattr(setting, "denied", False)),
    ("7 authorization: who", "UNAUTHORIZED", lambda _, asked: setattr(asked, "token", "denied")),
    ("7 authorization: may they", "ACCESS_DENIED", lambda _, asked: setattr(asked, "token", "known")),
    ("8 API key lookup", "INVALID_API_KEY", lambda _, asked: setattr(asked, "key", VALUE)),
    ("8 usage-plan throttle", "THROTTLED", lambda setting, _: setting.of_plan.pop("throttle")),
    ("8 usage-plan quota", "QUOTA_EXCEEDED", lambda setting, _: setting.of_plan.pop("quota")),
    ("9 stage method throttle", "THROTTLED", lambda setting, _: setting.of_stage.clear()),
    ("9 account throttle", "THROTTLED", lambda setting, _: setattr(setting, "account", 1_000.0)),
    ("10 parameters", "BAD_REQUEST_PARAMETERS", lambda _, asked: setattr(asked, "query", "?q=1")),
    ("10 then body", "BAD_REQUEST_BODY", lambda _, asked: setattr(asked, "body", b'{"name": "Rex"}')),
]


async def test_a_request_that_would_fail_at_every_step_is_repaired_one_step_at_a_time(make_gateway: MakeGateway):
    """The request pipeline: size → WAF → route → policy → authorizer → key → plan throttle → quota → stage → account
    → parameters → body. Key before validation (unconfirmed)."""
    gateway = await make_gateway(account_rate=0.001, account_burst=1)
    setting, asked = Setting(), Asked()
    # Empty, as after many requests to other APIs.
    gateway.deploy(rest_api(mock("GET /other")))
    assert (await ask(gateway, "GET", "/other")).status == 200
    seen = []
    for _, _, repair in STEPS:
        deploy(gateway, setting)
        seen.append(await outcome(gateway, asked))
        repair(setting, asked)
        # Once it is repaired, time brings one token for each request.
        gateway.advance(setting.account)
    deploy(gateway, setting)
    assert seen == [kind for _, kind, _ in STEPS]
    assert await outcome(gateway, asked) == "200"


async def test_what_no_authorizer_lets_in_is_the_whole_policys(make_gateway: MakeGateway):
    """Step 6, whole policy if no authorizer: before the key."""
    gateway = await make_gateway()
    method = msgspec.structs.replace(mock("GET /a"), api_key_required=True)
    silent = document(statement(resource="none", Principal="*"))
    gateway.deploy(rest_api(method, policy=silent, gateway_responses=NAMED))
    assert _type_of(await ask(gateway, "GET", "/a")) == "ACCESS_DENIED"


async def test_a_signature_comes_before_the_resource_policy(make_gateway: MakeGateway):
    """Steps 6 and 7 with AWS_IAM: who has not signed well is told so, whatever the policy says."""
    gateway = await make_gateway(access_keys=(SIGNER,))
    method = msgspec.structs.replace(mock("GET /a"), authorization_type="AWS_IAM", api_key_required=True)
    denied = document(statement("Deny", Principal="*"))
    gateway.deploy(rest_api(method, policy=denied, gateway_responses=NAMED))
    assert _type_of(await ask(gateway, "GET", "/a")) == "MISSING_AUTHENTICATION_TOKEN"
    wrong = msgspec.structs.replace(SIGNER, secret="another")
    assert _type_of(await send(gateway, signed(key=wrong))) == "INVALID_SIGNATURE"
    assert _type_of(await send(gateway, signed())) == "ACCESS_DENIED"


async def test_what_is_refused_takes_nothing_from_the_steps_behind(make_gateway: MakeGateway):
    """A caller without a key, or over the plan's limit, costs neither quota nor stage; over the quota, no stage."""
    gateway = await make_gateway()
    method = msgspec.structs.replace(mock("GET /a"), api_key_required=True)
    stage = Stage(name="dev", throttle=limit(2))
    gateway.deploy(rest_api(method, stage=stage, gateway_responses=NAMED))
    gateway.app.admit_keys([KEY], [plan("partner", quota=quota(1))])
    types = [_type_of(await ask(gateway, "GET", "/a", *lines)) for lines in ((), (), (f"X-API-Key: {VALUE}",))]
    assert types == ["INVALID_API_KEY", "INVALID_API_KEY", "200"]
    assert [_type_of(await ask(gateway, "GET", "/a", f"X-API-Key: {VALUE}")) for _ in range(2)] == [
        "QUOTA_EXCEEDED"
    ] * 2
    gateway.app.admit_keys([KEY], [plan("partner")])
    assert [_type_of(await ask(gateway, "GET", "/a", f"X-API-Key: {VALUE}")) for _ in range(2)] == ["200", "THROTTLED"]
