"""Lambda authorizers of REST APIs: what definitions, inputs and results may have, and what callers get.

Source: developer guide, "Use API Gateway Lambda authorizers"; answers recorded on the service. Rows that all kinds of
API share are in tests/spec/authorizers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.conftest import MakeGateway
from tests.harness.authorizers import authorizer, call, guarded, policy
from tests.harness.gateway import TestGateway
from tests.harness.lambda_endpoint import LambdaEndpoint, Never, raises, refuses, returns
from tests.harness.pace import SLOWER
from tests.harness.raw_websocket import Response
from tests.harness.rest_api import answers, ask, method, mock, rest_api
from tests.harness.signed_requests import document, said, statement
from tests.harness.usage import KEY, VALUE, plan
from wsgw.definitions.api import Api, Stage
from wsgw.definitions.authorizer import Authorizer
from wsgw.definitions.check import check
from wsgw.definitions.freeze_access import authorizer_of_v1
from wsgw.definitions.route import Route

ARN = "arn:aws:execute-api:us-east-1:000000000000:pets/dev"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:auth"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
UNAUTHORIZED = (401, "UnauthorizedException", {"message": "Unauthorized"})
FAILED = (500, "AuthorizerConfigurationException", {"message": None})
ASKED: dict[str, Any] = {"authorization_type": "CUSTOM", "authorizer": "who"}


def declared(kind: str = "TOKEN", **members: Any) -> Authorizer:
    """An authorizer as GetAuthorizer gives it."""
    return authorizer_of_v1({"id": "who", "name": "who", "type": kind, "authorizerUri": URI, **members})


def behind(one: Authorizer, *routes: Route, **members: Any) -> Api:
    return rest_api(
        *(msgspec.structs.replace(route, **ASKED) for route in routes or (mock("GET /a"), mock("GET /b"))),
        authorizers={one.id: one},
        **members,
    )


class Auth:
    """The function, as the Lambda service runs it. `result` may be a function of the event."""

    def __init__(self, functions: LambdaEndpoint) -> None:
        self.functions = functions
        self.answer(policy())

    def answer(self, result: Any) -> None:
        for name in ("auth", FUNCTION):
            self.functions.functions[name] = returns(result)

    def does(self, function: Any) -> None:
        for name in ("auth", FUNCTION):
            self.functions.functions[name] = function

    @property
    def calls(self) -> int:
        return len(self.functions.calls)

    @property
    def event(self) -> Any:
        return self.functions.calls[-1].event


@pytest.fixture
def auth(functions: LambdaEndpoint) -> Auth:
    return Auth(functions)


async def get(gateway: TestGateway, path: str = "/a", *lines: str) -> Response:
    return await ask(gateway, "GET", path, *lines)


# ---- definition


async def test_the_identity_source_of_token_is_the_header_authorization_by_default(gateway: TestGateway, auth: Auth):
    """Row: identitySource, TOKEN: one header, default Authorization. Row: authorizerUri, the invocation ARN."""
    gateway.deploy(behind(declared()))
    assert said(await get(gateway)) == UNAUTHORIZED
    assert (await get(gateway, "/a", "Authorization: abc")).status == 200
    assert auth.event["authorizationToken"] == "abc"


async def test_the_identity_source_of_token_may_be_another_header(gateway: TestGateway, auth: Auth):
    """Row: identitySource, TOKEN: method.request.header.NAME."""
    gateway.deploy(behind(declared(identitySource="method.request.header.X-Own")))
    assert said(await get(gateway, "/a", "Authorization: abc")) == UNAUTHORIZED
    assert (await get(gateway, "/a", "x-own: abc")).status == 200
    assert auth.event["authorizationToken"] == "abc"


SOURCES = [
    pytest.param("method.request.header.X-Own", "/a", ("X-Own: 1",), id="method.request.header.X"),
    pytest.param("method.request.querystring.q", "/a?q=1", (), id="method.request.querystring.X"),
    pytest.param("stageVariables.tier", "/a", (), id="stageVariables.X"),
    pytest.param("context.identity.userAgent", "/a", ("User-Agent: a",), id="context.X"),
    pytest.param(
        "method.request.header.X-Own, method.request.querystring.q", "/a?q=1", ("X-Own: 1",), id="comma list of them"
    ),
]
LACKING = [source for source in SOURCES if "stageVariables" not in str(source.id)]


@pytest.mark.parametrize(("source", "path", "lines"), SOURCES)
async def test_an_identity_source_of_request(
    gateway: TestGateway, auth: Auth, source: str, path: str, lines: tuple[str, ...]
):
    """Row: identitySource, REQUEST."""
    gateway.deploy(behind(declared("REQUEST", identitySource=source), stage=Stage(name="dev", variables={"tier": "a"})))
    for _ in range(2):
        assert (await get(gateway, path, *lines)).status == 200
    assert auth.calls == 1  # the result was kept under its value


@pytest.mark.parametrize(("source", "path", "lines"), LACKING)
async def test_an_identity_source_of_request_that_is_missing(
    gateway: TestGateway, auth: Auth, source: str, path: str, lines: tuple[str, ...]
):
    """Row: identity source missing or empty: 401, function not called."""
    gateway.deploy(behind(declared("REQUEST", identitySource=source)))
    assert said(await get(gateway)) == UNAUTHORIZED
    assert auth.calls == 0


def findings(one: Authorizer, **members: Any) -> list[str]:
    return [finding.message for finding in check(behind(one, **members)) if finding.severity == "error"]


def test_request_needs_an_identity_source_where_results_are_kept():
    """Row: identitySource, REQUEST: required if caching is on."""
    assert findings(declared("REQUEST")) != []
    assert findings(declared("REQUEST", authorizerResultTtlInSeconds=0)) == []


async def test_the_validation_expression_is_over_the_whole_token(gateway: TestGateway, auth: Auth):
    """Row: identityValidationExpression: failure is 401 without calling the function."""
    gateway.deploy(behind(declared(identityValidationExpression="Bearer [a-z]+")))
    for token in ("Bearer 1", "Bearer a1", "xBearer a", "bearer a"):
        assert said(await get(gateway, "/a", f"Authorization: {token}")) == UNAUTHORIZED
    assert auth.calls == 0
    assert (await get(gateway, "/a", "Authorization: Bearer a")).status == 200


async def test_the_validation_expression_is_not_used_by_request(gateway: TestGateway, auth: Auth):
    """Row: identityValidationExpression, REQUEST: not used."""
    source = "method.request.header.Authorization"
    gateway.deploy(behind(declared("REQUEST", identitySource=source, identityValidationExpression="never")))
    assert (await get(gateway, "/a", "Authorization: abc")).status == 200


TTL = [
    pytest.param({}, 299, 1, id="default 300: kept"),
    pytest.param({}, 301, 2, id="default 300: over"),
    pytest.param({"authorizerResultTtlInSeconds": 0}, 0, 2, id="0 disables"),
    pytest.param({"authorizerResultTtlInSeconds": 3600}, 3599, 1, id="most 3600"),
]


@pytest.mark.parametrize(("members", "seconds", "calls"), TTL)
async def test_results_are_kept(gateway: TestGateway, auth: Auth, members: dict[str, Any], seconds: int, calls: int):
    """Row: authorizerResultTtlInSeconds."""
    gateway.deploy(behind(declared(**members)))
    assert (await get(gateway, "/a", "Authorization: t")).status == 200
    gateway.advance(seconds)
    assert (await get(gateway, "/a", "Authorization: t")).status == 200
    assert auth.calls == calls


def test_results_are_kept_for_an_hour_at_most():
    """Row: authorizerResultTtlInSeconds: max 3600."""
    assert findings(declared(authorizerResultTtlInSeconds=3600)) == []
    assert findings(declared(authorizerResultTtlInSeconds=3601)) != []


@pytest.mark.parametrize("kind", ["CUSTOM", "COGNITO_USER_POOLS"])
def test_a_method_without_its_authorizer_is_an_error_in_the_services_words(kind: str):
    """CUSTOM or COGNITO_USER_POOLS without a valid authorizerId."""
    one = rest_api(msgspec.structs.replace(mock("GET /a"), authorization_type=kind))
    (finding,) = [finding for finding in check(one) if finding.severity == "error"]
    assert finding.message == (
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a "
        "valid authorizer."
    )


# ---- input


async def test_the_input_of_token(gateway: TestGateway, auth: Auth):
    """TOKEN: type, authorizationToken, methodArn, and nothing else."""
    gateway.deploy(behind(declared(), mock("POST /a/{id}")))
    await ask(gateway, "POST", "/a/7?q=1", "Authorization: Bearer t")
    assert auth.event == {"type": "TOKEN", "authorizationToken": "Bearer t", "methodArn": f"{ARN}/POST/a/7"}


async def test_the_input_of_request(gateway: TestGateway, auth: Auth):
    """REQUEST: its members, requestContext as in the proxy event, no body."""
    source = "method.request.header.X-Own"
    one = declared("REQUEST", identitySource=source)
    gateway.deploy(behind(one, mock("POST /a/{id}"), stage=Stage(name="dev", variables={"tier": "gold"})))
    await ask(gateway, "POST", "/a/7?q=1&q=2", "X-Own: 1", body=b'{"a": 1}')
    event = auth.event
    context, headers = event.pop("requestContext"), event.pop("headers")
    assert event.pop("multiValueHeaders")["X-Own"] == ["1"]
    assert headers["X-Own"] == "1"
    assert event == {
        "type": "REQUEST",
        "methodArn": f"{ARN}/POST/a/7",
        "resource": "/a/{id}",
        "path": "/a/7",
        "httpMethod": "POST",
        "queryStringParameters": {"q": "2"},
        "multiValueQueryStringParameters": {"q": ["1", "2"]},
        "pathParameters": {"id": "7"},
        "stageVariables": {"tier": "gold"},
    }
    assert (context["resourcePath"], context["httpMethod"], context["stage"]) == ("/a/{id}", "POST", "dev")


# ---- output


CONTEXT = {"text": "value", "number": 1, "float": 1.5, "boolean": True}
TEXTS = {"text": "value", "number": "1", "float": "1.5", "boolean": "true"}


async def test_context_reaches_templates_and_proxy_events_as_strings(gateway: TestGateway, auth: Auth):
    """Row: they reach templates as strings; the proxy event gives them as strings too."""
    auth.answer(policy(context=CONTEXT))
    auth.functions.functions["f"] = returns({"statusCode": 200})
    template = "".join(f"$context.authorizer.{name} " for name in TEXTS)
    gateway.deploy(behind(declared(), mock("GET /a", answers(template=template)), method("GET /b", "AWS_PROXY", "f")))
    response = await get(gateway, "/a", "Authorization: t")
    assert response.body.decode().split() == list(TEXTS.values())
    await get(gateway, "/b", "Authorization: t")
    shown = auth.event["requestContext"]["authorizer"]
    assert {name: shown[name] for name in ("principalId", *TEXTS)} == {"principalId": "somebody", **TEXTS}


OUTPUT = [
    pytest.param(policy(context=CONTEXT), 200, id="context values: string, number, boolean"),
    pytest.param(policy(context={"a": {"b": 1}}), 500, id="context values: nested object"),
    pytest.param(policy(context={"a": ["b"]}), 500, id="context values: array"),
    pytest.param(policy(resource=f"{ARN}/*".ljust(512, "*")), 200, id="Resource of 512 characters"),
    pytest.param(policy(resource=f"{ARN}/*".ljust(513, "*")), 500, id="Resource of 513 characters"),
    pytest.param(policy(context={"pad": "x" * 7_900}), 200, id="total result below 8 KB"),
    pytest.param(policy(context={"pad": "x" * 8_200}), 500, id="total result above 8 KB (unconfirmed)"),
]


@pytest.mark.parametrize(("result", "status"), OUTPUT)
async def test_what_a_result_may_have(gateway: TestGateway, auth: Auth, result: Any, status: int):
    """Output: its limits."""
    auth.answer(result)
    gateway.deploy(behind(declared()))
    response = await get(gateway, "/a", "Authorization: t")
    assert response.status == status
    if status == 500:
        assert said(response) == FAILED


async def test_the_key_of_a_caller_is_what_the_function_says(gateway: TestGateway, auth: Auth):
    """Row: usageIdentifierKey is needed when apiKeySource is AUTHORIZER."""
    keyed = msgspec.structs.replace(mock("GET /a"), api_key_required=True)
    gateway.deploy(behind(declared(authorizerResultTtlInSeconds=0), keyed, api_key_source="AUTHORIZER"))
    gateway.app.admit_keys([KEY], [plan()])
    lines = ("Authorization: t", f"X-API-Key: {VALUE}")
    assert said(await get(gateway, "/a", *lines)) == (403, "ForbiddenException", {"message": "Forbidden"})
    auth.answer(policy(usageIdentifierKey=VALUE))
    assert (await get(gateway, "/a", "Authorization: t")).status == 200


async def test_a_result_is_kept_for_its_authorizer_and_stage(gateway: TestGateway, auth: Auth):
    """Row: result cached per (authorizer, stage) under the token."""
    one, other = declared(), msgspec.structs.replace(declared(), id="other", name="other")
    routes = [
        msgspec.structs.replace(mock("GET /a"), **ASKED),
        msgspec.structs.replace(mock("GET /b"), **{**ASKED, "authorizer": "other"}),
    ]
    api = rest_api(*routes, authorizers={"who": one, "other": other})
    gateway.deploy(msgspec.structs.replace(api, stages={name: Stage(name=name) for name in ("dev", "prod")}))
    calls = []
    for path, token, stage in (
        ("/a", "t", "dev"),
        ("/a", "t", "dev"),
        ("/b", "t", "dev"),
        ("/a", "t", "prod"),
        ("/a", "u", "dev"),
    ):
        before = auth.calls
        assert (await ask(gateway, "GET", path, f"Authorization: {token}", stage=stage)).status == 200
        calls.append(auth.calls - before)
    assert calls == [1, 0, 1, 1, 1]


async def test_a_policy_that_is_kept_must_cover_all_methods(gateway: TestGateway, auth: Auth):
    """Row: the cached policy is evaluated for every method, so it must cover all of them."""
    auth.answer(policy(resource=f"{ARN}/GET/a"))
    gateway.deploy(behind(declared()))
    assert [(await get(gateway, path, "Authorization: t")).status for path in ("/a", "/b", "/a")] == [200, 403, 200]
    assert auth.calls == 1


# ---- failures


def nothing(auth: Auth) -> None:
    """It answers as it always does."""


FAILURES: dict[str, tuple[Callable[[Auth], None], str | None, tuple[int, str, Any], int]] = {
    "token missing": (nothing, None, UNAUTHORIZED, 0),
    "token empty": (nothing, "", UNAUTHORIZED, 0),
    "regex mismatch": (nothing, "other", UNAUTHORIZED, 0),
    "function raises error text exactly Unauthorized": (
        lambda auth: auth.does(raises("Error", "Unauthorized")),
        "token",
        UNAUTHORIZED,
        1,
    ),
    "function raises other error": (lambda auth: auth.does(raises("Error", "no")), "token", FAILED, 1),
    "function times out": (lambda auth: auth.does(Never()), "token", FAILED, 1),
    "function returns invalid structure": (lambda auth: auth.answer({"principalId": "a"}), "token", FAILED, 1),
    "no permission to invoke": (lambda auth: auth.does(refuses(403, "AccessDeniedException")), "token", FAILED, 1),
}


@pytest.mark.parametrize("row", FAILURES)
async def test_a_row_of_the_table_of_failures(
    make_gateway: MakeGateway, functions: LambdaEndpoint, tmp_path: Path, row: str
):
    """The answer, whether the function is called, and access-log authorizer fields; bodies of 500 (unconfirmed)."""
    auth = Auth(functions)
    prepare, token, answer, calls = FAILURES[row]
    prepare(auth)
    gateway = await make_gateway(access_log=str(tmp_path / "access.log"))
    # The SDK's import has begun with the deployment; what is left of it is in the authorizer's time.
    timeout_ms = 1_500 * SLOWER if row == "function times out" else 20_000
    one = msgspec.structs.replace(declared(identityValidationExpression="token"), timeout_ms=timeout_ms)
    stage = Stage(name="dev", access_log_format="$context.authorizer.status $context.requestId")
    gateway.deploy(behind(one, stage=stage))
    lines = () if token is None else (f"Authorization: {token}",)
    assert said(await get(gateway, "/a", *lines)) == answer
    assert auth.calls == calls
    await gateway.stop()
    status, _ = (tmp_path / "access.log").read_text().split()
    assert status == (str(answer[0]) if calls else "-")


DENIED = [
    pytest.param(document(statement("Deny")), " with an explicit deny", id="denies"),
    pytest.param(document(statement(resource=f"{ARN}/POST/*")), "", id="does not cover the method"),
]


@pytest.mark.parametrize(("decides", "suffix"), DENIED)
async def test_row_policy_denies_or_does_not_cover_the_method(
    gateway: TestGateway, auth: Auth, decides: Any, suffix: str
):
    """Row: 403, Message; the newer suffix is unconfirmed."""
    auth.answer({"principalId": "ann", "policyDocument": decides})
    gateway.deploy(behind(declared()))
    message = f"User is not authorized to access this resource{suffix}"
    assert said(await get(gateway, "/a", "Authorization: t")) == (403, "AccessDeniedException", {"Message": message})


async def test_results_that_are_kept_can_be_flushed(gateway: TestGateway, auth: Auth):
    """FlushStageAuthorizersCache empties the cache."""
    gateway.deploy(guarded(authorizer("REST", result_ttl=300), "REST"))
    await call(gateway, "REST", "X-Token: t")
    url = f"{gateway.control}/restapis/pets/stages/dev/cache/authorizers"
    async with aiohttp.ClientSession() as session, session.delete(url) as response:
        assert (response.status, await response.read()) == (202, b"")
    await call(gateway, "REST", "X-Token: t")
    assert auth.calls == 2
