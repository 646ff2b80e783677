"""Whatever spelling a definition asks for a guard in: it is refused with an error, never served open."""

from __future__ import annotations

import copy
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.formats.openapi_documents import openapi, operation
from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.finding import has_errors

AUTHORIZER, TYPE, AUTH = (f"x-amazon-apigateway-{name}" for name in ("authorizer", "authtype", "auth"))
FUNCTION = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations"
HEADER = {"type": "apiKey", "name": "Authorization", "in": "header"}
SCHEMES: dict[str, dict[str, Any]] = {
    "api-key": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
    "iam": {**HEADER, TYPE: "awsSigv4"},
    "token": {**HEADER, TYPE: "custom", AUTHORIZER: {"type": "token", "authorizerUri": FUNCTION}},
    "request": {**HEADER, TYPE: "custom", AUTHORIZER: {"type": "request", "authorizerUri": FUNCTION}},
    "cognito": {**HEADER, AUTHORIZER: {"type": "cognito_user_pools", "providerARNs": ["arn"]}},
    "jwt": {"type": "oauth2", AUTHORIZER: {"type": "jwt", "jwtConfiguration": {"issuer": "https://i"}}},
    "no-authorizer": {**HEADER, TYPE: "cognito_user_pools"},
}
PLACES = ("root", "operation", "any", "referred", "scheme-referred", "before-none", "after-none")
KINDS = ("openapi-rest", "swagger-rest", "openapi-http")


def guarded(kind: str, scheme: str, place: str) -> dict[str, Any]:
    """An API whose one route `scheme` guards, as said at `place`."""
    get, required = operation(), [{scheme: []}]
    schemes = {scheme: SCHEMES[scheme]}
    root = "securityDefinitions" if kind == "swagger-rest" else "components/securitySchemes"
    document = openapi({"/a": {"get": get}})
    if place == "root":
        document["security"] = required
    elif place == "scheme-referred":
        schemes["other"] = {"$ref": f"#/{root}/{scheme}"}
        get["security"] = [{"other": []}]
    else:
        get["security"] = {"before-none": [*required, {}], "after-none": [{}, *required]}.get(place, required)
    if place == "any":
        document["paths"] = {"/a": {"x-amazon-apigateway-any-method": get}}
    elif place == "referred":
        document["paths"] = {"/a": {"$ref": "#/paths/~1b"}, "/b": {"get": get}}
    if kind == "swagger-rest":
        del document["openapi"]
        return {**document, "swagger": "2.0", "securityDefinitions": schemes}
    protocol = "HTTP" if kind == "openapi-http" else "REST"
    return {**document, "components": {"securitySchemes": schemes}, "x-wsgw-protocol": protocol}


def is_served(document: Any, tmp_path: Path) -> bool:
    file = tmp_path / "api.json"
    file.write_bytes(orjson.dumps(document))
    return not has_errors(read_definitions([file], {}).findings)


def without_guard(document: Any) -> Any:
    """`document` without all that says who may call."""
    if not isinstance(document, dict):
        return document
    return {key: without_guard(value) for key, value in document.items() if key not in ("security", AUTH)}


@pytest.mark.parametrize(("kind", "scheme", "place"), list(product(KINDS, SCHEMES, PLACES)))
def test_an_imported_api_that_asks_for_a_guard_is_refused(kind: str, scheme: str, place: str, tmp_path: Path):
    assert not is_served(guarded(kind, scheme, place), tmp_path)


@pytest.mark.parametrize(("kind", "place"), list(product(KINDS, PLACES)))
def test_the_same_without_the_guard_is_served(kind: str, place: str, tmp_path: Path):
    """So that it is the guard that the others are refused for."""
    assert is_served(without_guard(guarded(kind, "api-key", place)), tmp_path)


@pytest.mark.parametrize("auth", ["AWS_IAM", "aws_iam", " AWS_IAM", "CUSTOM", None, True, ["AWS_IAM"]], ids=repr)
@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
def test_the_extension_of_an_operation_is_refused(protocol: str, auth: Any, tmp_path: Path):
    paths = {"/a": {"get": operation(**{AUTH: {"type": auth}})}}
    assert not is_served(openapi(paths, **{"x-wsgw-protocol": protocol}), tmp_path)


POLICIES: list[Any] = [{"Statement": []}, '{"Statement": []}', {}, "{}", "", "x", [], 1, None]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("form", ["openapi-rest", "openapi-http", "native"])
def test_a_resource_policy_is_refused_whatever_it_says(form: str, policy: Any, tmp_path: Path):
    if form == "native":
        api = {"protocol": "REST", "routes": {"GET /": "http://localhost:9000/"}, "policy": policy}
        assert not is_served({"apis": {"a": api}}, tmp_path)
    else:
        protocol = "HTTP" if form == "openapi-http" else "REST"
        document = openapi(**{"x-wsgw-protocol": protocol, "x-amazon-apigateway-policy": policy})
        assert not is_served(document, tmp_path)


MEMBERS: list[dict[str, Any]] = [
    {"authorizationType": "AWS_IAM"},
    {"authorizationType": "CUSTOM", "authorizerId": "a"},
    {"authorizationType": "COGNITO_USER_POOLS"},
    {"authorizationType": "aws_iam"},
    {"authorizationType": None},
    {"authorizerId": "a"},
    {"authorizationScopes": ["a"]},
    {"apiKeyRequired": True},
    {"apiKeyRequired": "true"},
    {"security": []},
    {"authorizer": "a"},
]
NATIVE = {
    "REST": {"protocol": "REST", "routes": {"GET /": {"integration": "http://localhost:9000/"}}},
    "HTTP": {"protocol": "HTTP", "routes": {"GET /": {"integration": "http://localhost:9000/"}}},
    "WEBSOCKET": {
        "protocol": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
        "routes": {"$connect": {"integration": "http://localhost:9000/"}},
    },
}


@pytest.mark.parametrize("members", MEMBERS, ids=str)
@pytest.mark.parametrize("protocol", NATIVE)
def test_a_route_of_the_native_format_that_asks_for_a_guard_is_refused(protocol: str, members: dict, tmp_path: Path):
    api = copy.deepcopy(NATIVE[protocol])
    assert is_served({"apis": {"a": api}}, tmp_path)
    for route in api["routes"].values():  # type: ignore[attr-defined]
        route |= members
    assert not is_served({"apis": {"a": api}}, tmp_path)
