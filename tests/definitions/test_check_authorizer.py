"""What is said about authorizers that cannot, or should not, be asked: one row a kind of finding."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse

TOKEN = {"type": "TOKEN", "uri": "lambda:f"}
REQUEST = {"type": "REQUEST", "uri": "lambda:f", "resultTtlInSeconds": 0}
JWT = {"type": "JWT", "issuer": "https://issuer.example", "audience": "shop"}
POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEf"
COGNITO = {"type": "COGNITO_USER_POOLS", "providerARNs": [POOL]}
ROUTES = {"REST": "GET /a", "HTTP": "GET /a", "WEBSOCKET": "$connect"}


def findings_of(protocol: str, authorizers: dict[str, Any], **members: Any) -> list[str]:
    """The findings about the authorizers of an API, without their common beginning."""
    members.setdefault("routes", {ROUTES[protocol]: "http://h"})
    if protocol == "WEBSOCKET":
        members["routeSelectionExpression"] = "$request.body.action"
    api = {"protocol": protocol, "authorizers": authorizers, **members}
    parsed = parse(orjson.dumps({"apis": {"c": api}}), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    return [str(one).replace(": apis.c.authorizers", ": ") for one in check(freeze(parsed.documents[0]))]


def of_one(protocol: str, **authorizer: Any) -> list[str]:
    return [one.replace(": .a.", ": ") for one in findings_of(protocol, {"a": authorizer})]


SOUND = [
    ("REST", TOKEN),
    ("REST", {**TOKEN, "identitySource": "method.request.header.x-token", "identityValidationExpression": "x"}),
    ("REST", {**TOKEN, "uri": "arn:aws:lambda:us-east-1:1:function:f"}),
    (
        "REST",
        {
            **TOKEN,
            "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:a:1:function:f"
            "/invocations",
        },
    ),
    ("REST", {**TOKEN, "uri": "https://auth.example/verify"}),
    ("REST", {**TOKEN, "uri": "python:auth.tokens:verify"}),
    ("REST", REQUEST),
    (
        "REST",
        {
            **REQUEST,
            "resultTtlInSeconds": 3600,
            "identitySource": "method.request.header.a,method.request.querystring.b,stageVariables.c,context.path",
        },
    ),
    ("REST", COGNITO),
    ("HTTP", JWT),
    ("HTTP", {**JWT, "identitySource": "$request.querystring.access_token"}),
    ("HTTP", {**JWT, "audience": [f"a{n}" for n in range(50)]}),
    ("HTTP", {**JWT, "jwksUri": "file:keys.json"}),
    ("HTTP", {**JWT, "jwksUri": "file:keys.json", "issuer": "accounts.example"}),
    ("HTTP", {**JWT, "jwksUri": "http://127.0.0.1:9000/keys"}),
    ("HTTP", REQUEST),
    ("HTTP", {**REQUEST, "enableSimpleResponses": True}),
    (
        "HTTP",
        {
            **REQUEST,
            "resultTtlInSeconds": 60,
            "identitySource": [
                "$request.header.a",
                "$request.querystring.b",
                "$context.routeKey",
                "$stageVariables.c",
            ],
        },
    ),
    (
        "WEBSOCKET",
        {
            **REQUEST,
            "identitySource": [
                "route.request.header.a",
                "route.request.querystring.b",
                "stageVariables.c",
                "context.connectionId",
            ],
        },
    ),
]


@pytest.mark.parametrize(("protocol", "authorizer"), SOUND, ids=str)
def test_a_sound_authorizer_has_no_findings(protocol, authorizer):
    assert of_one(protocol, **authorizer) == []


OURS = "warning: type: API Gateway has no JWT authorizers for WebSocket APIs; this gateway does"
HTTP_FORM = "$request.header.NAME, $request.querystring.NAME, $stageVariables.NAME or $context.NAME"
REST_FORM = "method.request.header.NAME, method.request.querystring.NAME, stageVariables.NAME or context.NAME"
SOCKET_FORM = "route.request.header.NAME, route.request.querystring.NAME, stageVariables.NAME or context.NAME"
NO_SOURCE = "not an identity source of a"

WRONG: list[tuple[str, dict[str, Any], str]] = [
    # ---- types
    (
        "REST",
        {"type": "JWT"},
        "error: type: a REST API has no JWT authorizers (use TOKEN or REQUEST or COGNITO_USER_POOLS)",
    ),
    ("HTTP", TOKEN, "error: type: an HTTP API has no TOKEN authorizers (use REQUEST or JWT)"),
    (
        "HTTP",
        {"type": "COGNITO_USER_POOLS"},
        "error: type: an HTTP API has no COGNITO_USER_POOLS authorizers (use REQUEST or JWT)",
    ),
    ("WEBSOCKET", TOKEN, "error: type: a WebSocket API has no TOKEN authorizers (use REQUEST or JWT)"),
    ("WEBSOCKET", JWT, OURS),
    # ---- what is called
    (
        "REST",
        {"type": "TOKEN"},
        "error: uri: it says what is asked about callers, and is missing (add it, as lambda:NAME, https://HOST/PATH or "
        "python:MODULE:FUNCTION)",
    ),
    (
        "REST",
        {**TOKEN, "uri": "lambda:a b"},
        "error: uri: not a Lambda function (write lambda:NAME or its ARN, https://HOST/PATH or python:MODULE:FUNCTION)",
    ),
    (
        "REST",
        {**TOKEN, "uri": "python:auth"},
        "error: uri: not a Python function (write python:MODULE:FUNCTION, as python:chat.auth:verify)",
    ),
    (
        "REST",
        {**TOKEN, "uri": "https://"},
        "error: uri: not a URL that can be called (write http://HOST/PATH or https://HOST/PATH)",
    ),
    (
        "HTTP",
        {**REQUEST, "enableSimpleResponses": True, "payloadFormatVersion": "1.0"},
        "error: enableSimpleResponses: only functions of HTTP APIs that get payload 2.0 may answer so (write "
        "authorizerPayloadFormatVersion: '2.0')",
    ),
    (
        "WEBSOCKET",
        {**REQUEST, "identitySource": "context.connectionId", "enableSimpleResponses": True},
        "error: enableSimpleResponses: only functions of HTTP APIs that get payload 2.0 may answer so (remove it)",
    ),
    (
        "WEBSOCKET",
        {**REQUEST, "identitySource": "context.connectionId", "payloadFormatVersion": "2.0"},
        "warning: payloadFormatVersion: only HTTP APIs have payload formats: this has no effect (remove it)",
    ),
    # ---- whose tokens
    (
        "HTTP",
        {"type": "JWT", "audience": "a"},
        "error: issuer: it says whose tokens are taken, and is missing (add it, as https://HOST/PATH)",
    ),
    (
        "HTTP",
        {**JWT, "issuer": "issuer.example"},
        "error: issuer: not a URL that an issuer can have (write https://HOST/PATH)",
    ),
    (
        "HTTP",
        {**JWT, "issuer": "https://[::1"},
        "error: issuer: not a URL that an issuer can have (write https://HOST/PATH)",
    ),
    (
        "HTTP",
        {**JWT, "issuer": "http://issuer.example"},
        "error: issuer: keys that come over plain HTTP could be anybody's (use https://)",
    ),
    *(
        (
            "HTTP",
            {**JWT, "issuer": f"http://{host}:9000/realm"},
            "warning: issuer: API Gateway takes https:// alone; this is for trying things out",
        )
        for host in ("localhost", "127.0.0.2", "[::1]", "a.localhost")
    ),
    (
        "HTTP",
        {"type": "JWT", "issuer": "https://issuer.example"},
        "error: audience: without an audience a token for any other service would do (name one, or up to 50)",
    ),
    (
        "HTTP",
        {**JWT, "audience": [f"a{n}" for n in range(51)]},
        "error: audience: more than 50 audiences (remove some)",
    ),
    ("HTTP", {**JWT, "audience": ["a", ""]}, "error: audience: an empty audience (fill it in, or remove it)"),
    (
        "HTTP",
        {**JWT, "jwksUri": "http://keys.example/"},
        "error: jwksUri: keys that come over plain HTTP could be anybody's (use https://, or file:keys.json)",
    ),
    (
        "HTTP",
        {**JWT, "jwksUri": "https://"},
        "error: jwksUri: not a place where keys can be (write https://HOST/PATH or file:keys.json)",
    ),
    (
        "HTTP",
        {**JWT, "jwksUri": "keys.json"},
        "error: jwksUri: not a place where keys can be (write https://HOST/PATH or file:keys.json)",
    ),
    (
        "HTTP",
        {**REQUEST, "jwksUri": "file:keys.json"},
        "warning: jwksUri: a REQUEST authorizer does not look at it (remove it)",
    ),
    (
        "REST",
        {**TOKEN, "authorizerCredentials": "arn:aws:iam::123456789012:role/r"},
        "warning: authorizerCredentials: functions are called with the gateway's own credentials: this has no effect "
        "(remove it)",
    ),
    (
        "REST",
        {"type": "COGNITO_USER_POOLS"},
        "error: providerARNs: they say whose tokens are taken, and are missing (name a user pool's ARN)",
    ),
    (
        "REST",
        {**COGNITO, "providerARNs": [POOL, "arn"]},
        "error: providerARNs[1]: not the ARN of a user pool (write arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID)",
    ),
    # ---- identity sources
    *(
        (protocol, {**REQUEST, "identitySource": source}, f"error: identitySource: {NO_SOURCE} {of} (write {form})")
        for protocol, of, form, source in [
            ("REST", "REQUEST authorizer of a REST API", REST_FORM, "$request.header.a"),
            ("REST", "REQUEST authorizer of a REST API", REST_FORM, "method.request.body.a"),
            ("REST", "REQUEST authorizer of a REST API", REST_FORM, "Authorization"),
            ("HTTP", "REQUEST authorizer of an HTTP API", HTTP_FORM, "method.request.header.a"),
            ("HTTP", "REQUEST authorizer of an HTTP API", HTTP_FORM, "context.path"),
            ("WEBSOCKET", "REQUEST authorizer of a WebSocket API", SOCKET_FORM, "$request.header.a"),
            ("WEBSOCKET", "REQUEST authorizer of a WebSocket API", SOCKET_FORM, "route.request.header."),
        ]
    ),
    (
        "REST",
        {**TOKEN, "identitySource": "method.request.querystring.a"},
        f"error: identitySource: {NO_SOURCE} TOKEN authorizer of a REST API (write method.request.header.NAME)",
    ),
    (
        "REST",
        {**TOKEN, "identitySource": ["method.request.header.a", "method.request.header.b"]},
        "error: identitySource: a TOKEN authorizer has exactly one identity source (write method.request.header.NAME)",
    ),
    (
        "HTTP",
        {**JWT, "identitySource": "$context.path"},
        f"error: identitySource: {NO_SOURCE} JWT authorizer of an HTTP API (write $request.header.NAME or "
        "$request.querystring.NAME)",
    ),
    (
        "HTTP",
        {**JWT, "identitySource": ["$request.header.a", "$request.header.b"]},
        "error: identitySource: a JWT authorizer has exactly one identity source (write $request.header.NAME or "
        "$request.querystring.NAME)",
    ),
    (
        "WEBSOCKET",
        REQUEST,
        "warning: identitySource: API Gateway wants one here; without one the authorizer is asked about every "
        f"handshake (write {SOCKET_FORM})",
    ),
    # ---- results
    (
        "REST",
        {"type": "REQUEST", "uri": "lambda:f"},
        "error: identitySource: without identity sources one caller's result would be every caller's (add one, as "
        "method.request.header.NAME, or write resultTtlInSeconds: 0)",
    ),
    (
        "HTTP",
        {**REQUEST, "resultTtlInSeconds": 1},
        "error: identitySource: without identity sources one caller's result would be every caller's (add one, as "
        "$request.header.NAME, or write resultTtlInSeconds: 0)",
    ),
    (
        "WEBSOCKET",
        {**REQUEST, "identitySource": "context.connectionId", "resultTtlInSeconds": 1},
        "warning: resultTtlInSeconds: authorizers of WebSocket APIs are asked about every handshake: this has no "
        "effect (remove it)",
    ),
    (
        "HTTP",
        {**JWT, "identityValidationExpression": "x"},
        "warning: identityValidationExpression: a JWT authorizer does not look at it (remove it)",
    ),
]


@pytest.mark.parametrize(("protocol", "authorizer", "message"), WRONG, ids=[message[:90] for _, _, message in WRONG])
def test_each_fault_is_found_and_worded(protocol, authorizer, message):
    assert [one for one in of_one(protocol, **authorizer) if one != OURS or message == OURS] == [message]


def test_results_are_kept_for_an_hour_at_most():
    """A document that was not read from a file of ours may say anything."""
    authorizer = {"id": "a", "name": "a", "type": "TOKEN", "authorizerUri": "f", "authorizerResultTtlInSeconds": 3601}
    document = {"id": "c", "name": "c", "protocolType": "REST", "authorizers": [authorizer]}
    found = [str(one) for one in check(freeze(document)) if "authorizers" in one.path]
    assert found == [
        "error: apis.c.authorizers.a.resultTtlInSeconds: results are kept 0 to 3600 seconds (choose a time in between)"
    ]


@pytest.mark.parametrize(
    ("timeout_ms", "allowed_ms", "fault"),
    [
        (10, 29_000, "a timeout is 50 to 900000 ms (choose one in between)"),
        (900_001, 0, "a timeout is 50 to 900000 ms (choose one in between)"),
        (
            29_001,
            29_000,
            "29001 ms is more than stage dev allows (29000) (lower it, or raise limits.timeoutMs of the stage "
            "(API Gateway has 10000))",
        ),
        (29_000, 29_000, None),
        (60_000, 60_000, None),
        (900_000, 0, None),
        (10_000, 5_000, None),
    ],
)
def test_a_timeout_is_bounded_as_an_integrations_is(timeout_ms, allowed_ms, fault):
    """What is said of the longest wait is what deploying it holds to, too: see tests/spec/authorizers."""
    authorizer = {"id": "a", "name": "a", "type": "TOKEN", "authorizerUri": "f", "x-wsgw": {"timeoutMs": timeout_ms}}
    stage = {"stageName": "dev", "x-wsgw": {"limits": {"timeoutMs": allowed_ms}}}
    document = {"id": "c", "name": "c", "protocolType": "REST", "authorizers": [authorizer], "stages": [stage]}
    found = [str(one) for one in check(freeze(document)) if "authorizers" in one.path]
    assert found == ([] if fault is None else [f"error: apis.c.authorizers.a.timeoutMs: {fault}"])


def test_more_than_ten_authorizers_are_warned_of():
    """Row authorizers per API of the quotas."""
    authorizers = {f"a{n}": TOKEN for n in range(11)}
    assert findings_of("REST", authorizers) == [
        "warning: : 11 authorizers; API Gateway allows 10 unless asked for more"
    ]


def test_a_stage_variable_of_a_uri_must_be_set():
    authorizers = {"a": {**TOKEN, "uri": "arn:aws:lambda:us-east-1:1:function:${stageVariables.f}"}}
    assert findings_of("REST", authorizers, stages={"prod": {"variables": {"f": "x"}}}) == []
    assert findings_of("REST", authorizers, stages={"prod": None}) == [
        "error: .a.uri: the stage variable 'f' is not set in stage prod (set it under variables of the stage)"
    ]
