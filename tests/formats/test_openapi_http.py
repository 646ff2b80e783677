"""Documents of HTTP APIs: every element and extension that has a meaning there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.openapi_documents import OK, PROXY, http_api, operation, swagger
from wsgw.definitions.freeze import freeze
from wsgw.formats.openapi import Imported, import_openapi


def document_of(imported: Imported) -> dict[str, Any]:
    assert imported.document is not None, imported.findings
    return imported.document


def integration_of(integration: dict[str, Any]) -> dict[str, Any]:
    (made,) = document_of(import_openapi(http_api({"/": {"get": operation(integration)}})))["integrations"]
    assert isinstance(made, dict)
    return {name: value for name, value in made.items() if name != "integrationId"}


def test_swagger_is_refused():
    """Row Accepted."""
    imported = import_openapi(swagger(), protocol="HTTP")
    assert imported.document is None
    assert [finding.pointer for finding in imported.findings] == ["/swagger"]


def test_the_members_of_the_api_are_taken_from_the_document():
    cors = {
        "allowOrigins": ["https://example.com"],
        "allowMethods": ["GET"],
        "allowHeaders": ["x"],
        "exposeHeaders": ["y"],
        "maxAge": 5,
        "allowCredentials": True,
    }
    server = {"url": "https://h", "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}
    document = document_of(
        import_openapi(
            http_api(
                info={"title": "Pet Store", "version": "7", "description": "sells pets"},
                servers=[server],
                tags=[{"name": "team", "x-amazon-apigateway-tag-value": "blue"}],
                **{"x-amazon-apigateway-cors": cors},
            )
        )
    )
    expected = {
        "protocolType": "HTTP",
        "apiId": "pet-store",
        "name": "Pet Store",
        "version": "7",
        "description": "sells pets",
        "corsConfiguration": cors,
        "disableExecuteApiEndpoint": True,
        "tags": {"team": "blue"},
        "routeSelectionExpression": "$request.method $request.path",
    }
    assert {name: document[name] for name in expected} == expected
    frozen = freeze(document).cors
    assert frozen is not None
    assert frozen.allow_origins == ("https://example.com",)


ROUTES = [
    ({"/pets/{id}": {"get": operation()}}, "GET /pets/{id}"),
    ({"/{proxy+}": {"x-amazon-apigateway-any-method": operation()}}, "ANY /{proxy+}"),
    ({"/$default": {"x-amazon-apigateway-any-method": operation(isDefaultRoute=True)}}, "$default"),
    ({"/any": {"x-amazon-apigateway-any-method": operation(isDefaultRoute=True)}}, "$default"),
    ({"/$default": {"x-amazon-apigateway-any-method": operation()}}, "$default"),
]


@pytest.mark.parametrize(("paths", "key"), ROUTES)
def test_an_operation_becomes_a_route(paths, key):
    """Rows x-amazon-apigateway-any-method and path /$default."""
    document = document_of(import_openapi(http_api(paths)))
    assert list(freeze(document).routes) == [key]


def test_every_member_of_an_integration_is_taken():
    """Row Extensions used."""
    assert integration_of(
        {
            "type": "http_proxy",
            "httpMethod": "ANY",
            "uri": "http://localhost:9000/{proxy}",
            "payloadFormatVersion": "1.0",
            "credentials": "arn:aws:iam::1:role/r",
            "connectionType": "VPC_LINK",
            "connectionId": "link",
            "requestParameters": {"overwrite:path": "$request.path"},
            "responseParameters": {"404": {"overwrite:statuscode": "200"}},
            "timeoutInMillis": 30000,
            "tlsConfig": {"serverNameToVerify": "example.com"},
            "description": "pets",
        }
    ) == {
        "integrationType": "HTTP_PROXY",
        "integrationMethod": "ANY",
        "integrationUri": "http://localhost:9000/{proxy}",
        "payloadFormatVersion": "1.0",
        "credentialsArn": "arn:aws:iam::1:role/r",
        "connectionType": "VPC_LINK",
        "connectionId": "link",
        "requestParameters": {"overwrite:path": "$request.path"},
        "responseParameters": {"404": {"overwrite:statuscode": "200"}},
        "timeoutInMillis": 30000,
        "tlsConfig": {"serverNameToVerify": "example.com"},
        "description": "pets",
    }


def test_a_first_class_action_needs_no_uri():
    subtype = {
        "integrationType": "AWS_PROXY",
        "integrationSubtype": "SQS-SendMessage",
        "connectionType": "INTERNET",
        "payloadFormatVersion": "1.0",
        "credentialsArn": "arn:aws:iam::1:role/r",
        "requestParameters": {"QueueUrl": "$request.header.q", "MessageBody": "$request.body"},
    }
    written = {
        "type": "aws_proxy",
        "integrationSubtype": "SQS-SendMessage",
        "credentials": "arn:aws:iam::1:role/r",
        "requestParameters": subtype["requestParameters"],
        "payloadFormatVersion": 1.0,
    }
    assert integration_of(written) == subtype


def test_operations_may_share_an_integration_of_the_components():
    """Row x-amazon-apigateway-integrations under components."""
    reference = {"$ref": "#/components/x-amazon-apigateway-integrations/pets"}
    components = {"x-amazon-apigateway-integrations": {"pets": PROXY}}
    paths = {"/a": {"get": operation(reference)}, "/b": {"get": operation(reference)}}
    imported = import_openapi(http_api(paths, components=components))
    document = document_of(imported)
    assert imported.findings == ()
    (integration,) = document["integrations"]
    assert {route["target"] for route in document["routes"]} == {f"integrations/{integration['integrationId']}"}
    assert integration["x-wsgw"] == {"component": "pets"}


@pytest.mark.parametrize("kind", ["aws", "http", "mock"])
def test_an_integration_type_of_rest_apis_is_a_warning(kind):
    """Row warnings."""
    imported = import_openapi(http_api({"/": {"get": operation({**PROXY, "type": kind})}}))
    document = document_of(imported)
    assert [finding.pointer for finding in imported.warnings] == ["/paths/~1/get/x-amazon-apigateway-integration/type"]
    assert document["integrations"] == []
    assert "target" not in document["routes"][0]


def test_what_is_valid_and_has_no_effect_is_info():
    """Row importInfo."""
    get = operation(requestBody={"content": {}}, parameters=[{"name": "a", "in": "query"}], summary="pets")
    imported = import_openapi(http_api({"/": {"get": get}}))
    assert imported.findings == ()
    (route,) = document_of(imported)["routes"]
    assert route["x-wsgw"]["operation"] == {
        name: get[name] for name in ("requestBody", "parameters", "summary", "responses")
    }
    assert {finding.pointer for finding in imported.info} == {
        "/paths/~1/get/requestBody",
        "/paths/~1/get/parameters",
        "/paths/~1/get/summary",
    }


def test_an_export_of_a_rest_api_can_be_imported():
    """Row Exported from REST."""
    integration = {**PROXY, "passthroughBehavior": "when_no_match", "responses": {"default": {"statusCode": "200"}}}
    imported = import_openapi(http_api({"/": {"get": operation(integration)}}))
    assert imported.findings == ()
    assert len(imported.info) == 2
    (made,) = document_of(imported)["integrations"]
    assert set(made["x-wsgw"]["members"]) == {"passthroughBehavior", "responses"}


def test_all_that_is_wrong_is_found_at_once_each_with_its_pointer():
    paths = {
        "pets": {"get": operation()},
        "/a": {"get": operation({"type": "http_proxy", "uri": "http://h"}), "trace": {"responses": OK}},
        "/b": {"get": operation({"$ref": "#/components/x-amazon-apigateway-integrations/none"})},
        "/$default": {"x-amazon-apigateway-any-method": operation()},
        "/c": {"x-amazon-apigateway-any-method": operation(isDefaultRoute=True)},
    }
    cors = {"maxAge": 90_000, "allowOrigins": "*", "allowEverything": True}
    imported = import_openapi(http_api(paths, **{"x-amazon-apigateway-cors": cors}))
    assert imported.document is None
    assert {(finding.severity, finding.pointer) for finding in imported.findings} == {
        ("error", "/paths/pets"),
        ("error", "/paths/~1a/get/x-amazon-apigateway-integration"),
        ("warning", "/paths/~1a/trace"),
        ("error", "/paths/~1b/get/x-amazon-apigateway-integration/$ref"),
        ("error", "/paths/~1c/x-amazon-apigateway-any-method"),
        ("error", "/x-amazon-apigateway-cors/maxAge"),
        ("error", "/x-amazon-apigateway-cors/allowOrigins"),
        ("warning", "/x-amazon-apigateway-cors/allowEverything"),
    }
