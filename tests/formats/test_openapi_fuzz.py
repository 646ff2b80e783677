"""Whatever a document says, an import ends in findings, and what it lets through can be frozen."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.openapi_documents import OK, openapi, operation, swagger
from wsgw.definitions.freeze import broken, freeze
from wsgw.errors import DefinitionError
from wsgw.formats.openapi import Imported, import_openapi
from wsgw.formats.openapi_merge import merge
from wsgw.formats.parse import parse

AUTHORIZER = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authorizer": {"type": "request", "identitySource": "a,b", "jwtConfiguration": {"issuer": "x"}},
}
INTEGRATION = {
    "type": "http",
    "httpMethod": "POST",
    "uri": "http://h",
    "requestParameters": {"integration.request.header.a": "'b'"},
    "responseParameters": {"200": {"overwrite:header.a": "b"}},
    "requestTemplates": {"application/json": "{}"},
    "tlsConfig": {"insecureSkipVerification": True},
    "cacheKeyParameters": ["a"],
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"a/b": ""}}},
}
WHOLE = openapi(
    {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": operation(
                {**INTEGRATION, "type": "http_proxy"},
                requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
                responses={
                    "200": {
                        "description": "x",
                        "headers": {"X": {}},
                        "content": {"a/b": {"schema": {"type": "object"}}},
                    }
                },
                security=[{"auth": ["a"]}],
                operationId="x",
                tags=["t"],
            ),
            "x-amazon-apigateway-any-method": operation({"type": "mock"}),
        },
        "/$default": {"x-amazon-apigateway-any-method": operation(isDefaultRoute=True)},
    },
    servers=[{"url": "https://h/{basePath}", "variables": {"basePath": {"default": "/v1"}}}],
    security=[{"key": []}],
    tags=[{"name": "a", "x-amazon-apigateway-tag-value": "b"}],
    components={
        "schemas": {"A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/A"}}, "allOf": [{}]}},
        "securitySchemes": {"auth": AUTHORIZER, "key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
        "parameters": {"p": {"name": "p", "in": "query"}},
        "x-amazon-apigateway-integrations": {"i": INTEGRATION},
    },
    **{
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 3},
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True}},
        "x-amazon-apigateway-request-validator": "all",
        "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"statusCode": 400}},
        "x-amazon-apigateway-endpoint-configuration": {"types": ["REGIONAL"]},
        "x-amazon-apigateway-documentation": {
            "documentationParts": [{"location": {"type": "API"}, "properties": {"a": 1}}]
        },
        "x-amazon-apigateway-policy": {"Statement": []},
        "x-wsgw-stages": {"prod": {"variables": {"a": "b"}}},
    },
)
SWAGGER = swagger(
    {
        "/a": {
            "get": operation(
                parameters=[{"in": "body", "name": "b", "schema": {"$ref": "#/definitions/A"}}],
                responses={**OK, "400": {"schema": {"type": "array", "items": {"$ref": "#/definitions/A"}}}},
            )
        }
    },
    basePath="/b",
    consumes=["application/json"],
    definitions={"A": {"type": "object"}},
    securityDefinitions={"auth": AUTHORIZER},
)
KEYS = [
    "$ref",
    "type",
    "paths",
    "get",
    "schema",
    "items",
    "properties",
    "parameters",
    "security",
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-any-method",
    "x-amazon-apigateway-nope",
    "x-wsgw-stages",
    "",
    "a/~b",
]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["#", "#/", "#/paths", "#/components/schemas/A", "mock", "http", "/a", "{x+}", "\ud800", "jwt", "2.0"]
    ),
    st.sampled_from([[], {}, [{}], [[]], [None], {"": ""}, {"$ref": "#"}, {"$ref": "#/components"}, 10**400, -(2**70)]),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from([None, 1, "a", [], {}]), max_size=3),
)


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Each container in `value` with each of its keys."""
    found: list[tuple[Any, Any]] = []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        found += [(value, key), *spots(member)]
    return found


@st.composite
def mutated(draw: Any) -> dict[str, Any]:
    """A sound document with one to three values replaced, removed, or moved."""
    document: dict[str, Any] = copy.deepcopy(draw(st.sampled_from([WHOLE, SWAGGER])))
    for _ in range(draw(st.integers(1, 3))):
        found = spots(document)
        if not found:
            break
        owner, key = found[draw(st.integers(0, len(found) - 1))]
        action = draw(st.sampled_from(["replace", "remove", "add", "move"]))
        if action == "remove":
            del owner[key]
        elif action == "add" and isinstance(owner, dict):
            owner[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(ODD))
        elif action == "move":
            other, place = found[draw(st.integers(0, len(found) - 1))]
            owner[key] = copy.deepcopy(other[place])
        else:
            owner[key] = copy.deepcopy(draw(ODD))
    return document


def is_sound(imported: Imported) -> None:
    for finding in (*imported.findings, *imported.info):
        assert finding.pointer == "" or finding.pointer.startswith("/")
        assert str(finding)
    if imported.document is None:
        assert any(finding.severity == "error" for finding in imported.findings)
        return
    json.dumps(imported.document, allow_nan=False).encode()
    if not broken(imported.document):
        freeze(imported.document)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(mutated(), st.sampled_from([None, "REST", "HTTP"]), st.sampled_from(["ignore", "prepend", "split"]))
def test_no_document_ends_in_a_traceback(document, protocol, basepath):
    before = copy.deepcopy(document)
    is_sound(import_openapi(document, protocol=protocol, basepath=basepath))
    assert repr(document) == repr(before)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(mutated())
def test_no_file_ends_in_a_traceback(document):
    parsed = parse(json.dumps(document).encode(), "f.json", {})
    for finding in parsed.findings:
        assert str(finding).startswith("f.json:")
    for one in parsed.documents:
        for fault in broken(one):
            assert str(parsed.placed(fault)).startswith("f.json:")


@given(ODD)
def test_no_value_ends_in_a_traceback(value):
    is_sound(import_openapi(value))
    is_sound(import_openapi({"openapi": "3.0.1", "info": value, "paths": value, "components": value}))


@settings(max_examples=100, deadline=None)
@given(mutated(), mutated(), st.sampled_from(["merge", "overwrite"]))
def test_what_was_imported_can_be_merged(first, second, mode):
    before, after = (import_openapi(document, protocol="REST").document for document in (first, second))
    if before is None or after is None:
        return
    try:
        merged = merge(before, after, mode)
    except DefinitionError:
        return
    assert merged["id"] == before["id"]
    broken(merged)


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
def test_the_document_that_is_mutated_is_sound_but_for_what_the_other_kind_has(protocol):
    document = {**WHOLE, "paths": {"/a/{id}": WHOLE["paths"]["/a/{id}"]}}
    if protocol == "HTTP":
        # A guard that an HTTP API does not have is an error.
        del document["x-amazon-apigateway-policy"]
    imported = import_openapi(document, protocol=protocol)
    assert imported.document is not None, [str(finding) for finding in imported.findings]
