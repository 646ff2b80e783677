"""What is said about guards that nobody could enforce: one row a kind of finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.check import check
from wsgw.definitions.finding import Finding
from wsgw.definitions.freeze import freeze
from wsgw.formats.parse import parse

AUTHORIZERS: dict[str, dict[str, Any]] = {
    "REST": {
        "own": {"type": "TOKEN", "uri": "lambda:f"},
        "pool": {
            "type": "COGNITO_USER_POOLS",
            "providerARNs": ["arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a"],
        },
    },
    "HTTP": {
        "own": {"type": "REQUEST", "uri": "lambda:f"},
        "login": {"type": "JWT", "issuer": "https://issuer.example", "audience": "a"},
    },
    "WEBSOCKET": {
        "own": {"type": "REQUEST", "uri": "lambda:f", "identitySource": "route.request.header.Authorization"}
    },
}


def check_api(protocol: str, routes: dict[str, Any], **members: Any) -> list[Finding]:
    if protocol == "WEBSOCKET":
        members["routeSelectionExpression"] = "$request.body.action"
    api = {"protocol": protocol, "authorizers": AUTHORIZERS[protocol], "routes": routes, **members}
    parsed = parse(orjson.dumps({"apis": {"c": api}}), "f", {})
    assert [str(finding) for finding in parsed.findings] == []
    return check(freeze(parsed.documents[0]))


def guarded(protocol: str, **guard: Any) -> list[str]:
    """The findings about one guarded route: of a WebSocket API, its `$connect`."""
    key = "$connect" if protocol == "WEBSOCKET" else "GET /a"
    found = check_api(protocol, {key: {"integration": "http://h", **guard}})
    beginning = ": apis.c.routes.$connect" if protocol == "WEBSOCKET" else ': apis.c.routes["GET /a"]'
    return [str(one).replace(f"{beginning}.", ": ") for one in found]


SOUND = [
    ("REST", {"authorizationType": "AWS_IAM"}),
    ("REST", {"authorizer": "own"}),
    ("REST", {"authorizer": "pool", "authorizationScopes": ["a"]}),
    ("REST", {"apiKeyRequired": True}),
    ("HTTP", {"authorizationType": "AWS_IAM"}),
    ("HTTP", {"authorizer": "own"}),
    ("HTTP", {"authorizer": "login", "authorizationScopes": ["a"]}),
    ("HTTP", {"authorizationType": "NONE"}),
    ("WEBSOCKET", {"authorizationType": "AWS_IAM"}),
    ("WEBSOCKET", {"authorizer": "own", "apiKeyRequired": True}),
]


@pytest.mark.parametrize(("protocol", "guard"), SOUND, ids=str)
def test_a_guard_that_can_be_enforced_has_no_findings(protocol, guard):
    assert guarded(protocol, **guard) == []


NEEDED = (
    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid "
    "authorizer."
)
WRONG = [
    (
        "REST",
        {"authorizationType": "CUSTOM"},
        f"error: authorizer: {NEEDED} (authorizers of this API for CUSTOM: own)",
    ),
    (
        "REST",
        {"authorizationType": "COGNITO_USER_POOLS"},
        f"error: authorizer: {NEEDED} (authorizers of this API for COGNITO_USER_POOLS: pool)",
    ),
    (
        "HTTP",
        {"authorizationType": "JWT"},
        "error: authorizer: authorizationType JWT needs an authorizer (authorizers of this API for JWT: login)",
    ),
    (
        "WEBSOCKET",
        {"authorizationType": "JWT"},
        "error: authorizer: authorizationType JWT needs an authorizer (authorizers of this API for JWT: there are "
        "none)",
    ),
    (
        "HTTP",
        {"authorizer": "nobody"},
        "error: authorizer: there is no authorizer 'nobody' (authorizers of this API for CUSTOM: own)",
    ),
    (
        "HTTP",
        {"authorizationType": "JWT", "authorizer": "own"},
        "error: authorizer: the authorizer is a REQUEST one, which JWT does not ask (authorizers of this API for JWT: "
        "login)",
    ),
    (
        "REST",
        {"authorizationType": "CUSTOM", "authorizer": "pool"},
        "error: authorizer: the authorizer is a COGNITO_USER_POOLS one, which CUSTOM does not ask (authorizers of this "
        "API for CUSTOM: own)",
    ),
    (
        "REST",
        {"authorizationType": "NONE", "authorizer": "own"},
        "error: authorizationType: authorizationType NONE asks no authorizer: the route would be open (remove it, or "
        "remove the authorizer)",
    ),
    (
        "REST",
        {"authorizationType": "AWS_IAM", "authorizer": "own"},
        "error: authorizer: AWS_IAM looks at signatures: the authorizer would not be asked (remove one of them)",
    ),
    (
        "HTTP",
        {"authorizationScopes": ["a"]},
        "error: authorizationScopes: scopes without an authorizer: nothing would check them (name an authorizer, or "
        "remove them)",
    ),
    (
        "HTTP",
        {"authorizationType": "AWS_IAM", "authorizationScopes": ["a"]},
        "error: authorizationScopes: AWS_IAM looks at no scopes: nothing would check them (remove them, or name an "
        "authorizer that does)",
    ),
    (
        "REST",
        {"authorizer": "own", "authorizationScopes": ["a"]},
        "warning: authorizationScopes: the authorizer's function decides alone: scopes have no effect (remove them)",
    ),
]


@pytest.mark.parametrize(("protocol", "guard", "message"), WRONG, ids=[message[:90] for _, _, message in WRONG])
def test_each_fault_is_found_and_worded(protocol, guard, message):
    assert guarded(protocol, **guard) == [message]


def test_a_type_of_authorization_that_is_none_is_an_error():
    """A document that was not read from a file of ours may say anything."""
    method = {"authorizationType": "aws_iam", "methodIntegration": {"type": "HTTP_PROXY", "uri": "http://h"}}
    resource = {"id": "r", "path": "/a", "resourceMethods": {"GET": method}}
    found = check(freeze({"id": "c", "name": "c", "protocolType": "REST", "resources": [resource]}))
    assert [one.message for one in found if one.path[-1] == "authorizationType"] == [
        "no authorization that a route of this kind of API has: aws_iam"
    ]


@pytest.mark.parametrize("key", ["send", "$default", "$disconnect"])
@pytest.mark.parametrize(
    "guard", [{"authorizationType": "AWS_IAM"}, {"authorizer": "own"}, {"authorizationScopes": ["a"]}], ids=str
)
def test_only_connect_may_carry_authorization(key, guard):
    (found,) = check_api("WEBSOCKET", {key: {"integration": "http://h", **guard}})
    assert (found.severity, found.message) == (
        "error",
        "Currently, authorization is restricted to the $connect route only",
    )


def test_a_websocket_route_may_ask_for_an_api_key_where_connect_does():
    """Row apiKeyRequired: accepted on other routes, enforced on the handshake."""
    wanting = {"integration": "http://h", "apiKeyRequired": True}
    assert check_api("WEBSOCKET", {"$connect": wanting, "send": wanting}) == []
    (found,) = check_api("WEBSOCKET", {"$connect": "http://h", "send": wanting})
    assert found.message == "API keys are asked for with the handshake only, and $connect asks for none"
    assert found.severity == "error"


@pytest.mark.parametrize(
    ("member", "value"), [("tokenExpiry", "CLOSE"), ("authorizeMessages", True), ("tokens", {"query": "t"})]
)
def test_what_becomes_of_tokens_needs_somebody_who_looks_at_them(member, value):
    stages = {"prod": {member: value}}
    (found,) = check_api("WEBSOCKET", {"$connect": "http://h"}, stages=stages)
    assert (found.severity, found.path[-1]) == ("error", member)
    guard = {"integration": "http://h", "authorizer": "own"}
    assert check_api("WEBSOCKET", {"$connect": guard}, stages=stages) == []
    assert check_api("WEBSOCKET", {"$connect": "http://h"}, stages={"prod": {"tokens": {"ticket": "t"}}}) == []


@pytest.mark.parametrize("origins", [{}, {"allowedOrigins": ["https://example.com"]}], ids=["own", "listed"])
def test_a_cookie_needs_no_list_of_origins(origins):
    """Without one, the edge lets in pages of the gateway's own address alone."""
    guard = {"integration": "http://h", "authorizer": "own"}
    stage = {"tokens": {"cookie": "session"}, **origins}
    assert check_api("WEBSOCKET", {"$connect": guard}, stages={"prod": stage}) == []


@pytest.mark.parametrize(
    "tokens", [{"query": "a b"}, {"cookie": "a;b"}, {"ticket": "t="}, {"query": "t", "ticket": "t"}], ids=str
)
def test_a_place_for_tokens_has_a_name_of_its_own(tokens):
    stage = {"tokens": tokens, "allowedOrigins": ["https://example.com"]}
    guard = {"integration": "http://h", "authorizer": "own"}
    (found,) = check_api("WEBSOCKET", {"$connect": guard}, stages={"prod": stage})
    assert found.severity == "error"


def test_a_route_whose_keys_nobody_has_is_warned_of(tmp_path: Path):
    """Its stage is in no usage plan that has keys."""
    route = {"integration": "http://h", "apiKeyRequired": True}
    api = {"protocol": "REST", "routes": {"GET /a": route}, "stages": {"dev": None, "prod": None}}
    keys = {"k": {"value": "k" * 20}}
    plan: dict[str, Any] = {"apiStages": [{"apiId": "c", "stage": "prod"}], "keys": ["k"]}
    file = tmp_path / "wsgw.json"

    def warned(**top: Any) -> list[str]:
        file.write_bytes(orjson.dumps({"apis": {"c": api}, **top}))
        return [str(one) for one in read_definitions([file], {}).findings]

    assert warned(apiKeys=keys, usagePlans={"p": plan}) == [
        f'{file}:1: warning: apis.c.routes["GET /a"].apiKeyRequired: no usage plan has keys for the stage dev: nobody '
        "can call this (add it to one of usagePlans, as apiStages: [{apiId: c, stage: dev}])"
    ]
    assert len(warned()) == 2
    assert len(warned(usagePlans={"p": {**plan, "keys": []}})) == 2
    api["stages"] = {"prod": None}
    assert warned(apiKeys=keys, usagePlans={"p": plan}) == []


def test_a_scope_that_no_token_can_have_is_none():
    for protocol, name in (("HTTP", "login"), ("REST", "pool")):
        (one,) = guarded(protocol, authorizer=name, authorizationScopes=["a", "b c"])
        assert one.startswith("error: authorizationScopes[1]: a scope has no spaces, quotes or backslashes")
