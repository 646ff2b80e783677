"""Documents of REST APIs: every element and extension that has a meaning there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.formats.openapi_documents import MOCK, OK, PROXY, openapi, operation, swagger
from wsgw.definitions.freeze import freeze
from wsgw.formats.openapi import Imported, import_openapi


def document_of(imported: Imported) -> dict[str, Any]:
    assert imported.document is not None, imported.findings
    return imported.document


def method_of(operation_: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The Method GET /pets that `operation_` becomes, with `members` in the path item."""
    document = document_of(import_openapi(openapi({"/pets": {"get": operation_, **members}})))
    method = document["resources"][1]["resourceMethods"]["GET"]
    assert isinstance(method, dict)
    return method


def test_the_members_of_the_api_are_taken_from_the_document():
    """Rows info.title/description/version and the extensions of the root."""
    document = document_of(
        import_openapi(
            openapi(
                info={"title": "Pet Store", "version": 2, "description": "sells pets"},
                tags=[{"name": "team", "x-amazon-apigateway-tag-value": "blue"}, {"name": "only said"}],
                **{
                    "x-amazon-apigateway-binary-media-types": ["image/png", "*/*"],
                    "x-amazon-apigateway-minimum-compression-size": 1024,
                    "x-amazon-apigateway-api-key-source": "authorizer",
                    "x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": []},
                    "x-amazon-apigateway-endpoint-configuration": {
                        "types": ["PRIVATE"],
                        "vpcEndpointIds": ["vpce-1"],
                        "ipAddressType": "dualstack",
                        "disableExecuteApiEndpoint": True,
                    },
                    "x-amazon-apigateway-security-policy": "TLS_1_2",
                    "x-amazon-apigateway-endpoint-access-mode": "STRICT",
                },
            )
        )
    )
    assert {name: document[name] for name in document if name not in ("resources", "models", "documentationParts")} == {
        "protocolType": "REST",
        "id": "pet-store",
        "name": "Pet Store",
        "description": "sells pets",
        "version": "2",
        "binaryMediaTypes": ["image/png", "*/*"],
        "minimumCompressionSize": 1024,
        "apiKeySource": "AUTHORIZER",
        "policy": '{"Version": "2012-10-17", "Statement": []}',
        "securityPolicy": "TLS_1_2",
        "endpointAccessMode": "STRICT",
        "tags": {"team": "blue"},
        "endpointConfiguration": {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"], "ipAddressType": "dualstack"},
        "disableExecuteApiEndpoint": True,
        "rootResourceId": document["resources"][0]["id"],
        "authorizers": [],
        "requestValidators": [],
        "gatewayResponses": [],
        "stages": [],
        "x-wsgw": {"tags": [{"name": "only said"}]},
    }


def test_the_endpoint_configuration_may_stand_in_the_first_server():
    server = {"url": "https://h", "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}
    assert document_of(import_openapi(openapi(servers=[server])))["disableExecuteApiEndpoint"] is True


def test_a_policy_may_be_written_as_text():
    imported = import_openapi(openapi(**{"x-amazon-apigateway-policy": '{"Statement": []}'}))
    assert document_of(imported)["policy"] == '{"Statement": []}'


@pytest.mark.parametrize("size", [-1, 10_485_761, "test", True, 1.5])
def test_a_minimum_compression_size_out_of_bounds_is_refused(size):
    imported = import_openapi(openapi(**{"x-amazon-apigateway-minimum-compression-size": size}))
    assert imported.document is None
    assert [finding.pointer for finding in imported.findings] == ["/x-amazon-apigateway-minimum-compression-size"]


VERBS = [("get", "GET"), ("head", "HEAD"), ("x-amazon-apigateway-any-method", "ANY"), ("options", "OPTIONS")]


@pytest.mark.parametrize(("key", "verb"), VERBS)
def test_an_operation_becomes_a_method(key, verb):
    """Row x-amazon-apigateway-any-method."""
    document = document_of(import_openapi(openapi({"/pets": {key: operation(operationId="listPets")}})))
    method = document["resources"][1]["resourceMethods"][verb]
    assert method["httpMethod"] == verb
    assert method["operationName"] == "listPets"


def test_trace_is_left_out_with_a_warning():
    imported = import_openapi(openapi({"/": {"trace": {"responses": OK}}}))
    assert document_of(imported)["resources"][0]["resourceMethods"] == {}
    assert [finding.pointer for finding in imported.warnings] == ["/paths/~1/trace"]


def test_parameters_become_request_parameters():
    """Row parameters in path/query/header."""
    parameters = [
        {"name": "id", "in": "path", "required": True},
        {"name": "q", "in": "query", "required": "true"},
        {"name": "X-A", "in": "header"},
        {"$ref": "#/components/parameters/page"},
    ]
    get = operation(parameters=parameters)
    shared = [{"name": "q", "in": "query", "required": False}, {"name": "lang", "in": "query"}]
    components = {"parameters": {"page": {"name": "page", "in": "query", "required": True}}}
    document = document_of(
        import_openapi(openapi({"/{id}": {"get": get, "parameters": shared}}, components=components))
    )
    assert document["resources"][1]["resourceMethods"]["GET"]["requestParameters"] == {
        "method.request.path.id": True,
        "method.request.querystring.q": True,
        "method.request.querystring.lang": False,
        "method.request.header.X-A": False,
        "method.request.querystring.page": True,
    }


@pytest.mark.parametrize(
    "parameter",
    [
        {"name": "a", "in": "cookie"},
        {"name": "filter[a]", "in": "query"},
        {"in": "query"},
        {"name": "a", "in": "formData"},
    ],
)
def test_a_parameter_that_api_gateway_has_not_is_left_out_with_a_warning(parameter):
    imported = import_openapi(openapi({"/": {"get": operation(parameters=[parameter])}}))
    assert "requestParameters" not in document_of(imported)["resources"][0]["resourceMethods"]["GET"]
    assert [finding.pointer for finding in imported.warnings] == ["/paths/~1/get/parameters/0"]


@pytest.mark.parametrize(
    "reference", ["#/components/parameters/b", "other.yaml#/a", "#/paths/~1/get/parameters/0", 3, "#/paths/~1/get/x/9"]
)
def test_a_reference_that_leads_nowhere_is_an_error(reference):
    imported = import_openapi(openapi({"/": {"get": operation(parameters=[{"$ref": reference}])}}))
    assert imported.document is None
    assert [finding.pointer for finding in imported.findings] == ["/paths/~1/get/parameters/0/$ref"]


PET = {"schemas": {"Pet": {"type": "object"}}}
PET_REFERENCE = {"$ref": "#/components/schemas/Pet"}


def test_a_request_body_becomes_request_models():
    """Row requestBody."""
    content = {"application/json": {"schema": PET_REFERENCE}, "application/xml": {"schema": PET_REFERENCE}, "a/b": {}}
    components = {**PET, "requestBodies": {"Pet": {"content": content}}}
    post = operation(requestBody={"$ref": "#/components/requestBodies/Pet"})
    document = document_of(import_openapi(openapi({"/": {"post": post}}, components=components)))
    method = document["resources"][0]["resourceMethods"]["POST"]
    assert method["requestModels"] == {"application/json": "Pet", "application/xml": "Pet"}


def test_a_body_parameter_of_swagger_becomes_request_models():
    """Row body parameter schema."""
    post = operation(parameters=[{"in": "body", "name": "pet", "schema": {"$ref": "#/definitions/Pet"}}])
    document = swagger({"/": {"post": post}}, definitions=PET["schemas"], consumes=["application/json", "text/json"])
    method = document_of(import_openapi(document))["resources"][0]["resourceMethods"]["POST"]
    assert method["requestModels"] == {"application/json": "Pet", "text/json": "Pet"}
    assert "requestParameters" not in method


def test_responses_become_method_responses():
    """Row responses.{code}."""
    answer = {
        "description": "a pet",
        "headers": {"X-Rate": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": PET_REFERENCE}, "text/plain": {"schema": {}}},
    }
    components = {**PET, "responses": {"pet": answer}}
    responses = {"200": {"$ref": "#/components/responses/pet"}, "404": {"description": "none"}, "default": {}}
    document = document_of(
        import_openapi(openapi({"/": {"get": operation(responses=responses)}}, components=components))
    )
    assert document["resources"][0]["resourceMethods"]["GET"]["methodResponses"] == {
        "200": {
            "statusCode": "200",
            "responseParameters": {"method.response.header.X-Rate": False},
            "responseModels": {"application/json": "Pet", "text/plain": "Empty"},
        },
        "404": {"statusCode": "404"},
    }


def test_responses_of_swagger_take_the_types_that_the_operation_produces():
    responses = {"200": {"description": "a pet", "schema": {"$ref": "#/definitions/Pet"}}}
    get = operation(responses=responses, produces=["application/xml"])
    document = swagger({"/": {"get": get}}, definitions=PET["schemas"], produces=["application/json"])
    method = document_of(import_openapi(document))["resources"][0]["resourceMethods"]["GET"]
    assert method["methodResponses"]["200"]["responseModels"] == {"application/xml": "Pet"}


def test_a_response_for_a_range_of_statuses_is_left_out_with_a_warning():
    """Row Not supported: wildcard statuses."""
    imported = import_openapi(openapi({"/": {"get": operation(responses={"2XX": {"description": "fine"}})}}))
    assert [finding.pointer for finding in imported.warnings] == ["/paths/~1/get/responses/2XX"]


INTEGRATION = {
    "type": "http",
    "uri": "https://${stageVariables.host}/pets",
    "httpMethod": "post",
    "credentials": "arn:aws:iam::1:role/r",
    "connectionType": "vpc_link",
    "connectionId": "link",
    "requestParameters": {"integration.request.querystring.q": "method.request.querystring.q"},
    "requestTemplates": {"application/json": "{}"},
    "passthroughBehavior": "when_no_templates",
    "contentHandling": "convert_to_text",
    "cacheKeyParameters": ["method.request.querystring.q"],
    "cacheNamespace": "pets",
    "timeoutInMillis": 5000,
    "tlsConfig": {"insecureSkipVerification": True},
    "responseTransferMode": "buffered",
    "integrationTarget": "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/a/b",
    "responses": {
        "default": {"statusCode": 200, "responseTemplates": {"application/json": "$input.body"}},
        "4\\d{2}": {
            "statusCode": "400",
            "responseParameters": {"method.response.header.X": "'x'"},
            "contentHandling": "CONVERT_TO_BINARY",
        },
    },
}


def test_every_member_of_an_integration_is_taken():
    """Rows x-amazon-apigateway-integration, integration.responses and enum values."""
    assert method_of(operation(INTEGRATION))["methodIntegration"] == {
        "type": "HTTP",
        "uri": "https://${stageVariables.host}/pets",
        "httpMethod": "POST",
        "credentials": "arn:aws:iam::1:role/r",
        "connectionType": "VPC_LINK",
        "connectionId": "link",
        "requestParameters": {"integration.request.querystring.q": "method.request.querystring.q"},
        "requestTemplates": {"application/json": "{}"},
        "passthroughBehavior": "WHEN_NO_TEMPLATES",
        "contentHandling": "CONVERT_TO_TEXT",
        "cacheKeyParameters": ["method.request.querystring.q"],
        "cacheNamespace": "pets",
        "timeoutInMillis": 5000,
        "tlsConfig": {"insecureSkipVerification": True},
        "responseTransferMode": "BUFFERED",
        "integrationTarget": "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/a/b",
        "integrationResponses": {
            "200": {"statusCode": "200", "responseTemplates": {"application/json": "$input.body"}},
            "400": {
                "statusCode": "400",
                "selectionPattern": "4\\d{2}",
                "responseParameters": {"method.response.header.X": "'x'"},
                "contentHandling": "CONVERT_TO_BINARY",
            },
        },
    }


def test_an_integration_gets_the_defaults_that_are_stored():
    """Stored defaults."""
    method = method_of(operation({**MOCK, "uri": "http://ignored", "httpMethod": "GET"}))
    integration = method["methodIntegration"]
    assert integration["passthroughBehavior"] == "WHEN_NO_MATCH"
    assert integration["timeoutInMillis"] == 29_000
    assert integration["cacheKeyParameters"] == []
    assert len(integration["cacheNamespace"]) == 10
    assert not integration.keys() & {"uri", "httpMethod", "connectionType"}
    assert method_of(operation(PROXY))["methodIntegration"]["connectionType"] == "INTERNET"


def test_a_wrong_value_type_is_api_gateways_warning():
    """Row Wrong value types."""
    get = operation({**PROXY, "requestParameters": {"integration.request.header.a": True}})
    imported = import_openapi(openapi({"/pets": {"get": get}}))
    (finding,) = imported.warnings
    assert finding.message == (
        "Invalid format for 'requestParameters'. Expected type string for property 'integration.request.header.a' of "
        "resource '/pets' and method 'GET' but got 'true'"
    )
    integration = document_of(imported)["resources"][1]["resourceMethods"]["GET"]["methodIntegration"]
    assert integration["requestParameters"] == {}


BAD_INTEGRATIONS = [
    ({"type": "http_proxy", "uri": "http://h"}, ""),
    ({"type": "http_proxy", "httpMethod": "GET"}, ""),
    ({"type": "http_proxy", "uri": "http://h", "httpMethod": "FETCH"}, "/httpMethod"),
    ({"uri": "http://h", "httpMethod": "GET"}, ""),
    ({"type": "https_proxy"}, "/type"),
    ({**MOCK, "timeoutInMillis": 10}, "/timeoutInMillis"),
    ({**MOCK, "contentHandling": "CONVERT"}, "/contentHandling"),
    ({**MOCK, "responses": []}, "/responses"),
    ({**MOCK, "responses": {"default": "200"}}, "/responses/default"),
    ("mock", ""),
    ([], ""),
]


@pytest.mark.parametrize(("integration", "pointer"), BAD_INTEGRATIONS)
def test_an_integration_that_cannot_be_is_an_error_with_its_pointer(integration, pointer):
    imported = import_openapi(openapi({"/": {"get": operation(integration)}}))
    assert imported.document is None
    errors = [finding.pointer for finding in imported.findings if finding.severity == "error"]
    assert errors == [f"/paths/~1/get/x-amazon-apigateway-integration{pointer}"]


def test_an_unknown_member_of_an_integration_is_reported_and_kept():
    imported = import_openapi(openapi({"/": {"get": operation({**MOCK, "retries": 3, "payloadFormatVersion": "1.0"})}}))
    assert [finding.pointer for finding in imported.warnings] == [
        "/paths/~1/get/x-amazon-apigateway-integration/retries"
    ]
    method = document_of(imported)["resources"][0]["resourceMethods"]["GET"]
    assert method["methodIntegration"]["x-wsgw"]["members"] == {"retries": 3, "payloadFormatVersion": "1.0"}


def test_two_integration_responses_of_one_status_are_a_warning():
    responses = {"default": {"statusCode": "200"}, "2..": {"statusCode": "200"}}
    imported = import_openapi(openapi({"/": {"get": operation({**MOCK, "responses": responses})}}))
    assert "the last is taken" in imported.warnings[0].message
    method = document_of(imported)["resources"][0]["resourceMethods"]["GET"]
    assert method["methodIntegration"]["integrationResponses"] == {
        "200": {"statusCode": "200", "selectionPattern": "2.."}
    }


VALIDATORS = {
    "all": {"validateRequestBody": True, "validateRequestParameters": True},
    "params-only": {"validateRequestBody": False, "validateRequestParameters": True},
}


def test_validators_are_the_documents_default_or_the_operations_own():
    """Rows request-validators and request-validator."""
    own = operation(**{"x-amazon-apigateway-request-validator": "params-only"})
    document = document_of(
        import_openapi(
            openapi(
                {"/": {"get": operation(), "put": own}},
                **{
                    "x-amazon-apigateway-request-validators": VALIDATORS,
                    "x-amazon-apigateway-request-validator": "all",
                },
            )
        )
    )
    names = {one["id"]: one["name"] for one in document["requestValidators"]}
    methods = document["resources"][0]["resourceMethods"]
    assert names[methods["GET"]["requestValidatorId"]] == "all"
    assert names[methods["PUT"]["requestValidatorId"]] == "params-only"
    routes = freeze(document).routes
    assert routes["GET /"].validator is not None
    assert routes["GET /"].validator.validate_request_body
    assert routes["PUT /"].validator is not None
    assert not routes["PUT /"].validator.validate_request_body


def test_an_unknown_validator_is_an_error():
    imported = import_openapi(openapi({"/": {"get": operation(**{"x-amazon-apigateway-request-validator": "al"})}}))
    assert [finding.pointer for finding in imported.findings] == ["/paths/~1/get/x-amazon-apigateway-request-validator"]
    assert imported.document is None


def test_gateway_responses_are_taken_by_type():
    """Row x-amazon-apigateway-gateway-responses."""
    written = {
        "DEFAULT_4XX": {
            "statusCode": 418,
            "responseParameters": {"gatewayresponse.header.X": "'x'"},
            "responseTemplates": {"application/json": "{}"},
        },
        "THROTTLED": {},
    }
    imported = import_openapi(openapi(**{"x-amazon-apigateway-gateway-responses": written}))
    assert document_of(imported)["gatewayResponses"] == [
        {
            "responseType": "DEFAULT_4XX",
            "statusCode": "418",
            "responseParameters": {"gatewayresponse.header.X": "'x'"},
            "responseTemplates": {"application/json": "{}"},
        },
        {"responseType": "THROTTLED"},
    ]


def parts_of(imported: Imported) -> dict[tuple[str, ...], Any]:
    parts = document_of(imported)["documentationParts"]
    return {tuple(part["location"].values()): json.loads(part["properties"]) for part in parts}


DESCRIBED = openapi(
    {
        "/pets": {
            "description": "all pets",
            "get": operation(
                summary="Lists pets",
                tags=["pets"],
                parameters=[{"name": "q", "in": "query", "description": "which"}],
                requestBody={"description": "none", "content": {}},
                responses={"200": {"description": "pets", "headers": {"X": {"description": "x"}}}},
            ),
        }
    },
    info={"title": "Pet Store", "description": "sells pets", "contact": {"name": "us"}},
    **{
        "x-amazon-apigateway-documentation": {
            "version": "1",
            "documentationParts": [
                {"location": {"type": "METHOD", "path": "/pets", "method": "GET"}, "properties": {"summary": "own"}},
                {"location": {"type": "MODEL", "name": "Pet"}, "properties": '{"description": "a pet"}'},
            ],
        }
    },
)


def test_what_a_document_says_to_people_becomes_documentation_parts():
    """Row x-amazon-apigateway-documentation, and descriptions where it has no part."""
    imported = import_openapi(DESCRIBED)
    assert imported.findings == ()
    assert parts_of(imported) == {
        ("METHOD", "/pets", "GET"): {"summary": "own"},
        ("MODEL", "Pet"): {"description": "a pet"},
        ("API",): {"info": {"description": "sells pets", "contact": {"name": "us"}}},
        ("RESOURCE", "/pets"): {"description": "all pets"},
        ("QUERY_PARAMETER", "/pets", "GET", "q"): {"description": "which"},
        ("REQUEST_BODY", "/pets", "GET"): {"description": "none"},
        ("RESPONSE", "/pets", "GET", "200"): {"description": "pets"},
        ("RESPONSE_HEADER", "/pets", "GET", "200", "X"): {"description": "x"},
    }
    assert document_of(imported)["x-wsgw"]["documentation"] == {"version": "1"}


def test_documentation_may_be_left_out():
    """Row other parameters: ignore=documentation."""
    imported = import_openapi(DESCRIBED, ignore_documentation=True)
    assert parts_of(imported) == {}
    assert imported.findings == ()


@pytest.mark.parametrize("key", ["callbacks", "servers"])
def test_what_operations_cannot_have_is_a_warning(key):
    imported = import_openapi(openapi({"/": {"get": operation(**{key: {}})}}))
    assert [finding.pointer for finding in imported.warnings] == [f"/paths/~1/get/{key}"]
