"""Recorded and documented cases of who may call: API keys, policies with and without a resource policy, authorizers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import sign
from tests.conftest import MakeGateway
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint
from tests.harness.lambda_endpoint import answers as lambda_answers
from tests.harness.management import call_once, signed_call
from tests.harness.rest_api import answers, mock, rest_api
from tests.harness.token_issuer import TokenIssuer
from tests.parity.cases import ACCESS, Case, cases
from tests.parity.client import head_of, send
from tests.parity.expected import check_answer
from tests.parity.given import API_ID, apis_of, fill, placeholders, stage_of
from wsgw.definitions.access import AccessKey, ThrottleSettings
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.route import Integration, Route
from wsgw.definitions.usage import ApiKey, PlanStage, QuotaSettings, UsagePlan

HOST = f"{API_ID}.execute-api.us-east-1.amazonaws.com"
_VALUE = "a-value-that-is-long-enough-to-be-one"


def _of(*topics: str) -> pytest.MarkDecorator:
    found = [case for case in cases() if case["topic"] in topics]
    assert found or not cases(), f"no case has a topic of {topics}"
    return pytest.mark.parametrize("case", found, ids=lambda case: case["id"])


@pytest.fixture(autouse=True)
def counted(case: Case, record_property: pytest.RecordProperty) -> None:
    assert case["topic"] in ACCESS
    record_property("parity", case["topic"])


# ---- API keys


def _keys_and_plans(case: Case) -> tuple[ApiKey, UsagePlan]:
    """What the calls of `case` make, one of each."""
    key, plan = ApiKey(id="k1", value=_VALUE, enabled=False), UsagePlan(id="p1")
    for call in case["given"]["calls"]:
        params = call.get("params", {})
        if call["op"] == "create_usage_plan":
            plan = UsagePlan(
                id="p1",
                stages=(PlanStage(api_id=API_ID, stage=stage_of(case)),),
                throttle=ThrottleSettings(
                    rate_limit=params["throttle"]["rateLimit"], burst_limit=params["throttle"]["burstLimit"]
                ),
                quota=QuotaSettings(**params["quota"]),
            )
        elif call["op"] == "create_api_key":
            key = msgspec.structs.replace(key, enabled=params["enabled"])
        elif call["op"] == "create_usage_plan_key":
            plan = msgspec.structs.replace(plan, keys=("k1",))
        elif call["op"] == "update_api_key":
            assert params["patchOperations"] == [{"op": "replace", "path": "/enabled", "value": "false"}]
            key = msgspec.structs.replace(key, enabled=False)
        else:
            raise AssertionError(f"a control-plane call that is not known here: {call['op']}")
    return key, plan


@_of("API key missing", "API key valid", "API key disabled")
async def test_an_api_key_is_taken_as_recorded(case: Case, make_gateway: MakeGateway) -> None:
    gateway = await make_gateway()
    look_up = placeholders(case, {})
    given = {**case["given"], "calls": []}
    gateway.deploy(apis_of({**case, "given": given}, look_up))
    key, plan = _keys_and_plans(case)
    gateway.app.admit_keys((key,), (plan,))
    values = {"key.value": key.value, "key.id": key.id}
    request = fill(case["request"], lambda name: values[name] if name in values else look_up(name))
    target = f"/{stage_of(case)}{request['path']}"
    answer = await send(gateway.url, head_of({**case, "request": request}, target, HOST, None), b"")
    check_answer(case["expected"], answer)


# ---- policies

_EFFECTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "Allow": ({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"},),
    "Deny": ({"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*"},),
    # Neither allows nor denies what is asked for.
    "None": ({"Effect": "Allow", "Action": "execute-api:ManageConnections", "Resource": "*"},),
}
_ACCOUNTS = {"same account": "000000000000", "cross account": "111122223333"}
_SUFFIXES = {"Explicit Deny": "with an explicit deny", "Implicit Deny": "because no"}


@_of("Policy outcome (same account)", "Policy outcome (cross account)")
async def test_an_identity_policy_and_a_resource_policy_decide_together(case: Case, make_gateway: MakeGateway) -> None:
    given = case["given"]
    identity = {"Version": "2012-10-17", "Statement": list(_EFFECTS[given["authorizer_or_identity_policy"]])}
    statements = [{**one, "Principal": "*"} for one in _EFFECTS[given["resource_policy"]]]
    key = AccessKey(
        access_key_id="AKIDCALLER",
        secret="a secret",
        principal=f"arn:aws:iam::{_ACCOUNTS[given['caller_account']]}:user/ann",
        policies=(identity,),
    )
    gateway = await make_gateway(access_keys=(key,))
    route = msgspec.structs.replace(mock("GET /", answers()), authorization_type="AWS_IAM")
    policy = {"Version": "2012-10-17", "Statement": statements}
    gateway.deploy(rest_api(route, stage=Stage(name="prod"), policy=policy))
    request = sign("GET", "/pets/prod/", body=b"", key=key, at=time.time())
    answer = await call_once(gateway, signed_call(request))
    assert answer.status == case["expected"]["status"]
    if answer.status == 403:
        assert answer.header("x-amzn-ErrorType") == "AccessDeniedException"
        assert _SUFFIXES[case["expected"]["outcome"]].encode() in answer.body


# ---- authorizers of HTTP APIs


def _http_api(backend: Backend, authorizer: Authorizer, kind: str) -> Api:
    route = Route(
        key="GET /route",
        integration=Integration(type="HTTP_PROXY", uri=backend.url + "/", method="GET"),
        authorization_type=kind,
        authorizer=authorizer.id,
    )
    return Api(
        id=API_ID,
        name="parity",
        protocol="HTTP",
        routes={route.key: route},
        authorizers={authorizer.id: authorizer},
        stages={"$default": Stage(name="$default")},
    )


async def _ask(gateway: TestGateway, case: Case, **headers: str) -> Any:
    request = {**case["request"], "headers": {**case["request"].get("headers", {}), **headers}}
    return await send(gateway.url, head_of({**case, "request": request}, case["request"]["path"], HOST, None), b"")


@_of("JWT audience mismatch")
async def test_a_token_for_another_audience_is_refused(case: Case, make_gateway: MakeGateway, backend: Backend) -> None:
    gateway = await make_gateway()
    issuer = await TokenIssuer(time.time).start()
    try:
        authorizer = Authorizer(
            id="jwt",
            name="jwt",
            type="JWT",
            identity_sources=("$request.header.Authorization",),
            issuer=issuer.url,
            audience=("a",),
        )
        gateway.deploy(_http_api(backend, authorizer, "JWT"))
        answer = await _ask(gateway, case, Authorization=issuer.token(aud="other"))
        check_answer(case["expected"], answer)
        assert (await _ask(gateway, case, Authorization=issuer.token(aud="a"))).status == 200
    finally:
        await issuer.stop()


@_of("Lambda authorizer identity source missing", "Lambda authorizer not invocable / invalid output")
async def test_a_function_is_not_asked_in_vain_and_not_believed_blindly(
    case: Case, make_gateway: MakeGateway, backend: Backend, functions: LambdaEndpoint
) -> None:
    gateway = await make_gateway()
    functions.functions["auth"] = lambda_answers(200, b'"nonsense"')
    authorizer = Authorizer(
        id="who",
        name="who",
        type="REQUEST",
        uri="auth",
        identity_sources=("$request.header.Authorization",),
        payload_format_version="2.0",
    )
    gateway.deploy(_http_api(backend, authorizer, "CUSTOM"))
    answer = await _ask(gateway, case)
    assert answer.status == case["expected"]["status"]
    assert len(functions.calls) == case["expected"].get("lambda_invocations", 1)
    assert not backend.requests
