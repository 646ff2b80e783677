"""What access logs of WebSocket APIs say of who was let in and who was not: every variable, every response type.

Source: developer guide, "Set up logging for WebSocket APIs" (variables) and "Gateway response types".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.authorizers.sigv4_signing import HOST, altered, sign
from tests.conftest import MakeGateway
from tests.harness.authorizers import policy
from tests.harness.gateway import TestGateway, http, mock, route
from tests.harness.lambda_endpoint import answers as lambda_answers
from tests.harness.lambda_endpoint import lambda_service
from tests.harness.raw_websocket import HandshakeRefused
from tests.harness.usage import KEY, VALUE, plan, quota
from wsgw.authorizers.iam import SignedRequest
from wsgw.definitions.access import AccessKey, ThrottleSettings
from wsgw.definitions.api import Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.firewall import WebAcl
from wsgw.definitions.freeze_firewall import web_acl_of
from wsgw.definitions.model import Model
from wsgw.definitions.route import Integration, Route

ACCOUNT = "000000000000"
USER = AccessKey(
    access_key_id="AKIDUSER",
    secret="s1",
    principal=f"arn:aws:iam::{ACCOUNT}:user/ann",
    user_id="AIDA1",
    organization_id="o-1",
)
OVER = AccessKey(access_key_id="ASIAOVER", secret="s2", session_token="t", expires=1.0)
DENIED = AccessKey(
    access_key_id="AKIDDENIED",
    secret="s3",
    principal=f"arn:aws:iam::{ACCOUNT}:user/no",
    policies=({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]},),
)
WHO = Authorizer(
    id="who",
    name="who",
    type="REQUEST",
    called="PYTHON",
    uri="who",
    identity_sources=("route.request.header.X-Token",),
)
#: What the authorizer answers to a token.
RESULTS: dict[str, Any] = {
    "good": policy(context={"tenant": "t1", "level": 7}),
    "denied": policy("Deny"),
    "unusable": {},
    "keyed": policy(usageIdentifierKey=VALUE),
}


async def who(event: dict[str, Any], _context: Any) -> Any:
    token = {name.lower(): value for name, value in event["headers"].items()}["x-token"]
    if token not in RESULTS:
        raise ValueError(token)
    return RESULTS[token]


@pytest.fixture
def lanes() -> bool:
    return True


class Logged:
    """A gateway whose log has one line for a handshake, the variables in a JSON object."""

    def __init__(self, gateway: TestGateway, file: Path) -> None:
        self.gateway, self._file = gateway, file
        gateway.app.admit([USER, OVER, DENIED], ())

    def serve(self, connect: Route, *names: str, others: tuple[Route, ...] = (), **members: Any) -> None:
        line = json.dumps({name: f"$context.{name}" for name in ("requestId", "status", *names)})
        stage = Stage(name="prod", access_log_format=line, **members.pop("stage", {}))
        members.setdefault("authorizers", {"who": WHO})
        self.gateway.serve(connect, *others, stage=stage, handlers={"who": who}, **members)

    def signed(self, key: AccessKey) -> SignedRequest:
        return sign("GET", "/prod", key=key, body=b"", at=self.gateway.clock.wall_ms() / 1000)

    async def shake(self, request: SignedRequest | None = None, message: str = "", **headers: str) -> None:
        """A handshake with these headers, or one that was signed; then `message`, if there is one."""
        lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
        target = "/prod" if request is None else request.raw_target
        try:
            client = await self.gateway.connect(target, headers=lines if request is None else list(request.headers))
        except HandshakeRefused:
            return
        if message:
            await client.send_text(message)
            await client.receive()

    async def records(self) -> list[dict[str, str]]:
        await self.gateway.stop()
        return [json.loads(line) for line in self._file.read_text().splitlines()]


@pytest.fixture
async def logged(make_gateway: MakeGateway, tmp_path: Path) -> Logged:
    file = tmp_path / "access.log"
    return Logged(await make_gateway(access_log=str(file)), file)


CUSTOM: dict[str, Any] = {"authorization_type": "CUSTOM", "authorizer": "who"}
IAM: dict[str, Any] = {"authorization_type": "AWS_IAM"}
NUMBER = r"\d+"
DENIAL = "User is not authorized to access this resource with an explicit deny in an identity-based policy"

AUTHORIZER = [
    *(f"authorizer.{name}" for name in ("error", "integrationLatency", "integrationStatus", "latency", "requestId")),
    *(f"authorizer.{name}" for name in ("status", "principalId", "tenant", "level")),
    *(f"{phase}.{name}" for phase in ("authenticate", "authorize") for name in ("error", "latency", "status")),
]
NOTHING = dict.fromkeys(AUTHORIZER, "-")
DECIDED = {"authorizer.latency": NUMBER, "authorize.latency": NUMBER}
BY_FUNCTION: list[Any] = [
    pytest.param(
        {"X_Token": "good"},
        DECIDED
        | {
            "status": "200",
            "authorizer.status": "200",
            "authorizer.integrationStatus": "200",
            "authorizer.integrationLatency": NUMBER,
            "authorizer.principalId": "somebody",
            "authorizer.tenant": "t1",
            "authorizer.level": "7",
            "authorize.status": "200",
        },
        id="let in: .latency, .status, .integrationStatus, .principalId, .{contextKey}",
    ),
    pytest.param(
        {"X_Token": "denied"},
        DECIDED
        | {
            "status": "403",
            "authorizer.status": "403",
            "authorizer.error": DENIAL,
            "authorizer.integrationStatus": "200",
            "authorizer.integrationLatency": NUMBER,
            "authorizer.principalId": "somebody",
            "authorize.status": "403",
            "authorize.error": DENIAL,
        },
        id="denied: authorize.error",
    ),
    pytest.param(
        {"X_Token": "raises"},
        DECIDED
        | {
            "status": "500",
            "authorizer.status": "500",
            "authorizer.error": "AUTHORIZER_FAILURE",
            # It has no status: less than a millisecond of it is nothing.
            "authorizer.integrationLatency": r"-|\d+",
            "authorize.status": "500",
            "authorize.error": "AUTHORIZER_FAILURE",
        },
        id="failed: authorizer.error",
    ),
    pytest.param({}, {"status": "401"}, id="not asked: nothing"),
]


@pytest.mark.parametrize(("headers", "expected"), BY_FUNCTION)
async def test_variables_of_an_authorizer(logged: Logged, headers: dict[str, str], expected: dict[str, str]):
    """authorizer.*, authenticate.* and authorize.*, of a Lambda authorizer."""
    logged.serve(route("$connect", mock(""), **CUSTOM), *AUTHORIZER)
    await logged.shake(**headers)
    record = (await logged.records())[0]
    wanted = NOTHING | expected
    wrong = {name: record[name] for name, text in wanted.items() if not re.fullmatch(text, record[name])}
    assert wrong == {}


async def test_an_authorizers_request_id(logged: Logged, monkeypatch: pytest.MonkeyPatch):
    """authorizer.requestId: of the call of the function."""
    function = msgspec.structs.replace(WHO, called="LAMBDA")
    async with lambda_service(monkeypatch) as lambdas:
        answer = json.dumps(RESULTS["good"]).encode()
        lambdas.functions["who"] = lambda_answers(200, answer, **{"x-amzn-RequestId": "id-of-lambda"})
        logged.serve(route("$connect", mock(""), **CUSTOM), "authorizer.requestId", authorizers={"who": function})
        await logged.shake(X_Token="good")
        records = await logged.records()
    assert (records[0]["status"], records[0]["authorizer.requestId"]) == ("200", "id-of-lambda")


BY_SIGNATURE: list[Any] = [
    pytest.param(
        USER,
        {"status": "200", "authenticate.status": "200", "authenticate.latency": NUMBER, "authorize.status": "200"},
        id="authenticate.status, authorize.status",
    ),
    pytest.param(
        OVER,
        {
            "status": "403",
            "authenticate.status": "403",
            "authenticate.latency": NUMBER,
            "authenticate.error": "The security token included in the request is expired",
        },
        id="authenticate.error",
    ),
    pytest.param(
        DENIED,
        {
            "status": "403",
            "authenticate.status": "200",
            "authorize.status": "403",
            "authorize.latency": NUMBER,
            "authorize.error": "Forbidden",
        },
        id="authorize.error",
    ),
]
PHASES = [f"{phase}.{name}" for phase in ("authenticate", "authorize") for name in ("error", "latency", "status")]


@pytest.mark.parametrize(("key", "expected"), BY_SIGNATURE)
async def test_variables_of_authentication(logged: Logged, key: AccessKey, expected: dict[str, str]):
    """authenticate.{error, latency, status}, authorize.{error, latency, status} of AWS_IAM: of what decided."""
    logged.serve(route("$connect", mock(""), **IAM), *PHASES)
    await logged.shake(logged.signed(key))
    record = (await logged.records())[0]
    wanted = dict.fromkeys(PHASES, "-") | expected
    assert {name: record[name] for name, text in wanted.items() if not re.fullmatch(text, record[name])} == {}


IDENTITY = {
    "accountId": ACCOUNT,
    "apiKey": "***",  # ours: a secret
    "apiKeyId": "partner",
    "caller": "AIDA1",
    "cognitoAuthenticationProvider": "-",
    "cognitoAuthenticationType": "-",
    "cognitoIdentityId": "-",
    "cognitoIdentityPoolId": "-",
    "principalOrgId": "o-1",
    "sourceIp": "127.0.0.1",
    "user": "AIDA1",
    "userAgent": "agent/1",
    "userArn": USER.principal,
}


async def test_variables_of_the_identity(logged: Logged):
    """identity.{accountId, apiKey, apiKeyId, caller, …, userArn}, of the handshake and of each message behind it."""
    names = [f"identity.{name}" for name in IDENTITY]
    logged.serve(
        route("$connect", mock(""), **IAM, api_key_required=True),
        *names,
        others=(route("$default", mock("ok"), two_way=True),),
    )
    logged.gateway.app.admit_keys([KEY], [plan()])
    request = logged.signed(USER)
    with_key = altered(request, headers=[*request.headers, ("x-api-key", VALUE), ("User-Agent", "agent/1")])
    await logged.shake(with_key, message="{}")
    connect, message, _ = await logged.records()
    for record in (connect, message):
        assert {name: record[f"identity.{name}"] for name in IDENTITY} == IDENTITY


def blocking(text: str) -> WebAcl:
    statement = {
        "ByteMatchStatement": {
            "FieldToMatch": {"SingleHeader": {"Name": "x-token"}},
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
            "SearchString": text,
            "PositionalConstraint": "CONTAINS",
        }
    }
    rule = {"Name": "it", "Priority": 0, "Statement": statement, "Action": {"Block": {}}}
    return web_acl_of({"Name": "acl", "DefaultAction": {"Allow": {}}, "Rules": [rule]})


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param("good", {"status": "200", "waf.status": "200", "waf.error": "-"}, id="let through"),
        pytest.param("evil", {"status": "403", "waf.status": "403", "waf.error": "Forbidden"}, id="blocked"),
    ],
)
async def test_variables_of_the_web_acl(logged: Logged, token: str, expected: dict[str, str]):
    """waf.{error, latency, status}"""
    stage = {"web_acl": blocking("evil")}
    logged.serve(route("$connect", mock("")), "waf.error", "waf.latency", "waf.status", stage=stage)
    await logged.shake(X_Token=token)
    record = (await logged.records())[0]
    assert {name: record[name] for name in expected} == expected
    assert record["waf.latency"].isdecimal()


# ---- response types

BUCKET = ThrottleSettings(rate_limit=0.001, burst_limit=0)
Shake = Callable[[Logged], Any]


def refused_by(connect: Route, shake: Shake, **members: Any) -> tuple[Route, Shake, dict[str, Any]]:
    return connect, shake, members


def with_token(token: str) -> Shake:
    return lambda logged: logged.shake(X_Token=token)


def signed_by(key: AccessKey) -> Shake:
    return lambda logged: logged.shake(logged.signed(key))


def bare(logged: Logged) -> Any:
    return logged.shake()


def forged(logged: Logged) -> Any:
    return logged.shake(altered(logged.signed(USER), raw_target="/prod?a=1"))


def unsigned(logged: Logged) -> Any:
    return logged.shake(SignedRequest("GET", "/prod", [("Host", HOST)]))


GUARDED, SIGNED = route("$connect", mock(""), **CUSTOM), route("$connect", mock(""), **IAM)
KEYED = route("$connect", mock(""), api_key_required=True)
NEVER = Model(name="Never", schema={"type": "string"})
TYPES: list[Any] = [
    pytest.param("ACCESS_DENIED", 403, *refused_by(GUARDED, with_token("denied")), id="ACCESS_DENIED"),
    pytest.param("UNAUTHORIZED", 401, *refused_by(GUARDED, bare), id="UNAUTHORIZED"),
    pytest.param("AUTHORIZER_FAILURE", 500, *refused_by(GUARDED, with_token("raises")), id="AUTHORIZER_FAILURE"),
    pytest.param(
        "AUTHORIZER_CONFIGURATION_ERROR",
        500,
        *refused_by(GUARDED, with_token("unusable")),
        id="AUTHORIZER_CONFIGURATION_ERROR",
    ),
    pytest.param("MISSING_AUTHENTICATION_TOKEN", 403, *refused_by(SIGNED, unsigned), id="MISSING_AUTHENTICATION_TOKEN"),
    pytest.param("INVALID_SIGNATURE", 403, *refused_by(SIGNED, forged), id="INVALID_SIGNATURE"),
    pytest.param("EXPIRED_TOKEN", 403, *refused_by(SIGNED, signed_by(OVER)), id="EXPIRED_TOKEN"),
    pytest.param("INVALID_API_KEY", 403, *refused_by(KEYED, bare), id="INVALID_API_KEY"),
    pytest.param(
        "QUOTA_EXCEEDED", 429, *refused_by(KEYED, lambda logged: logged.shake(x_api_key=VALUE)), id="QUOTA_EXCEEDED"
    ),
    pytest.param("THROTTLED", 429, *refused_by(route("$connect", mock(""), throttle=BUCKET), bare), id="THROTTLED"),
    pytest.param(
        "WAF_FILTERED",
        403,
        *refused_by(route("$connect", mock("")), with_token("evil"), stage={"web_acl": blocking("evil")}),
        id="WAF_FILTERED",
    ),
    pytest.param(
        "BAD_REQUEST_PARAMETERS",
        400,
        *refused_by(
            route(
                "$connect",
                mock(""),
                request_parameters={"route.request.querystring.room": True},
            ),
            bare,
        ),
        id="BAD_REQUEST_PARAMETERS",
    ),
    pytest.param(
        "INTEGRATION_FAILURE",
        504,
        *refused_by(route("$connect", http("http://127.0.0.1:9/")), bare),
        id="INTEGRATION_FAILURE",
    ),
    pytest.param(
        "API_CONFIGURATION_ERROR",
        500,
        *refused_by(
            route("$connect", Integration(type="MOCK", request_templates={"$default": '{"statusCode":200'})), bare
        ),
        id="API_CONFIGURATION_ERROR",
    ),
]


@pytest.mark.parametrize(("response_type", "status", "connect", "shake", "members"), TYPES)
async def test_each_response_type(
    logged: Logged, response_type: str, status: int, connect: Route, shake: Shake, members: dict[str, Any]
):
    """`$context.error.responseType` of a refused handshake, and its status."""
    logged.serve(connect, "error.responseType", **members)
    logged.gateway.app.admit_keys([KEY], [plan(quota=quota(0))])
    await shake(logged)
    record = (await logged.records())[0]
    assert (record["error.responseType"], record["status"]) == (response_type, str(status))


OF_MESSAGES: list[Any] = [
    pytest.param("ACCESS_DENIED", 403, route("send", mock("")), id="ACCESS_DENIED"),
    pytest.param("THROTTLED", 429, route("$default", mock(""), throttle=BUCKET), id="THROTTLED"),
    pytest.param(
        "BAD_REQUEST_BODY",
        400,
        route(
            "$default",
            mock(""),
            model_selection_expression="$default",
            request_models={"$default": "Never"},
        ),
        id="BAD_REQUEST_BODY",
    ),
    pytest.param("INTEGRATION_FAILURE", 504, route("$default", http("http://127.0.0.1:9/")), id="INTEGRATION_FAILURE"),
    pytest.param(
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        route(
            "$default", Integration(type="HTTP", uri="http://127.0.0.1:9/", method="POST", passthrough_behavior="NEVER")
        ),
        id="UNSUPPORTED_MEDIA_TYPE",
    ),
]


@pytest.mark.parametrize(("response_type", "status", "one"), OF_MESSAGES)
async def test_each_response_type_of_a_message(logged: Logged, response_type: str, status: int, one: Route):
    """`$context.error.responseType` of a message, and the status that its record has."""
    logged.serve(route("$connect", mock("")), "error.responseType", others=(one,), models={"Never": NEVER})
    await logged.shake(message='{"action":"another"}')
    record = (await logged.records())[1]
    assert (record["error.responseType"], record["status"]) == (response_type, str(status))
