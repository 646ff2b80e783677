"""Import → export → import gives the same documents, whatever was imported. T-12."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.formats.openapi_documents import OK, http_api, openapi, operation, swagger
from tests.formats.test_openapi_fuzz import SWAGGER, WHOLE, mutated
from tests.parity.cases import Case, cases
from wsgw.cli.stored_definitions import AsWritten
from wsgw.formats.comparable import comparable, differences
from wsgw.formats.openapi import import_openapi, is_openapi
from wsgw.formats.openapi_writer import Exported, Version, export_openapi
from wsgw.formats.parse import parse
from wsgw.formats.text import as_json, as_yaml
from wsgw.formats.yaml import load

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("examples", "tests/tutorials")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".yaml", ".json") and b"apis:" in path.read_bytes() + b"apis:"
]


def imported(data: Any, **options: Any) -> dict[str, Any]:
    made = import_openapi(data, **options)
    assert made.document is not None, [str(finding) for finding in made.findings]
    return made.document


def exported(document: dict[str, Any], version: Version = "oas30") -> dict[str, Any]:
    made: Exported = export_openapi(document, version)
    assert made.document is not None, made.findings
    assert made.findings == ()
    return made.document


def own_version(data: dict[str, Any], document: dict[str, Any]) -> Version:
    return "swagger" if "swagger" in data and document["protocolType"] == "REST" else "oas30"


UNKNOWN = openapi(
    {
        "/pets/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "schema": {"type": "integer"}, "x-on-parameter": 1, "description": "which"}
            ],
            "x-amazon-apigateway-on-item": 2,
            "x-on-item": 3,
            "get": {
                **operation(),
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"$ref": "#/components/schemas/Page-Size"}},
                    {"$ref": "#/components/parameters/trace"},
                ],
                "requestBody": {"x-on-body": 4, "content": {"a/b": {"x-on-media": 5, "schema": {"type": "object"}}}},
                "responses": {
                    "200": {
                        "description": "fine",
                        "x-on-response": 6,
                        "headers": {"X-Count": {"schema": {"type": "integer"}, "x-on-header": 7}},
                    },
                    "default": {"description": "not so fine", "x-amazon-apigateway-on-default": 8},
                },
                "x-wsgw-throttle": {"rateLimit": 5, "burstLimit": 7},
            },
        },
        "x-on-paths": 9,
    },
    servers=[{"url": "https://pets.example.com/v1", "description": "ours", "x-on-server": 10}],
    tags=[{"name": "pets", "description": "of all kinds"}, {"name": "team", "x-amazon-apigateway-tag-value": "blue"}],
    components={
        "schemas": {"Page-Size": {"type": "integer", "x-on-schema": 11}, "Unused": {"type": "string"}},
        "parameters": {"trace": {"name": "X-Trace", "in": "header"}, "unused": {"name": "u", "in": "query"}},
        "examples": {"a": {"value": {"x-in-example": 12}}},
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "x-on-scheme": 13}},
    },
    info={"title": "Pets", "version": "1", "x-on-info": 14, "license": {"name": "MIT", "x-on-license": 15}},
)
HTTP = http_api(
    {
        "/pets/{id}": {
            "summary": "one pet",
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": operation({"$ref": "#/components/x-amazon-apigateway-integrations/pets"}, operationId="one"),
            "delete": operation(
                {"$ref": "#/components/x-amazon-apigateway-integrations/pets"}, security=[{"jwt": ["w"]}]
            ),
            "x-on-item": 1,
        },
        "/key": {"get": operation(security=[{"key": []}])},
        "/$default": {"x-amazon-apigateway-any-method": operation(isDefaultRoute=True)},
    },
    servers=[{"url": "/", "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}],
    components={
        "x-amazon-apigateway-integrations": {
            "pets": {"type": "http_proxy", "httpMethod": "ANY", "uri": "http://h/{id}", "payloadFormatVersion": "1.0"},
            "unused": {"type": "http_proxy", "httpMethod": "ANY", "uri": "http://h", "timeoutInMillis": 100},
        },
        "schemas": {"Pet": {"type": "object"}},
        "securitySchemes": {
            "jwt": {
                "type": "oauth2",
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://i", "audience": ["a"]},
                },
            },
            "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        },
    },
    **{"x-amazon-apigateway-cors": {"allowOrigins": ["*"]}, "x-wsgw-stages": {"$default": {"variables": {"a": "b"}}}},
)
DOCUMENTS = {
    "an HTTP API": HTTP,
    "extensions and unused parts": UNKNOWN,
    "a REST API with everything": {
        **WHOLE,
        "paths": {"/a/{id}": WHOLE["paths"]["/a/{id}"]},
        "x-wsgw-protocol": "REST",
    },
    "Swagger": SWAGGER,
    "Swagger with a host": swagger(host="h.example.com", schemes=["https", "http"], basePath="/v1"),
    "a documented API": openapi(
        {
            "/a": {
                "summary": "a",
                "get": operation(
                    summary="reads",
                    tags=["x"],
                    deprecated=True,
                    responses={"200": {"description": "200 response"}, "404": {"description": "gone"}},
                ),
            }
        },
        info={"title": "A", "version": "", "description": "says a", "contact": {"name": "c"}},
        externalDocs={"url": "http://d"},
        **{
            "x-amazon-apigateway-documentation": {
                "version": "1",
                "documentationParts": [
                    {"location": {"type": "MODEL", "name": "M"}, "properties": {"description": "m"}},
                    {"location": {"type": "METHOD", "path": "/a", "method": "PUT"}, "properties": {"summary": "p"}},
                ],
            }
        },
    ),
    "IAM by an extension": openapi({"/a": {"get": operation(**{"x-amazon-apigateway-auth": {"type": "AWS_IAM"}})}}),
    "an id of its own": openapi(**{"x-wsgw-api-id": "other", "x-wsgw-stages": {"200": {}, "a": {"accessLog": False}}}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_import_of_the_export_is_the_same_to_the_last_member(name):
    document = imported(DOCUMENTS[name])
    made = exported(document, own_version(DOCUMENTS[name], document))
    assert imported(made) == document
    for text in (as_yaml(made), as_json(made)):
        assert imported(load(text.encode(), "export").data) == document


@pytest.mark.parametrize("name", [name for name, one in DOCUMENTS.items() if one is not HTTP])
def test_swagger_and_openapi_3_say_the_same(name):
    document = imported(DOCUMENTS[name])
    for version in ("swagger", "oas30"):
        made = export_openapi(document, version).document
        assert made is not None
        back, before = comparable(imported(made)), comparable(document)
        # Swagger has no place for these, and its parameters refer to no schema.
        for one in (back, before):
            one["x-wsgw"] = {**one.get("x-wsgw", {}), "components": None, "servers": None}
            for route in one.get("routes", {}).values():
                route.get("x-wsgw", {}).pop("parameters", None)
        assert back == before


def test_no_extension_is_lost():
    made = exported(imported(UNKNOWN))
    text = json.dumps(made)
    # A text is in the export as often as in the original, but that the license is said to people.
    for key in ("x-on-parameter", "x-on-item", "x-amazon-apigateway-on-item", "x-on-body", "x-on-media", "x-on-paths"):
        assert key in text, key
    for key in ("x-on-response", "x-on-header", "x-amazon-apigateway-on-default", "x-on-server", "x-on-schema"):
        assert key in text, key
    for key in ("x-on-scheme", "x-on-info", "x-on-license", "x-in-example", "unused", "Unused"):
        assert key in text, key


def without_schemes(made: dict[str, Any]) -> dict[str, Any]:
    """`made` without the security schemes that an import keeps for the next export."""
    kept = {"securitySchemes", "securityScheme"}
    if kept.isdisjoint(made):
        without = {key: without_schemes(one) if isinstance(one, dict) else one for key, one in made.items()}
        return {key: one for key, one in without.items() if key != "x-wsgw" or one}
    return {key: one for key, one in made.items() if key not in kept}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_apis_of_this_repository_come_back(path):
    parsed = parse(path.read_bytes(), path.name, AsWritten())
    for document in parsed.documents:
        if document["protocolType"] == "WEBSOCKET":
            continue
        made = exported(document)
        again = imported(made)
        assert differences(document, again) == []
        assert without_schemes(comparable(again)) == comparable(document)
        assert imported(exported(again)) == again
        if is_openapi(load(path.read_bytes(), path.name).data):
            assert imported(exported(document, "swagger" if document["protocolType"] == "REST" else "oas30"))


_CASES = [case for case in cases() if "openapi" in case["given"]]


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["id"])
def test_the_apis_of_the_recorded_cases_come_back(case: Case) -> None:
    document = imported(case["given"]["openapi"])
    made = exported(document)
    assert load(as_yaml(made).encode(), "export").data == made
    assert imported(made) == document


def test_a_base_path_with_the_look_of_a_url_comes_back():
    data = {"swagger": "2.0", "info": {"title": "P", "version": "1"}, "paths": {}, "basePath": "http://h:9000/pets"}
    document = imported(data)
    assert imported(exported(document, "swagger")) == document


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(mutated(), st.sampled_from([None, "REST", "HTTP"]))
def test_whatever_can_be_imported_comes_back(data, protocol):
    document = import_openapi(data, protocol=protocol).document
    if document is None:
        return
    made = exported(document, own_version(data, document))
    assert load(as_yaml(made).encode(), "export").data == made
    assert imported(made) == document


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
TEMPLATES = st.dictionaries(st.sampled_from(["application/json", "text/plain", "$default"]), TEXTS, max_size=2)


@st.composite
def apis(draw: Any) -> dict[str, Any]:
    """A sound OpenAPI document of a REST API."""
    schemas = draw(st.dictionaries(NAMES, st.just({"type": "object"}), max_size=3))
    for name in list(schemas):
        schemas[name] = {"type": "object", "description": draw(TEXTS), "properties": {"x": draw(schema(list(schemas)))}}
    paths: dict[str, Any] = {}
    for names in draw(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=4, unique_by=tuple)):
        item = paths["/" + "/".join(names)] = {}
        for verb in draw(st.sets(st.sampled_from(["get", "post", "x-amazon-apigateway-any-method"]))):
            item[verb] = draw(methods(list(schemas)))
    return openapi(paths, components={"schemas": schemas}, info={"title": draw(NAMES), "description": draw(TEXTS)})


def schema(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.sampled_from([{"type": "string"}, {"type": "object", "additionalProperties": False}])
    return plain | st.sampled_from([{"$ref": f"#/components/schemas/{name}"} for name in names] or [{}])


@st.composite
def methods(draw: Any, names: list[str]) -> dict[str, Any]:
    responses = draw(
        st.dictionaries(
            st.sampled_from(["200", "4\\d{2}", "default"]),
            st.fixed_dictionaries(
                {"statusCode": st.sampled_from(["200", "404", "500"]), "responseTemplates": TEMPLATES}
            ),
            max_size=1,
        )
    )
    integration = {
        **draw(st.sampled_from([{"type": "mock"}, {"type": "http", "httpMethod": "POST", "uri": "http://h/{a}"}])),
        **draw(
            st.fixed_dictionaries({}, optional={"requestTemplates": TEMPLATES, "timeoutInMillis": st.integers(50, 900)})
        ),
        "responses": responses,
    }
    place = st.sampled_from(["query", "header"])
    parameter = st.fixed_dictionaries(
        {"name": NAMES, "in": place, "required": st.booleans(), "schema": schema([])},
        optional={"description": TEXTS},
    )
    body = {"content": {"application/json": {"schema": draw(schema(names))}}}
    return {
        **operation(integration),
        "summary": draw(TEXTS),
        "parameters": draw(st.lists(parameter, max_size=2, unique_by=lambda one: one["name"])),
        "responses": {"200": {**OK["200"], "description": draw(TEXTS), "content": body["content"]}},
        **({"requestBody": body} if draw(st.booleans()) else {}),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(apis())
def test_a_sound_api_comes_back(data):
    document = imported(data)
    made = exported(document)
    assert load(as_yaml(made).encode(), "export").data == made
    assert imported(made) == document
    assert comparable(imported(exported(document, "swagger"))) == comparable(document)
