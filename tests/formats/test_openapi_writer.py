"""What an export looks like: as API Gateway's own, with the extensions that are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.openapi_documents import MOCK, PROXY, http_api, openapi, operation
from wsgw.formats.openapi import import_openapi
from wsgw.formats.openapi_form import EXTENSIONS
from wsgw.formats.openapi_writer import export_openapi

INTEGRATION = "x-amazon-apigateway-integration"
ANY = "x-amazon-apigateway-any-method"
AUTHORIZER = {
    "type": "apiKey",
    "name": "Token",
    "in": "header",
    "x-amazon-apigateway-authtype": "custom",
    "x-amazon-apigateway-authorizer": {
        "type": "token",
        "authorizerUri": "arn:aws:lambda:x",
        "authorizerResultTtlInSeconds": 3,
    },
}
API = openapi(
    {
        "/pets/{id}": {
            "get": {
                **operation(
                    {
                        **PROXY,
                        "type": "http",
                        "requestParameters": {"integration.request.path.id": "method.request.path.id"},
                        "responses": {
                            "default": {"statusCode": "200", "responseTemplates": {"application/json": "a\nb\n"}},
                            "4\\d{2}": {"statusCode": "404"},
                        },
                    }
                ),
                "operationId": "getPet",
                "parameters": [{"name": "id", "in": "path", "required": True}, {"name": "all", "in": "query"}],
                "responses": {
                    "200": {
                        "description": "a pet",
                        "headers": {"X-Count": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                    }
                },
                "security": [{"auth": ["read"]}, {"key": []}],
                "x-amazon-apigateway-request-validator": "all",
            },
            ANY: operation(
                MOCK,
                requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
            ),
        }
    },
    components={
        "schemas": {"Pet": {"type": "object", "properties": {"mate": {"$ref": "#/components/schemas/Pet"}}}},
        "securitySchemes": {"auth": AUTHORIZER, "key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
    },
    **{
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True}},
        "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"statusCode": 400}},
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "x-amazon-apigateway-minimum-compression-size": 10,
        "x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": []},
        "x-amazon-apigateway-endpoint-configuration": {"types": ["REGIONAL"], "disableExecuteApiEndpoint": True},
        "x-amazon-apigateway-documentation": {
            "documentationParts": [{"location": {"type": "MODEL", "name": "Pet"}, "properties": {"description": "p"}}]
        },
        "x-wsgw-stages": {"prod": {"variables": {"a": "b"}, "throttle": {"rateLimit": 1, "burstLimit": 2}}},
    },
)


def document_of(data: dict[str, Any]) -> dict[str, Any]:
    document = import_openapi(data).document
    assert document is not None
    return document


def exported(data: dict[str, Any], *options: Any) -> dict[str, Any]:
    made = export_openapi(document_of(data), *options)
    assert made.document is not None, made.findings
    return made.document


def test_a_rest_api_in_openapi_3():
    """rest.md 44: an integration's responses by pattern, references to models, schemes of authorizers and keys."""
    made = exported(API)
    assert made["openapi"] == "3.0.1"
    assert made["info"] == {"title": "Pet Store", "version": "1.0"}
    item = made["paths"]["/pets/{id}"]
    assert item["get"] == {
        "operationId": "getPet",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "all", "in": "query", "schema": {"type": "string"}},
        ],
        "responses": {
            "200": {
                "description": "a pet",
                "headers": {"X-Count": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            }
        },
        "security": [{"key": []}, {"auth": ["read"]}],
        "x-amazon-apigateway-request-validator": "all",
        INTEGRATION: {
            "type": "http",
            "httpMethod": "GET",
            "uri": "http://localhost:9000/pets",
            "requestParameters": {"integration.request.path.id": "method.request.path.id"},
            "passthroughBehavior": "when_no_match",
            "responses": {
                "default": {"statusCode": "200", "responseTemplates": {"application/json": "a\nb\n"}},
                "4\\d{2}": {"statusCode": "404"},
            },
        },
    }
    body = item[ANY]["requestBody"]
    assert body == {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
    assert made["components"]["schemas"]["Pet"]["properties"] == {"mate": {"$ref": "#/components/schemas/Pet"}}
    assert made["components"]["securitySchemes"] == {
        "auth": AUTHORIZER,
        "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    }
    endpoint = {"types": ["REGIONAL"], "disableExecuteApiEndpoint": True}
    assert made["servers"] == [{"url": "/", "x-amazon-apigateway-endpoint-configuration": endpoint}]
    for name in (
        "x-amazon-apigateway-binary-media-types",
        "x-amazon-apigateway-minimum-compression-size",
        "x-amazon-apigateway-policy",
        "x-amazon-apigateway-documentation",
        "x-wsgw-stages",
    ):
        assert made[name] == API[name], name
    assert made["x-amazon-apigateway-gateway-responses"] == {"DEFAULT_4XX": {"statusCode": "400"}}


def test_a_rest_api_in_swagger():
    made = exported(API, "swagger")
    assert made["swagger"] == "2.0"
    assert "openapi" not in made
    assert made["x-amazon-apigateway-endpoint-configuration"] == {
        "types": ["REGIONAL"],
        "disableExecuteApiEndpoint": True,
    }
    get, every = made["paths"]["/pets/{id}"]["get"], made["paths"]["/pets/{id}"][ANY]
    assert get["parameters"][1] == {"name": "all", "in": "query", "type": "string"}
    assert get["produces"] == ["application/json"]
    assert get["responses"]["200"]["schema"] == {"$ref": "#/definitions/Pet"}
    assert get["responses"]["200"]["headers"] == {"X-Count": {"type": "string"}}
    assert every["consumes"] == ["application/json"]
    assert every["parameters"] == [
        {"in": "body", "name": "Pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    ]
    assert set(made["securityDefinitions"]) == {"auth", "key"}
    assert made["definitions"]["Pet"]["properties"] == {"mate": {"$ref": "#/definitions/Pet"}}


def names_in(value: Any) -> set[str]:
    """Every extension anywhere in `value`."""
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if not isinstance(value, dict):
        return set()
    return {key for key in value if key.startswith("x-")}.union(*map(names_in, value.values()))


GROUPS = {
    "integrations": {INTEGRATION},
    "authorizers": {"x-amazon-apigateway-authorizer", "x-amazon-apigateway-authtype"},
    "documentation": {"x-amazon-apigateway-documentation"},
    "validators": {"x-amazon-apigateway-request-validator", "x-amazon-apigateway-request-validators"},
    "gatewayresponses": {"x-amazon-apigateway-gateway-responses"},
    "postman": set(),
}


@pytest.mark.parametrize("version", ["oas30", "swagger"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_extensions_is_written_alone(group, version):
    """rest.md 44, parameters.extensions."""
    assert names_in(exported(API, version, [group])) == GROUPS[group] | {ANY}


def test_apigateway_is_every_extension():
    assert exported(API, "oas30", ["apigateway"]) == exported(API, "oas30", EXTENSIONS) == exported(API)


def test_without_extensions_only_the_key_of_the_any_method_stays():
    plain = exported(API, "oas30", [])
    assert names_in(plain) == {ANY}
    assert "servers" not in plain
    assert plain["paths"]["/pets/{id}"]["get"]["security"] == [{"key": []}, {"auth": ["read"]}]


def test_an_http_api():
    """http.md 24."""
    data = http_api(
        {
            "/a/{id+}": {"get": operation({**PROXY, "payloadFormatVersion": "2.0", "timeoutInMillis": 50})},
            "/$default": {ANY: operation(isDefaultRoute=True)},
        }
    )
    document = document_of(data)
    for route in document["routes"]:
        route["x-wsgw"] = {}
    made = export_openapi(document).document
    assert made is not None
    assert made["x-amazon-apigateway-importexport-version"] == "1.0"
    assert made["paths"]["/a/{id+}"] == {
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "description": "Generated path parameter for id",
                "required": True,
                "schema": {"type": "string"},
            }
        ],
        "get": {
            "responses": {"default": {"description": "Default response for GET /a/{id+}"}},
            INTEGRATION: {
                "payloadFormatVersion": "2.0",
                "type": "http_proxy",
                "httpMethod": "GET",
                "uri": "http://localhost:9000/pets",
                "connectionType": "INTERNET",
                "timeoutInMillis": 50,
            },
        },
    }
    assert made["paths"]["/$default"][ANY]["isDefaultRoute"] is True
    assert names_in(export_openapi(document, "oas30", []).document) == {ANY}


def test_an_api_without_schemes_gets_those_that_its_methods_ask_for():
    document = document_of(openapi({"/a": {"get": operation(), "put": operation()}}))
    methods = document["resources"][1]["resourceMethods"]
    methods["GET"]["apiKeyRequired"] = True
    methods["PUT"]["authorizationType"] = "AWS_IAM"
    made = export_openapi(document).document
    assert made is not None
    assert made["paths"]["/a"]["get"]["security"] == [{"api_key": []}]
    assert made["components"]["securitySchemes"] == {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}
    assert made["paths"]["/a"]["put"]["x-amazon-apigateway-auth"] == {"type": "AWS_IAM"}


def test_a_guard_that_cannot_be_said_keeps_the_api_from_being_exported():
    document = document_of(openapi({"/a": {"get": operation()}}))
    document["resources"][1]["resourceMethods"]["GET"]["authorizationType"] = "CUSTOM"
    made = export_openapi(document)
    assert made.document is None
    assert [finding.path[-1] for finding in made.findings] == ["authorizationType"]


def test_what_openapi_cannot_say_is_a_warning():
    document = document_of(openapi({"/a": {"get": operation({**MOCK, "responses": {"a": {"statusCode": 200}}})}}))
    responses = document["resources"][1]["resourceMethods"]["GET"]["methodIntegration"]["integrationResponses"]
    responses["404"] = {"statusCode": "404", "selectionPattern": "a"}
    made = export_openapi(document)
    assert made.document is not None
    assert {finding.severity for finding in made.findings} == {"warning"}
    assert any("integrationResponses" in finding.path for finding in made.findings)


@pytest.mark.parametrize(
    ("protocol", "version", "remedy"), [("WEBSOCKET", "oas30", "native"), ("HTTP", "swagger", "oas30")]
)
def test_a_form_that_a_kind_of_api_does_not_have_is_an_error_that_names_the_one_it_has(protocol, version, remedy):
    made = export_openapi({"protocolType": protocol, "apiId": "a", "name": "a"}, version)
    assert made.document is None
    assert remedy in made.findings[0].remedy


def test_models_that_every_api_has_are_written_where_they_are_used():
    used = {"200": {"description": "x", "content": {"application/json": {"schema": {}}}}}
    made = exported(openapi({"/a": {"get": operation(responses=used)}}))
    assert made["components"]["schemas"] == {"Empty": {"title": "Empty Schema", "type": "object"}}
    assert "components" not in exported(openapi())


@pytest.mark.parametrize("version", ["oas30", "swagger"])
def test_models_that_every_api_has_stand_in_the_export_where_the_api_does_not_define_them(version: Any):
    """As of an API of the native format, which needs no definition of them."""
    method = {
        "httpMethod": "POST",
        "authorizationType": "NONE",
        "requestModels": {"application/json": "Empty"},
        "methodResponses": {"400": {"statusCode": "400", "responseModels": {"application/json": "Error"}}},
        "methodIntegration": {"type": "HTTP_PROXY", "httpMethod": "POST", "uri": "http://localhost"},
    }
    resources = [
        {"id": "r", "path": "/"},
        {"id": "a", "path": "/a", "parentId": "r", "resourceMethods": {"POST": method}},
    ]
    document = {"protocolType": "REST", "id": "a", "name": "a", "resources": resources, "models": [], "stages": []}
    made = export_openapi(document, version)
    assert not made.findings
    assert made.document is not None
    schemas = made.document["components"]["schemas"] if version == "oas30" else made.document["definitions"]
    assert sorted(schemas) == ["Empty", "Error"]
    assert schemas["Error"]["properties"] == {"message": {"type": "string"}}
    assert import_openapi(made.document).document is not None
