"""OpenAPI documents of HTTP APIs: what is accepted, what each extension does, what is said of the rest.

Source: developer guide, "Working with OpenAPI definitions for HTTP APIs".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.backend import Backend
from tests.harness.gateway import TestGateway
from tests.harness.http_client import Client
from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze
from wsgw.formats.openapi import import_openapi
from wsgw.formats.parse import parse

INTEGRATION = "x-amazon-apigateway-integration"
ANY = "x-amazon-apigateway-any-method"


def operation(uri: str = "http://h/", **members: Any) -> dict[str, Any]:
    written = {"type": "http_proxy", "httpMethod": "ANY", "uri": uri, "payloadFormatVersion": "1.0", **members}
    return {INTEGRATION: written, "responses": {"default": {"description": "any"}}}


def document(paths: dict[str, Any], **members: Any) -> dict[str, Any]:
    head = {"openapi": "3.0.1", "info": {"title": "web", "version": "1"}, "x-wsgw-api-id": "web"}
    return {**head, "x-amazon-apigateway-importexport-version": "1.0", "paths": paths, **members}


def deploy(gateway: TestGateway, data: dict[str, Any]) -> None:
    parsed = parse(json.dumps(data).encode(), "web.json", {})
    assert parsed.findings == ()
    gateway.deploy(*map(freeze, parsed.documents))


VERSIONS = [("3.0.0", True), ("3.0.3", True), ("2.0", False), ("4.0.0", False)]


@pytest.mark.parametrize(("version", "accepted"), VERSIONS)
def test_openapi_3_is_accepted(version: str, accepted: bool):
    """Row Accepted; 3.1 is, too: ours."""
    data = document({"/": {"get": operation()}}, openapi=version)
    if version == "2.0":
        data["swagger"] = data.pop("openapi")
    assert (import_openapi(data, protocol="HTTP").document is not None) == accepted


@pytest.mark.parametrize("form", ["JSON", "YAML"])
async def test_both_forms_are_accepted(gateway: TestGateway, backend: Backend, client: Client, form: str):
    """Row Accepted."""
    data = document({"/pets": {"get": operation(backend.url)}})
    text = json.dumps(data)
    if form == "YAML":
        text = (
            "openapi: 3.0.1\ninfo: {title: web, version: '1'}\nx-amazon-apigateway-importexport-version: '1.0'\n"
            f"paths:\n  /pets:\n    get: {json.dumps(operation(backend.url))}\n"
        )
    parsed = parse(text.encode(), f"web.{form.lower()}", {})
    gateway.deploy(*map(freeze, parsed.documents))
    assert (await client.ask("/pets")).status == 200


MODES = [("ignore", "GET /pets"), ("prepend", "GET /v1/shop/pets"), ("split", "GET /shop/pets")]
SERVERS = [
    pytest.param([{"url": "https://h/v1/shop"}], id="server url"),
    pytest.param([{"url": "https://h/{basePath}", "variables": {"basePath": {"default": "v1/shop"}}}], id="basePath"),
]


@pytest.mark.parametrize(("mode", "key"), MODES)
def test_each_basepath_mode(mode: Any, key: str):
    """Row Parameters."""
    servers = [{"url": "https://h/v1/shop"}]
    imported = import_openapi(document({"/pets": {"get": operation()}}, servers=servers), basepath=mode)
    assert imported.document is not None
    assert [route["routeKey"] for route in imported.document["routes"]] == [key]


@pytest.mark.parametrize("servers", SERVERS)
def test_the_base_path_may_be_a_variable(servers: list[Any]):
    """Row servers[0]."""
    imported = import_openapi(document({"/pets": {"get": operation()}}, servers=servers), basepath="prepend")
    assert imported.document is not None
    assert [route["routeKey"] for route in imported.document["routes"]] == ["GET /v1/shop/pets"]


@pytest.mark.parametrize("stop", [False, True], ids=["kept", "stop with failOnWarnings"])
def test_warnings(stop: bool):
    """Row warnings: invalid but not blocking, for example type AWS."""
    data = document({"/a": {"get": operation(type="aws")}, "/b": {"get": operation()}})
    imported = import_openapi(data, fail_on_warnings=stop)
    assert [finding.pointer for finding in imported.warnings] == [f"/paths/~1a/get/{INTEGRATION}/type"]
    assert (imported.document is None) == stop


INFO = [
    pytest.param({"requestBody": {"content": {}}}, "requestBody", id="requestBody"),
    pytest.param({"parameters": [{"name": "a", "in": "query", "schema": {}}]}, "parameters", id="parameters"),
]


@pytest.mark.parametrize(("members", "name"), INFO)
def test_what_is_valid_and_unsupported_is_info(members: dict[str, Any], name: str):
    """Row importInfo."""
    imported = import_openapi(document({"/": {"get": {**operation(), **members}}}))
    assert imported.findings == ()
    assert [finding.pointer for finding in imported.info] == [f"/paths/~1/get/{name}"]


def test_a_schema_of_the_components_is_info():
    """Row importInfo: schema."""
    imported = import_openapi(document({"/": {"get": operation()}}, components={"schemas": {"Pet": {}}}))
    assert imported.document is not None
    assert [finding for finding in imported.findings if finding.severity == "error"] == []
    assert any("schemas" in finding.pointer for finding in (*imported.info, *imported.warnings))


MALFORMED = [
    pytest.param({"pets": {"get": operation()}}, "/paths/pets", id="path without a slash"),
    pytest.param({"/a": {"get": {INTEGRATION: {"type": "htp"}}}}, f"/paths/~1a/get/{INTEGRATION}/type", id="no type"),
    pytest.param({"/a": []}, "/paths/~1a", id="path item that is none"),
]


@pytest.mark.parametrize(("paths", "pointer"), MALFORMED)
def test_of_what_is_malformed_nothing_is_created(paths: dict[str, Any], pointer: str):
    """Row errors."""
    imported = import_openapi(document({"/ok": {"get": operation()}, **paths}))
    assert imported.document is None
    assert (pointer, "error") in [(finding.pointer, finding.severity) for finding in imported.findings]


@pytest.mark.parametrize("name", ["AccountId", "Partition", "Region"])
def test_each_pseudo_parameter(name: str):
    """Row Variables."""
    imported = import_openapi(
        document({"/": {"get": operation(f"http://h/${{AWS::{name}}}")}}), pseudo_parameters={f"AWS::{name}": "value"}
    )
    assert imported.document is not None
    assert imported.document["integrations"][0]["integrationUri"] == "http://h/value"


async def test_the_default_endpoint_may_be_disabled(gateway: TestGateway, backend: Backend, client: Client):
    """Row servers[0]: x-amazon-apigateway-endpoint-configuration."""
    configuration = {"disableExecuteApiEndpoint": True}
    servers = [{"url": "https://h", "x-amazon-apigateway-endpoint-configuration": configuration}]
    deploy(gateway, document({"/pets": {"get": operation(backend.url)}}, servers=servers))
    assert (await client.ask("/pets")).status == 404


async def test_the_default_route(gateway: TestGateway, backend: Backend, client: Client):
    """Row path /$default."""
    deploy(gateway, document({"/$default": {ANY: {**operation(backend.url), "isDefaultRoute": True}}}))
    assert (await client.ask("/any/path", "PUT")).status == 200
    assert backend.requests[0].target == "/any/path"


async def test_each_extension_is_served(gateway: TestGateway, backend: Backend, client: Client):
    """x-amazon-apigateway-integration, -integrations with $ref, -any-method, -cors."""
    shared = operation(backend.url, requestParameters={"append:header.shared": "yes"})[INTEGRATION]
    reference = {INTEGRATION: {"$ref": "#/components/x-amazon-apigateway-integrations/shared"}}
    own = operation(
        f"{backend.url}/own",
        requestParameters={"overwrite:path": "/mapped"},
        responseParameters={"404": {"overwrite:statuscode": "200"}},
    )
    backend.on("/mapped", 404)
    paths = {"/a": {"get": reference, "put": reference}, "/b/{proxy+}": {ANY: reference}, "/own": {"get": own}}
    deploy(
        gateway,
        document(
            paths,
            components={"x-amazon-apigateway-integrations": {"shared": shared}},
            **{"x-amazon-apigateway-cors": {"allowOrigins": ["https://a.example"]}},
        ),
    )
    answers = [await client.ask("/a"), await client.ask("/a", "PUT"), await client.ask("/b/c/d", "DELETE")]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [got.header("shared") for got in backend.requests] == ["yes", "yes", "yes"]
    answer = await client.ask("/own", headers={"Origin": "https://a.example"})
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, "https://a.example")


def test_scopes_of_a_requirement_are_the_routes():
    """Row Authorization"""
    scheme = {
        "type": "oauth2",
        "flows": {},
        "x-amazon-apigateway-authorizer": {
            "type": "jwt",
            "jwtConfiguration": {"issuer": "https://issuer.example.com", "audience": ["a"]},
            "identitySource": "$request.header.Authorization",
        },
    }
    get = {**operation(), "security": [{"jwt": ["read", "write"]}]}
    imported = import_openapi(document({"/": {"get": get}}, components={"securitySchemes": {"jwt": scheme}}))
    assert imported.document is not None, imported.findings
    (route,) = imported.document["routes"]
    assert (route["authorizationType"], route["authorizationScopes"]) == ("JWT", ["read", "write"])
    api = freeze(imported.document)
    assert check(api) == []
    (frozen,) = api.routes.values()
    assert frozen.authorization_scopes == ("read", "write")
    assert api.authorizers[frozen.authorizer or ""].issuer == "https://issuer.example.com"


def test_a_tag_has_a_value():
    """x-amazon-apigateway-tag-value"""
    tags = [{"name": "team", "x-amazon-apigateway-tag-value": "blue"}]
    imported = import_openapi(document({"/": {"get": operation()}}, tags=tags))
    assert imported.document is not None
    assert imported.document["tags"] == {"team": "blue"}
