"""The native format of what says who may call: its forms written out, and written back as they were."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.definitions.finding import Finding
from wsgw.definitions.freeze import freeze
from wsgw.formats.comparable import comparable
from wsgw.formats.native_access import epoch_seconds
from wsgw.formats.native_writer import native_file
from wsgw.formats.parse import Parsed, parse

ISSUER = "https://issuer.example"


def parsed(**top: Any) -> Parsed:
    return parse(orjson.dumps(top), "f", {})


def document_of(protocol: str, authorizers: dict[str, Any], **members: Any) -> dict[str, Any]:
    routes = {"$connect" if protocol == "WEBSOCKET" else "GET /a": {"integration": "http://h"}}
    api = {"protocol": protocol, "routes": routes, "authorizers": authorizers, **members}
    read = parsed(apis={"c": api})
    assert [str(finding) for finding in read.findings] == []
    return read.documents[0]


def faults_of(protocol: str, authorizer: Any) -> list[str]:
    api = {"protocol": protocol, "routes": {"GET /a": "http://h"}, "authorizers": {"a": authorizer}}
    return [str(one).removeprefix("f:1: error: apis.c.authorizers.") for one in parsed(apis={"c": api}).findings]


REST_FORMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "TOKEN", "uri": "lambda:f", "resultTtlInSeconds": 0, "timeoutMs": 500},
        {
            "type": "TOKEN",
            "authType": "custom",
            "authorizerUri": "lambda:f",
            "identitySource": "method.request.header.Authorization",
            "authorizerResultTtlInSeconds": 0,
            "x-wsgw": {"timeoutMs": 500},
        },
    ),
    (
        {
            "type": "REQUEST",
            "authorizerUri": "https://auth.example/",
            "authorizerCredentials": "arn:aws:iam::1:role/r",
            "identitySource": ["method.request.header.a", "context.path"],
            "authorizerResultTtlInSeconds": 5,
        },
        {
            "type": "REQUEST",
            "authType": "custom",
            "authorizerUri": "https://auth.example/",
            "authorizerCredentials": "arn:aws:iam::1:role/r",
            "identitySource": "method.request.header.a,context.path",
            "authorizerResultTtlInSeconds": 5,
        },
    ),
    (
        {"type": "COGNITO_USER_POOLS", "providerARNs": ["arn"], "identityValidationExpression": "a", "authType": "b"},
        {
            "type": "COGNITO_USER_POOLS",
            "authType": "b",
            "identitySource": "method.request.header.Authorization",
            "providerARNs": ["arn"],
            "identityValidationExpression": "a",
        },
    ),
]


@pytest.mark.parametrize(("entry", "written"), REST_FORMS, ids=lambda one: one["type"])
def test_an_authorizer_of_a_rest_api_is_written_out_in_v1s_shape(entry, written):
    assert document_of("REST", {"a": entry})["authorizers"] == [{"id": "a", "name": "a", **written}]


V2_FORMS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "HTTP",
        {"type": "JWT", "issuer": ISSUER, "audience": "shop", "jwksUri": "file:keys.json"},
        {
            "authorizerType": "JWT",
            "identitySource": ["$request.header.Authorization"],
            "jwtConfiguration": {"issuer": ISSUER, "audience": ["shop"]},
            "x-wsgw": {"jwksUri": "file:keys.json"},
        },
    ),
    (
        "HTTP",
        {
            "authorizerType": "JWT",
            "identitySource": ["$request.querystring.t"],
            "jwtConfiguration": {"issuer": ISSUER, "audience": ["a", "b"]},
        },
        {
            "authorizerType": "JWT",
            "identitySource": ["$request.querystring.t"],
            "jwtConfiguration": {"issuer": ISSUER, "audience": ["a", "b"]},
        },
    ),
    (
        "HTTP",
        {"type": "REQUEST", "uri": "python:a:b", "identitySource": "$request.header.x, $context.routeKey"},
        {
            "authorizerType": "REQUEST",
            "authorizerUri": "python:a:b",
            "identitySource": ["$request.header.x", "$context.routeKey"],
            "authorizerPayloadFormatVersion": "2.0",
        },
    ),
    (
        "HTTP",
        {"type": "REQUEST", "uri": "lambda:f", "payloadFormatVersion": "1.0", "enableSimpleResponses": False},
        {
            "authorizerType": "REQUEST",
            "authorizerUri": "lambda:f",
            "authorizerPayloadFormatVersion": "1.0",
            "enableSimpleResponses": False,
        },
    ),
    (
        "WEBSOCKET",
        {"type": "REQUEST", "uri": "lambda:f", "identitySource": "route.request.querystring.t"},
        {
            "authorizerType": "REQUEST",
            "authorizerUri": "lambda:f",
            "identitySource": ["route.request.querystring.t"],
        },
    ),
    (
        "WEBSOCKET",
        {"type": "JWT", "issuer": ISSUER, "audience": ["a"]},
        {
            "authorizerType": "JWT",
            "identitySource": ["route.request.header.Authorization"],
            "jwtConfiguration": {"issuer": ISSUER, "audience": ["a"]},
        },
    ),
]


@pytest.mark.parametrize(("protocol", "entry", "written"), V2_FORMS)
def test_an_authorizer_of_an_http_or_websocket_api_is_written_out_in_v2s_shape(protocol, entry, written):
    assert document_of(protocol, {"a": entry})["authorizers"] == [{"authorizerId": "a", "name": "a", **written}]


@pytest.mark.parametrize(
    ("protocol", "entry", "faults"),
    [
        ("REST", {}, ["a: the key 'type' is missing (add it)"]),
        ("HTTP", {"uri": "lambda:f"}, ["a: the key 'type' is missing (add it: REQUEST or JWT)"]),
        (
            "HTTP",
            {"type": "REQUST"},
            ["a.type: not a value that is known here (did you mean 'REQUEST'?)"],
        ),
        (
            "REST",
            {"type": "TOKEN", "uri": "a", "authorizerUri": "b"},
            ["a.authorizerUri: 'uri' and 'authorizerUri' are the same property (remove one)"],
        ),
        (
            "HTTP",
            {"type": "JWT", "issuer": ISSUER, "jwtConfiguration": {"issuer": ISSUER}},
            ["a.issuer: 'issuer' and 'jwtConfiguration.issuer' are the same property (remove one)"],
        ),
        (
            "REST",
            {"type": "TOKEN", "resultTtlInSeconds": 3601},
            ["a.resultTtlInSeconds: more than 3600 (use 3600 or less)"],
        ),
        ("REST", {"type": "TOKEN", "issuer": "x"}, ["a.issuer: there is no such key"]),
        ("HTTP", {"type": "JWT", "providerARNs": []}, ["a.providerARNs: there is no such key"]),
    ],
)
def test_what_is_wrong_with_the_shape_of_an_authorizer_is_said(protocol, entry, faults):
    found = faults_of(protocol, entry)
    assert len(found) == len(faults)
    assert all(one.startswith(fault) for one, fault in zip(found, faults, strict=True)), found


AUTHORIZERS: dict[str, dict[str, Any]] = {
    "REST": {
        "t": {"type": "TOKEN", "uri": "lambda:f"},
        "r": {"type": "REQUEST", "uri": "lambda:f"},
        "c": {"type": "COGNITO_USER_POOLS"},
    },
    "HTTP": {"r": {"type": "REQUEST", "uri": "lambda:f"}, "j": {"type": "JWT"}},
    "WEBSOCKET": {"r": {"type": "REQUEST", "uri": "lambda:f"}, "j": {"type": "JWT"}},
}
IMPLIED = [
    ("REST", "t", "CUSTOM"),
    ("REST", "r", "CUSTOM"),
    ("REST", "c", "COGNITO_USER_POOLS"),
    ("REST", "nobody", "CUSTOM"),
    ("HTTP", "r", "CUSTOM"),
    ("HTTP", "j", "JWT"),
    ("HTTP", "nobody", "CUSTOM"),
    ("WEBSOCKET", "r", "CUSTOM"),
    ("WEBSOCKET", "j", "JWT"),
]


@pytest.mark.parametrize(("protocol", "authorizer", "kind"), IMPLIED)
@pytest.mark.parametrize("member", ["authorizer", "authorizerId"])
def test_naming_an_authorizer_implies_the_type_of_authorization(protocol, authorizer, kind, member):
    key = "$connect" if protocol == "WEBSOCKET" else "GET /a"
    route = {"integration": "http://h", member: authorizer, "authorizationScopes": ["a"]}
    (frozen,) = freeze(document_of(protocol, AUTHORIZERS[protocol], routes={key: route})).routes.values()
    assert (frozen.authorization_type, frozen.authorizer, frozen.authorization_scopes) == (kind, authorizer, ("a",))


def test_a_type_that_is_written_stays():
    """Whether the two fit together is for the check of the whole to say."""
    route = {"integration": "http://h", "authorizer": "t", "authorizationType": "NONE"}
    (frozen,) = freeze(document_of("REST", AUTHORIZERS["REST"], routes={"GET /a": route})).routes.values()
    assert (frozen.authorization_type, frozen.authorizer) == ("NONE", "t")


THROTTLE = {"rateLimit": 1.0, "burstLimit": 2}


@pytest.mark.parametrize("protocol", ["REST", "HTTP", "WEBSOCKET"])
def test_a_stage_of_every_kind_of_api_has_throttles_of_callers_and_a_web_acl(protocol):
    stage = {"callerThrottles": {"sourceIp": THROTTLE, "principal": THROTTLE}, "webAcl": {"name": "w"}}
    document = document_of(protocol, {}, stages={"prod": stage})
    assert document["stages"][0]["x-wsgw"] == stage
    frozen = freeze(document).stages["prod"]
    assert frozen.caller_throttles.principal == frozen.caller_throttles.source_ip
    assert frozen.caller_throttles.source_ip is not None
    assert frozen.web_acl is not None


def test_a_stage_of_a_websocket_api_says_where_tokens_are_and_what_becomes_of_them():
    stage = {
        "callerThrottles": {"connection": THROTTLE},
        "tokens": {"subprotocol": True, "query": "q", "cookie": "c", "ticket": "t"},
        "tokenExpiry": "REFRESH",
        "authorizeMessages": True,
    }
    frozen = freeze(document_of("WEBSOCKET", {}, stages={"prod": stage})).stages["prod"]
    assert frozen.caller_throttles.connection is not None
    assert (frozen.tokens.subprotocol, frozen.tokens.query, frozen.tokens.cookie) == (True, "q", "c")
    assert (frozen.tokens.ticket, frozen.token_expiry, frozen.authorize_messages) == ("t", "REFRESH", True)


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
@pytest.mark.parametrize("member", [{"tokens": {}}, {"tokenExpiry": "CLOSE"}, {"authorizeMessages": True}], ids=str)
def test_only_websocket_apis_have_what_is_about_connections(protocol, member):
    api = {"protocol": protocol, "routes": {"GET /a": "http://h"}, "stages": {"prod": member}}
    (finding,) = parsed(apis={"c": api}).findings
    assert (finding.path, finding.message) == (("apis", "c", "stages", "prod", *member), "there is no such key")


@pytest.mark.parametrize(
    ("written", "expires"),
    [
        ("2030-01-31T12:00:00Z", 1_896_091_200.0),
        ("2030-01-31T13:00:00+01:00", 1_896_091_200.0),
        ("2030-01-31T12:00:00", 1_896_091_200.0),
        (1_896_091_200, 1_896_091_200.0),
        (0.5, 0.5),
    ],
)
def test_an_access_key_expires_at_a_date_or_epoch_second(written, expires):
    read = parsed(accessKeys={"A": {"secret": "s", "expires": written, "tags": {"team": "a"}}})
    (key,) = read.access_keys
    assert (key.expires, key.tags) == (expires, {"team": "a"})


def test_an_access_key_says_what_policies_see():
    read = parsed(accessKeys={"A": {"secret": "s", "userId": "AIDA", "organizationId": "o-1"}})
    (key,) = read.access_keys
    assert (key.user_id, key.organization_id) == ("AIDA", "o-1")


@pytest.mark.parametrize("written", ["soon", ".nan", ".inf", "-.inf"])
def test_a_point_in_time_that_is_none_is_told_with_its_place(written):
    """A key that ends when no clock ever says so would never end."""
    read = parse(f"accessKeys: {{A: {{secret: s, expires: {written}}}}}".encode(), "f", {})
    assert [str(one) for one in read.findings] == [
        "f:1: error: accessKeys.A.expires: not a point in time (write it as 2030-01-31T12:00:00Z, or in seconds since "
        "1970)"
    ]


@given(st.text() | st.datetimes().map(str) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{5,8}[-+Z0-9:]*"))
def test_a_text_is_a_point_in_time_or_a_finding(text):
    findings: list[Finding] = []
    seconds = epoch_seconds(text, (), findings)
    assert len(findings) == (1 if seconds is None else 0)


ALL = [("REST", one) for one, _ in REST_FORMS] + [(protocol, one) for protocol, one, _ in V2_FORMS]


@pytest.mark.parametrize(("protocol", "entry"), ALL)
def test_an_authorizer_is_written_back_as_the_same_and_as_short(protocol, entry):
    document = document_of(protocol, {"a": entry})
    written = native_file(document)
    assert written.data is not None
    assert written.findings == ()
    (again,) = parsed(**written.data).documents
    assert comparable(again) == comparable(document)
    assert len(orjson.dumps(written.data["apis"]["c"]["authorizers"]["a"])) <= len(orjson.dumps(entry)) + 4


def test_a_route_is_written_back_with_its_authorizers_name():
    """An id that somebody has made stays out of the file."""
    authorizer = {"authorizerId": "x1y2", "name": "login", "authorizerType": "JWT", "jwtConfiguration": {"issuer": "i"}}
    document = document_of("HTTP", {}, stages={"$default": {"callerThrottles": {"sourceIp": THROTTLE}}})
    guard = {"authorizationType": "JWT", "authorizerId": "x1y2", "authorizationScopes": ["a"]}
    document = {**document, "authorizers": [authorizer], "routes": [{**document["routes"][0], **guard}]}
    written = native_file(document).data
    assert written is not None
    api = written["apis"]["c"]
    assert api["authorizers"] == {"login": {"type": "JWT", "issuer": "i"}}
    assert api["routes"] == {
        "GET /a": {"authorizer": "login", "authorizationScopes": ["a"], "integration": "http://h"},
    }
    assert api["stages"] == {"$default": {"callerThrottles": {"sourceIp": THROTTLE}}}


def test_a_rest_route_is_written_back_with_its_authorizers_name():
    authorizer = {"id": "x1y2", "name": "pool", "type": "COGNITO_USER_POOLS", "providerARNs": ["arn"]}
    document = document_of("REST", {}, stages={"prod": {"webAcl": {"name": "w"}}})
    method = document["resources"][1]["resourceMethods"]["GET"]
    method |= {"authorizationType": "COGNITO_USER_POOLS", "authorizerId": "x1y2", "apiKeyRequired": True}
    written = native_file({**document, "authorizers": [authorizer]}).data
    assert written is not None
    api = written["apis"]["c"]
    assert api["routes"] == {"GET /a": {"authorizer": "pool", "apiKeyRequired": True, "integration": "http://h"}}
    assert api["stages"] == {"prod": {"webAcl": {"name": "w"}}}
