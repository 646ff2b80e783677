"""The importer as a whole: which documents it takes, what kind of API they are, what it says of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.formats.openapi_documents import OK, PROXY, http_api, openapi, operation, swagger
from wsgw.definitions.finding import error
from wsgw.definitions.freeze import freeze
from wsgw.formats.openapi import import_openapi, pseudo_parameters_of
from wsgw.formats.parse import parse

LAMBDA_2 = {**PROXY, "type": "aws_proxy", "payloadFormatVersion": "2.0"}
SUBTYPE = {"type": "aws_proxy", "integrationSubtype": "SQS-SendMessage", "credentials": "arn:aws:iam::1:role/r"}

KINDS: list[tuple[dict[str, Any], str]] = [
    (openapi(), "REST"),
    (swagger(), "REST"),
    (http_api(), "HTTP"),
    (openapi(**{"x-amazon-apigateway-cors": {"allowOrigins": ["*"]}}), "HTTP"),
    (openapi({"/": {"get": operation(LAMBDA_2)}}), "HTTP"),
    (openapi({"/": {"get": operation({**LAMBDA_2, "payloadFormatVersion": 2.0})}}), "HTTP"),
    (openapi({"/": {"get": operation(SUBTYPE)}}), "HTTP"),
    (openapi({"/$default": {"x-amazon-apigateway-any-method": operation(isDefaultRoute=True)}}), "HTTP"),
    (openapi(components={"x-amazon-apigateway-integrations": {"pets": PROXY}}), "HTTP"),
    (openapi(**{"x-wsgw-protocol": "HTTP"}), "HTTP"),
    (http_api(**{"x-wsgw-protocol": "REST"}), "REST"),
    (openapi({"/": {"get": operation({**PROXY, "payloadFormatVersion": "1.0"})}}), "REST"),
]


@pytest.mark.parametrize(("document", "protocol"), KINDS)
def test_a_document_says_which_kind_of_api_it_describes(document, protocol):
    imported = import_openapi(document)
    assert imported.document is not None, imported.findings
    assert imported.document["protocolType"] == protocol


@pytest.mark.parametrize("function", [{"Fn::Sub": "http://${Host}/"}, {"Ref": "Url"}], ids=["Fn::Sub", "Ref"])
def test_a_function_of_cloudformation_is_no_value(function):
    imported = import_openapi(openapi({"/": {"get": operation({**PROXY, "uri": function})}}))
    assert imported.document is None
    (name,) = function
    assert f"CloudFormation's {name} is not known here" in [one.message for one in imported.findings]


def test_who_imports_may_say_which_kind_of_api_it_is():
    imported = import_openapi(openapi(), protocol="HTTP")
    assert imported.document is not None
    assert imported.document["routes"][0]["routeKey"] == "GET /pets"


@pytest.mark.parametrize("version", ["3.0.0", "3.0.1", "3.0.3", "3.1.0", 3.1])
def test_openapi_of_these_versions_is_taken(version):
    assert import_openapi({**openapi(), "openapi": version}).document


@pytest.mark.parametrize(
    "document",
    [
        {"openapi": "4.0.0"},
        {"openapi": "30.1"},
        {"openapi": "3.2.0"},
        {"swagger": "1.2"},
        {"openapi": None},
        "not a document",
        7,
    ],
)
def test_what_is_no_document_of_a_known_version_is_refused(document):
    imported = import_openapi(document)
    assert imported.document is None
    assert [finding.severity for finding in imported.findings] == ["error"]


@pytest.mark.parametrize(
    ("members", "api_id"),
    [
        ({}, "pet-store"),
        ({"x-wsgw-api-id": "shop"}, "shop"),
        ({"info": {"title": "Ünïcode & Sons (v2)"}}, "n-code-sons-v2"),
        ({"info": {"title": "!!!"}}, "api"),
    ],
)
def test_the_api_id_is_given_or_made_from_the_title(members, api_id):
    imported = import_openapi(openapi(**members))
    assert imported.document is not None
    assert imported.document["id"] == api_id


def test_pseudo_parameters_are_replaced_everywhere():
    called = "path/2015-03-31/functions/f:${AWS::AccountId}/invocations"
    uri = f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:{called}"
    document = openapi({"/": {"get": operation({"type": "aws_proxy", "httpMethod": "POST", "uri": uri})}})
    imported = import_openapi(document, pseudo_parameters=pseudo_parameters_of("cn-north-1", "123456789012"))
    assert imported.document is not None
    method = imported.document["resources"][0]["resourceMethods"]["GET"]
    expected = "arn:aws-cn:apigateway:cn-north-1:lambda:path/2015-03-31/functions/f:123456789012/invocations"
    assert method["methodIntegration"]["uri"] == expected


def test_all_that_is_wrong_is_found_at_once_each_with_its_pointer():
    document = openapi(
        {
            "/pets": {"get": operation({"type": "htp"}), "post": operation({"type": "http", "uri": "http://h"})},
            "pets": {"get": operation()},
            "/{id}/x{y}": {"get": operation()},
            "/list": [],
        },
        **{"x-amazon-apigateway-gateway-responses": {"NOPE": {}}, "x-amazon-apigateway-policy": "{"},
    )
    imported = import_openapi(document)
    assert imported.document is None
    assert {finding.pointer for finding in imported.findings if finding.severity == "error"} == {
        "/paths/~1pets/get/x-amazon-apigateway-integration/type",
        "/paths/~1pets/post/x-amazon-apigateway-integration",
        "/paths/pets",
        "/paths/~1{id}~1x{y}",
        "/paths/~1list",
        "/x-amazon-apigateway-gateway-responses/NOPE",
        "/x-amazon-apigateway-policy",
    }


def test_warnings_stop_an_import_only_if_asked():
    """Row failonwarnings."""
    document = openapi({"/pets": {"get": operation(parameters=[{"name": "a", "in": "cookie"}])}})
    kept = import_openapi(document)
    assert kept.document is not None
    assert [finding.pointer for finding in kept.warnings] == ["/paths/~1pets/get/parameters/0"]
    assert import_openapi(document, fail_on_warnings=True).document is None
    assert import_openapi(openapi(), fail_on_warnings=True).document is not None


def test_a_misspelt_extension_is_told_the_name_it_may_have_been_meant_for():
    operation = {"responses": {}, "x-amazon-apigateway-integratoin": {"type": "mock"}}
    document = {"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/a": {"get": operation}}}
    (finding,) = [one for one in import_openapi(document).findings if "not known here" in one.message]
    assert finding.remedy == "did you mean 'x-amazon-apigateway-integration'?"


def test_unknown_extensions_are_reported_and_kept():
    """T-12."""
    get = operation(**{"x-amazon-apigateway-nope": 1, "x-vendor": 2})
    get["parameters"] = [{"name": "a", "in": "query", "x-amazon-apigateway-nope": 3}]
    document = openapi(
        {"/pets": {"get": get, "x-amazon-apigateway-nope": 4}},
        **{
            "x-amazon-apigateway-nope": {"deep": [5]},
            "x-amazon-apigateway-cors": {"maxAge": 1},
            "x-wsgw-protocol": "REST",
        },
    )
    imported = import_openapi(document)
    assert imported.document is not None
    assert {finding.pointer for finding in imported.warnings} == {
        "/paths/~1pets/get/x-amazon-apigateway-nope",
        "/paths/~1pets/get/parameters/0/x-amazon-apigateway-nope",
        "/paths/~1pets/x-amazon-apigateway-nope",
        "/x-amazon-apigateway-nope",
        "/x-amazon-apigateway-cors",
    }
    assert [finding.pointer for finding in imported.info] == ["/paths/~1pets/get/x-vendor"]
    extensions = imported.document["x-wsgw"]
    assert extensions["extensions"] == {
        "x-amazon-apigateway-nope": {"deep": [5]},
        "x-amazon-apigateway-cors": {"maxAge": 1},
    }
    assert "extensionsAt" not in extensions
    pets = next(one for one in imported.document["resources"] if one["path"] == "/pets")
    assert pets["x-wsgw"]["extensions"] == {"x-amazon-apigateway-nope": 4}
    method = pets["resourceMethods"]["GET"]
    assert method["x-wsgw"]["extensions"] == {"x-amazon-apigateway-nope": 1, "x-vendor": 2}
    assert method["x-wsgw"]["parameters"] == {"method.request.querystring.a": {"x-amazon-apigateway-nope": 3}}


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
def test_importing_twice_gives_the_same_document(protocol):
    document = openapi({"/a/{b}": {"get": operation(), "post": operation()}, "/a": {"get": operation()}})
    first, second = (import_openapi(document, protocol=protocol).document for _ in range(2))
    assert first == second
    assert json.loads(json.dumps(first)) == first


def test_a_document_nested_too_deep_is_refused():
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    imported = import_openapi({**openapi(), "x-deep": deep})
    assert imported.document is None
    assert "deep" in imported.findings[0].message


YAML = b"""\
openapi: 3.0.1
info: {title: Pets, version: "1"}
paths:
  /pets:
    get:
      parameters:
        - {name: a, in: cookie}
      responses: {"200": {description: fine}}
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: GET
        uri: http://localhost:9000/pets
        passthroughBehavior: sometimes
"""


def test_a_finding_has_the_file_the_line_and_the_pointer():
    parsed = parse(YAML, "pets.yaml", {})
    assert [str(finding) for finding in parsed.findings] == [
        "pets.yaml:7: warning: /paths/~1pets/get/parameters/0: API Gateway has no cookie parameters: it is left out",
        "pets.yaml:13: error: /paths/~1pets/get/x-amazon-apigateway-integration/passthroughBehavior: 'sometimes' is "
        "not known here (known are never, when_no_match, when_no_templates)",
    ]
    assert parsed.documents == ()


def test_what_is_found_in_the_api_is_placed_in_the_document():
    """Later findings speak of the Api: `apis.pets.routes.GET /v1/pets.integration.uri`."""
    parsed = parse(YAML.replace(b"sometimes", b"never"), "pets.yaml", {})
    (document,) = parsed.documents
    placed = parsed.placed(error(("apis", "pets", "routes", "GET /pets", "integration", "uri"), "no"))
    assert (placed.line, placed.pointer) == (12, "/paths/~1pets/get/x-amazon-apigateway-integration/uri")
    missing = parsed.placed(error(("apis", "pets", "routes", "GET /pets", "integration", "credentials"), "no"))
    assert missing.pointer == "/paths/~1pets/get/x-amazon-apigateway-integration"
    assert freeze(document).routes["GET /pets"].integration is not None


def test_json_with_tabs_is_read():
    text = json.dumps(openapi({"/": {"get": operation(responses=OK)}}), indent="\t").encode()
    parsed = parse(text, "pets.json", {})
    assert [document["id"] for document in parsed.documents] == ["pet-store"]


STAGES = {"dev": None, "v1": {"variables": {"host": "h"}, "throttle": {"rateLimit": 5, "burstLimit": 7}}}


def test_the_stages_of_a_rest_api_stand_in_an_extension():
    imported = import_openapi(openapi(**{"x-wsgw-stages": STAGES}))
    assert imported.document is not None
    api = freeze(imported.document)
    assert list(api.stages) == ["dev", "v1"]
    assert api.stages["v1"].variables == {"host": "h"}
    assert api.stages["v1"].throttle is not None
    assert api.stages["v1"].throttle.rate_limit == 5


def test_the_stages_of_an_http_api_stand_in_an_extension():
    imported = import_openapi(http_api(**{"x-wsgw-stages": STAGES}))
    assert imported.document is not None
    api = freeze(imported.document)
    assert api.stages["v1"].variables == {"host": "h"}


@pytest.mark.parametrize(("document", "stage"), [(openapi(), "prod"), (http_api(), "$default")])
def test_a_document_without_stages_gets_the_default_one(document, stage):
    imported = import_openapi(document)
    assert imported.document is not None
    assert list(freeze(imported.document).stages) == [stage]


def test_a_wrong_stage_entry_is_an_error_with_its_pointer():
    imported = import_openapi(openapi(**{"x-wsgw-stages": {"dev": {"variable": {}}, "200": {"limits": 3}}}))
    assert imported.document is None
    assert {finding.pointer for finding in imported.findings} == {
        "/x-wsgw-stages/dev/variable",
        "/x-wsgw-stages/200/limits",
    }


PLACES = [
    (openapi(), ("routes", "GET /pets"), "/paths/~1pets/get"),
    (openapi(), ("routes",), "/paths"),
    (openapi(security=[]), ("routes", "GET /pets", "apiKeyRequired"), "/security"),
    (
        openapi({"/pets": {"get": operation(security=[])}}),
        ("routes", "GET /pets", "authorizationType"),
        "/paths/~1pets/get/security",
    ),
    (
        openapi({"/": {"get": operation({**PROXY, "responses": {"4..": {"statusCode": 400}}})}}),
        ("routes", "GET /", "integration", "integrationResponses", "400", "statusCode"),
        "/paths/~1/get/x-amazon-apigateway-integration/responses/4../statusCode",
    ),
    (
        openapi(components={"schemas": {"Pet-Item": {"type": "object"}}}),
        ("models", "PetItem", "schema"),
        "/components/schemas/Pet-Item",
    ),
    (
        openapi(**{"x-amazon-apigateway-gateway-responses": {"THROTTLED": {}}}),
        ("gatewayResponses", "THROTTLED", "statusCode"),
        "/x-amazon-apigateway-gateway-responses/THROTTLED",
    ),
    (
        http_api(
            {"/": {"get": operation({"$ref": "#/components/x-amazon-apigateway-integrations/pets"})}},
            components={"x-amazon-apigateway-integrations": {"pets": PROXY}},
        ),
        ("routes", "GET /", "integration", "uri"),
        "/components/x-amazon-apigateway-integrations/pets/uri",
    ),
    (http_api(**{"x-amazon-apigateway-cors": {}}), ("cors", "maxAge"), "/x-amazon-apigateway-cors"),
    (openapi(**{"x-wsgw-stages": STAGES}), ("stages", "v1", "variables", "host"), "/x-wsgw-stages/v1/variables/host"),
]


@pytest.mark.parametrize(("document", "path", "pointer"), PLACES)
def test_each_part_of_an_api_is_found_again_in_the_document(document, path, pointer):
    parsed = parse(json.dumps(document).encode(), "pets.json", {})
    assert parsed.documents, parsed.findings
    assert parsed.placed(error(("apis", "pet-store", *path), "no")).pointer == pointer


INTEGRATION = "x-amazon-apigateway-integration"
MISREAD = [
    ({"hots": "a"}, "/hots"),
    ({"paths": {"/": {"GET": operation()}}}, "/paths/~1/GET"),
    ({"paths": {"/": {"get": operation(oprationId="a")}}}, "/paths/~1/get/oprationId"),
    ({"paths": {"/": {"get": operation({**PROXY, "tlsConfig": {"insecureSkipVerify": True}})}}}, "insecureSkipVerify"),
    (
        {"paths": {"/": {"get": operation({**PROXY, "responses": {"default": {"responseTemplate": {}}}})}}},
        "/responses/default/responseTemplate",
    ),
    ({"x-amazon-apigateway-request-validators": {"all": {"validateBody": True}}}, "/all/validateBody"),
    ({"x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"status": 4}}}, "/DEFAULT_4XX/status"),
    (
        {
            "paths": {"/": {"get": operation(parameters=[{"$ref": "#/components/parameters/a", "required": True}])}},
            "components": {"parameters": {"a": {"name": "a", "in": "query"}}},
        },
        "/paths/~1/get/parameters/0/required",
    ),
]


@pytest.mark.parametrize(("members", "pointer"), MISREAD, ids=[pointer for _, pointer in MISREAD])
def test_a_member_that_nobody_reads_is_a_warning(members, pointer):
    imported = import_openapi({**openapi(), **members})
    assert imported.document is not None
    assert [one.pointer for one in imported.warnings if one.pointer.endswith(pointer)]


@pytest.mark.parametrize(
    "members",
    [
        {"x-amazon-apigateway-policy": "[" * 100_000},
        {
            "x-amazon-apigateway-documentation": {
                "documentationParts": [{"location": {"type": "API"}, "properties": "[" * 100_000}]
            }
        },
        {
            "tags": [{"name": "a"}],
            "paths": {"/": {"parameters": [{"$ref": f"#/tags/{'9' * 5000}"}], "get": operation()}},
        },
        {"tags": [{"name": "a"}], "paths": {"/": {"parameters": [{"$ref": "#/tags/\u00b2"}], "get": operation()}}},
    ],
    ids=["deep-policy", "deep-documentation", "long-index", "superscript-index"],
)
def test_what_python_cannot_take_is_a_finding(members):
    assert import_openapi({**openapi(), **members}).findings
