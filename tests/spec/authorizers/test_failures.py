"""What callers get when an authorizer does not let them in, of each kind of API, whoever is asked.

Source: developer guide, "Use API Gateway Lambda authorizers" and "Control access to HTTP APIs with AWS Lambda
authorizers"; answers recorded on the service.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from tests.conftest import MakeGateway
from tests.harness.authorizers import PROTOCOLS, Answer, authorizer, call, guarded, hello, policy
from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import Answer as LambdaAnswer
from tests.harness.lambda_endpoint import LambdaEndpoint, Never, raises, refuses, returns
from wsgw.definitions.api import Protocol

TOKEN = "X-Token: t"
DENIED = "User is not authorized to access this resource"
EXPLICIT = " with an explicit deny in an identity-based policy"
IMPLICIT = " because no identity-based policy allows the execute-api:Invoke action"
EVERY_PROTOCOL = pytest.mark.parametrize("protocol", PROTOCOLS)


def refused_with(answer: Answer, protocol: Protocol, status: int, rest: Any, websocket: str, http: str) -> None:
    """The body of a refusal as each kind of API writes it; of a REST API the message alone."""
    assert answer.status == status
    if protocol == "REST":
        assert answer.message == rest
    elif protocol == "HTTP":
        assert answer.body == json.dumps({"message": http}, separators=(",", ":")).encode()
    else:
        assert answer.message == websocket
        assert set(answer.json()) == {"message", "connectionId", "requestId"}


def unauthorized(answer: Answer, protocol: Protocol) -> None:
    refused_with(answer, protocol, 401, "Unauthorized", "Unauthorized", "Unauthorized")
    if protocol == "REST":
        assert answer.headers["x-amzn-errortype"] == "UnauthorizedException"


def failed(answer: Answer, protocol: Protocol) -> None:
    refused_with(answer, protocol, 500, None, "Internal server error", "Internal Server Error")
    if protocol == "REST":
        assert answer.body == b'{"message":null}'
        assert answer.headers["x-amzn-errortype"] == "AuthorizerConfigurationException"


def let_in(answer: Answer, protocol: Protocol) -> None:
    assert answer.status == (101 if protocol == "WEBSOCKET" else 200)


# ---- rows: identity source missing or empty


@EVERY_PROTOCOL
@pytest.mark.parametrize("lines", [(), ("X-Token:",)], ids=["missing", "empty"])
async def test_without_its_identity_source_a_caller_is_unauthorized_and_the_function_not_called(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol, lines: tuple[str, ...]
):
    """Row: token or identity source missing or empty."""
    functions.functions["auth"] = returns(policy())
    gateway.deploy(guarded(authorizer(protocol), protocol), handlers={"hello": hello})
    unauthorized(await call(gateway, protocol, *(line + " " for line in lines)), protocol)
    assert functions.calls == []


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
async def test_an_identity_source_is_wanted_whether_results_are_kept_or_not(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol
):
    functions.functions["auth"] = returns(policy())
    gateway.deploy(guarded(authorizer(protocol, result_ttl=300), protocol), handlers={"hello": hello})
    unauthorized(await call(gateway, protocol), protocol)
    let_in(await call(gateway, protocol, TOKEN), protocol)
    assert len(functions.calls) == 1


@EVERY_PROTOCOL
async def test_without_identity_sources_everybody_is_asked_about(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol
):
    functions.functions["auth"] = returns(policy())
    gateway.deploy(guarded(authorizer(protocol, identity_sources=()), protocol), handlers={"hello": hello})
    let_in(await call(gateway, protocol), protocol)
    assert len(functions.calls) == 1


async def test_without_its_token_a_token_authorizer_is_not_called(gateway: TestGateway, functions: LambdaEndpoint):
    """Row: token missing or empty (TOKEN always)."""
    gateway.deploy(guarded(authorizer("REST", type="TOKEN"), "REST"))
    unauthorized(await call(gateway, "REST"), "REST")
    assert functions.calls == []


@pytest.mark.parametrize(
    ("token", "known"),
    [
        pytest.param("allow-1", True, id="the whole token matches"),
        pytest.param("allow-1x", False, id="something behind it"),
        pytest.param("xallow-1", False, id="something before it"),
        pytest.param("deny", False, id="no match"),
    ],
)
async def test_a_token_that_does_not_match_the_validation_expression_is_unauthorized(
    gateway: TestGateway, functions: LambdaEndpoint, token: str, known: bool
):
    """Row: regex mismatch."""
    functions.functions["auth"] = returns(policy())
    one = authorizer("REST", type="TOKEN", identity_validation_expression="allow-[0-9]+|allow")
    gateway.deploy(guarded(one, "REST"))
    answer = await call(gateway, "REST", f"X-Token: {token}")
    if known:
        let_in(answer, "REST")
    else:
        unauthorized(answer, "REST")
        assert functions.calls == []


# ---- rows: what the function does


@EVERY_PROTOCOL
async def test_a_function_that_says_unauthorized(gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol):
    """Row: function raises error text exactly `Unauthorized`."""
    functions.functions["auth"] = raises("Exception", "Unauthorized")
    gateway.deploy(guarded(authorizer(protocol), protocol), handlers={"hello": hello})
    unauthorized(await call(gateway, protocol, TOKEN), protocol)


FAILURES = [
    pytest.param(raises("Error", "unauthorized"), id="another error: unauthorized in lower case"),
    pytest.param(raises("Error", "Unauthorized: no such user"), id="another error: more text"),
    pytest.param(raises("Unauthorized", "no"), id="another error: by its type"),
    pytest.param(refuses(403, "AccessDeniedException"), id="no permission to invoke"),
    pytest.param(refuses(404, "ResourceNotFoundException"), id="no such function"),
    pytest.param(refuses(429, "TooManyRequestsException"), id="throttled by Lambda"),
    pytest.param(returns("nonsense"), id="invalid: a string"),
    pytest.param(returns(None), id="invalid: null"),
    pytest.param(returns([]), id="invalid: a list"),
    pytest.param(returns({}), id="invalid: nothing in it"),
    pytest.param(returns({"principalId": "p"}), id="invalid: no policy"),
    pytest.param(returns({**policy(), "principalId": 7}), id="invalid: principalId is a number"),
    pytest.param(returns(policy("Maybe")), id="invalid: no such effect"),
    pytest.param(returns(policy(resource=[])), id="invalid: no resource"),
    pytest.param(returns(policy(resource="x" * 513)), id="invalid: Resource of more than 512 characters"),
    pytest.param(returns(policy(context=["a"])), id="invalid: context is a list"),
    pytest.param(returns(policy(usageIdentifierKey=7)), id="invalid: usageIdentifierKey is a number"),
    pytest.param(returns(policy(expiresAt="soon")), id="invalid: expiresAt is text"),
    pytest.param(returns(policy(context={"pad": "x" * 9000})), id="invalid: more than 8 KB"),
]


@EVERY_PROTOCOL
@pytest.mark.parametrize("function", FAILURES)
async def test_a_function_that_fails_lets_nobody_in(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol, function: Any
):
    """Rows: other error, invalid structure, no permission to invoke."""
    functions.functions["auth"] = function
    gateway.deploy(guarded(authorizer(protocol), protocol), handlers={"hello": hello})
    failed(await call(gateway, protocol, TOKEN), protocol)


@pytest.mark.parametrize("protocol", ["REST", "WEBSOCKET"])
@pytest.mark.parametrize("value", [{"a": 1}, ["a"]], ids=["object", "array"])
async def test_context_values_are_strings_numbers_and_booleans(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol, value: Any
):
    """Row: context values: nested objects and arrays make the authorizer fail."""
    functions.functions["auth"] = returns(policy(context={"key": value}))
    gateway.deploy(guarded(authorizer(protocol), protocol))
    failed(await call(gateway, protocol, TOKEN), protocol)


@EVERY_PROTOCOL
async def test_a_function_that_takes_too_long(gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol):
    """Row: times out."""
    functions.functions["auth"] = returns(policy())
    gateway.deploy(guarded(authorizer(protocol), protocol), handlers={"hello": hello})
    let_in(await call(gateway, protocol, TOKEN), protocol)  # from here on the SDK is there
    functions.functions["auth"] = never = Never()
    gateway.deploy(guarded(authorizer(protocol, timeout_ms=200), protocol), handlers={"hello": hello})
    # On a busy machine the time may be over before the function has heard of the call.
    while not never.started.is_set():
        failed(await call(gateway, protocol, TOKEN), protocol)


@EVERY_PROTOCOL
async def test_a_policy_that_denies(gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol):
    """Row: policy has an explicit Deny."""
    functions.functions["auth"] = returns(policy("Deny"))
    gateway.deploy(guarded(authorizer(protocol), protocol), handlers={"hello": hello})
    answer = await call(gateway, protocol, TOKEN)
    refused_with(answer, protocol, 403, f"{DENIED} with an explicit deny", DENIED + EXPLICIT, "Forbidden")


@EVERY_PROTOCOL
async def test_a_policy_that_does_not_cover_what_is_asked_for(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol
):
    """Row: policy allows nothing matching."""
    functions.functions["auth"] = returns(policy(resource="arn:aws:execute-api:us-east-1:1:other/*"))
    gateway.deploy(guarded(authorizer(protocol), protocol), handlers={"hello": hello})
    answer = await call(gateway, protocol, TOKEN)
    refused_with(answer, protocol, 403, DENIED, DENIED + IMPLICIT, "Forbidden")


@pytest.mark.parametrize(
    ("protocol", "version", "name", "key"),
    [
        ("REST", "1.0", "methodArn", "GET /a"),
        ("REST", "1.0", "methodArn", "ANY /{proxy+}"),
        ("WEBSOCKET", "1.0", "methodArn", ""),
        ("HTTP", "1.0", "methodArn", "GET /{id}"),
        ("HTTP", "2.0", "routeArn", "ANY /a"),
        ("HTTP", "2.0", "routeArn", "$default"),
    ],
)
async def test_a_policy_for_the_arn_that_was_told_lets_in(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol, version: Any, name: str, key: str
):
    async def echo(event: Any) -> LambdaAnswer:
        return LambdaAnswer(200, json.dumps(policy(resource=event[name])).encode())

    functions.functions["auth"] = echo
    one = authorizer(protocol, payload_format_version=version)
    gateway.deploy(guarded(one, protocol, key), handlers={"hello": hello})
    let_in(await call(gateway, protocol, TOKEN), protocol)


# ---- simple responses


@pytest.mark.parametrize(
    ("result", "status"),
    [
        pytest.param({"isAuthorized": True}, 200, id="yes"),
        pytest.param({"isAuthorized": False}, 403, id="isAuthorized false"),
        pytest.param({"isAuthorized": "true"}, 500, id="invalid: text"),
        pytest.param({}, 500, id="invalid: missing"),
        pytest.param(policy(), 500, id="invalid: a policy"),
    ],
)
async def test_simple_responses(gateway: TestGateway, functions: LambdaEndpoint, result: Any, status: int):
    """Rows: isAuthorized false; invalid output."""
    functions.functions["auth"] = returns(result)
    one = authorizer("HTTP", payload_format_version="2.0", simple_responses=True)
    gateway.deploy(guarded(one, "HTTP"), handlers={"hello": hello})
    answer = await call(gateway, "HTTP", TOKEN)
    assert answer.status == status
    if status == 403:
        assert answer.body == b'{"message":"Forbidden"}'


# ---- the same by an HTTP endpoint, and by a Python function (ours)


@EVERY_PROTOCOL
@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        pytest.param(200, json.dumps(policy()), "let in", id="200 with a policy"),
        pytest.param(401, "", "unauthorized", id="401"),
        pytest.param(403, "", "denied", id="403"),
        pytest.param(500, json.dumps(policy()), "failed", id="500"),
        pytest.param(204, "", "failed", id="204"),
        pytest.param(302, json.dumps(policy()), "failed", id="302 is not followed"),
        pytest.param(200, "", "failed", id="200 and nothing"),
        pytest.param(200, "null", "failed", id="200 with null"),
        pytest.param(200, "<html>", "failed", id="200 without JSON"),
    ],
)
async def test_an_endpoint_is_asked(
    gateway: TestGateway, backend: Backend, protocol: Protocol, status: int, body: str, outcome: str
):
    backend.on("/auth", status, body, {"Location": "/other"} if status == 302 else None)
    one = authorizer(protocol, f"{backend.url}/auth")
    gateway.deploy(guarded(one, protocol), handlers={"hello": hello})
    answer = await call(gateway, protocol, TOKEN)
    if outcome == "let in":
        let_in(answer, protocol)
    elif outcome == "unauthorized":
        unauthorized(answer, protocol)
    elif outcome == "denied":
        refused_with(answer, protocol, 403, DENIED + " with an explicit deny", DENIED + EXPLICIT, "Forbidden")
    else:
        failed(answer, protocol)
    (asked,) = backend.requests
    assert (asked.method, asked.path, asked.header("content-type")) == ("POST", "/auth", "application/json")
    event = json.loads(asked.body)
    assert event["type"] == "REQUEST"
    assert {name.lower() for name in event["headers"]} >= {"x-token"}


@EVERY_PROTOCOL
async def test_an_endpoint_that_is_not_there(gateway: TestGateway, protocol: Protocol):
    gateway.deploy(guarded(authorizer(protocol, "http://127.0.0.1:9/auth"), protocol), handlers={"hello": hello})
    failed(await call(gateway, protocol, TOKEN), protocol)


@EVERY_PROTOCOL
async def test_an_endpoint_where_the_gateway_may_not_go(
    make_gateway: MakeGateway, backend: Backend, protocol: Protocol
):
    gateway = await make_gateway(egress_deny=("127.0.0.0/8", "::1"))
    gateway.deploy(guarded(authorizer(protocol, f"{backend.url}/auth"), protocol), handlers={"hello": hello})
    failed(await call(gateway, protocol, TOKEN), protocol)
    assert backend.requests == []


@EVERY_PROTOCOL
async def test_an_endpoint_that_takes_too_long(gateway: TestGateway, backend: Backend, protocol: Protocol):
    """Row: times out."""
    never = Never()

    async def answer(_request: Any) -> web.Response:
        await never(None)
        raise AssertionError

    backend.answer("/auth", answer)
    one = authorizer(protocol, f"{backend.url}/auth", timeout_ms=60)
    gateway.deploy(guarded(one, protocol), handlers={"hello": hello})
    failed(await call(gateway, protocol, TOKEN), protocol)


def python(result: Any) -> Any:
    async def authorize(event: Any, context: Any) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    return authorize


def plain(result: Any) -> Any:
    def authorize(event: Any, context: Any) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    return authorize


@EVERY_PROTOCOL
@pytest.mark.parametrize("kind", [python, plain])
@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        pytest.param(policy(), "let in", id="a policy"),
        pytest.param(Exception("Unauthorized"), "unauthorized", id="raises Unauthorized"),
        pytest.param(ValueError("no"), "failed", id="raises something else"),
        pytest.param(None, "failed", id="gives nothing"),
        pytest.param({"principalId": {1}}, "failed", id="gives what has no JSON form"),
    ],
)
async def test_a_python_function_is_asked(
    gateway: TestGateway, protocol: Protocol, kind: Any, result: Any, outcome: str, caplog: pytest.LogCaptureFixture
):
    one = authorizer(protocol, "authorize", called="PYTHON")
    gateway.deploy(guarded(one, protocol), handlers={"hello": hello, "authorize": kind(result)})
    answer = await call(gateway, protocol, TOKEN)
    {"let in": let_in, "unauthorized": unauthorized, "failed": failed}[outcome](answer, protocol)
    assert ("failed: request=" in caplog.text) is isinstance(result, ValueError)


@EVERY_PROTOCOL
async def test_a_result_that_is_over_lets_nobody_in(
    gateway: TestGateway, functions: LambdaEndpoint, protocol: Protocol
):
    """Ours: expiresAt, in epoch seconds."""
    functions.functions["auth"] = returns(policy(expiresAt=gateway.clock.wall_ms() / 1000 - 1))
    gateway.deploy(guarded(authorizer(protocol), protocol), handlers={"hello": hello})
    unauthorized(await call(gateway, protocol, TOKEN), protocol)
    functions.functions["auth"] = returns(policy(expiresAt=gateway.clock.wall_ms() / 1000 + 100))
    let_in(await call(gateway, protocol, TOKEN), protocol)
