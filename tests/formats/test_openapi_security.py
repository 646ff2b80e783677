"""Security schemes and requirements: authorizers and what guards a method or route."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.formats.openapi_documents import http_api, openapi, operation, swagger
from wsgw.definitions.check import check
from wsgw.definitions.freeze import freeze
from wsgw.formats.openapi import Imported, import_openapi
from wsgw.formats.openapi_writer import export_openapi
from wsgw.formats.parse import parse

AUTHORIZER, TYPE = "x-amazon-apigateway-authorizer", "x-amazon-apigateway-authtype"
API_KEY = {"type": "apiKey", "name": "x-api-key", "in": "header"}
IAM = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
REQUEST = {
    "type": "apiKey",
    "name": "Custom-Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "custom",
    AUTHORIZER: {
        "type": "request",
        "identitySource": "method.request.header.Custom-Authorization",
        "authorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations",
        "authorizerResultTtlInSeconds": 300,
    },
}
TOKEN = {**REQUEST, AUTHORIZER: {"type": "token", "authorizerUri": "arn", "identityValidationExpression": "^x"}}
COGNITO = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "cognito_user_pools",
    AUTHORIZER: {"type": "cognito_user_pools", "providerARNs": ["arn:aws:cognito-idp:us-east-1:1:userpool/p"]},
}
PLAIN = {"type": "http", "scheme": "bearer"}
JWT = {
    "type": "oauth2",
    AUTHORIZER: {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": "https://issuer.example.com", "audience": ["a"]},
    },
}
SCHEMES = {"key": API_KEY, "iam": IAM, "request": REQUEST, "token": TOKEN, "cognito": COGNITO, "plain": PLAIN}


def document(security: Any = None, root: Any = None, **members: Any) -> dict[str, Any]:
    get = operation(**({} if security is None else {"security": security}), **members)
    outer = {} if root is None else {"security": root}
    return openapi({"/": {"get": get}}, components={"securitySchemes": SCHEMES}, **outer)


def method_of(imported: Imported) -> dict[str, Any]:
    assert imported.document is not None, imported.findings
    method = imported.document["resources"][0]["resourceMethods"]["GET"]
    ids = {one["id"]: one["name"] for one in imported.document["authorizers"]}
    return {**method, "authorizerId": ids.get(method.get("authorizerId"))}


REST = [
    (None, None, ("NONE", None, False)),
    ([{"key": []}], None, ("NONE", None, True)),
    ([{"iam": []}], None, ("AWS_IAM", None, False)),
    ([{"request": []}], None, ("CUSTOM", "request", False)),
    ([{"token": []}], None, ("CUSTOM", "token", False)),
    ([{"cognito": ["pets/read"]}], None, ("COGNITO_USER_POOLS", "cognito", False)),
    ([{"token": [], "key": []}], None, ("CUSTOM", "token", True)),
    ([{"token": []}, {"key": []}], None, ("CUSTOM", "token", True)),
    (None, [{"token": []}], ("CUSTOM", "token", False)),
    ([{"key": []}], [{"token": []}], ("NONE", None, True)),
    ([], [{"token": []}], ("NONE", None, False)),
]


@pytest.mark.parametrize(("security", "root", "guard"), REST)
def test_a_requirement_becomes_what_guards_the_method(security, root, guard):
    """Rows security (operation) and security (root)."""
    method = method_of(import_openapi(document(security, root)))
    assert (method["authorizationType"], method["authorizerId"], method["apiKeyRequired"]) == guard


def test_scopes_are_the_methods():
    method = method_of(import_openapi(document([{"cognito": ["pets/read", "pets/write"]}])))
    assert method["authorizationScopes"] == ["pets/read", "pets/write"]


@pytest.mark.parametrize(
    ("auth", "security", "expected"),
    [("AWS_IAM", None, "AWS_IAM"), ("aws_iam", [{"token": []}], "AWS_IAM"), ("NONE", None, "NONE")],
)
def test_the_extension_auth_says_the_type(auth, security, expected):
    """Row x-amazon-apigateway-auth."""
    members = {"x-amazon-apigateway-auth": {"type": auth}}
    method = method_of(import_openapi(document(security, [{"cognito": []}], **members)))
    assert method["authorizationType"] == expected


def test_authorizers_are_listed_with_their_members():
    """import-13, recorded."""
    imported = import_openapi(document([{"request": []}]))
    assert imported.document is not None
    by_name = {one["name"]: one for one in imported.document["authorizers"]}
    request = by_name["request"]
    assert request["type"] == "REQUEST"
    assert request["authType"] == "custom"
    assert request["identitySource"] == "method.request.header.Custom-Authorization"
    assert request["authorizerResultTtlInSeconds"] == 300
    assert by_name["token"]["identitySource"] == "method.request.header.Custom-Authorization"
    assert by_name["token"]["identityValidationExpression"] == "^x"
    assert by_name["cognito"]["providerARNs"] == ["arn:aws:cognito-idp:us-east-1:1:userpool/p"]
    assert imported.document["x-wsgw"]["securitySchemes"] == {"key": API_KEY, "iam": IAM, "plain": PLAIN}


def test_schemes_of_swagger_stand_in_security_definitions():
    get = operation(security=[{"token": []}])
    imported = import_openapi(swagger({"/": {"get": get}}, securityDefinitions={"token": TOKEN}))
    assert method_of(imported)["authorizerId"] == "token"


def test_a_requirement_of_an_unknown_scheme_is_an_error():
    """Whoever asked for a guard must not find the API open."""
    imported = import_openapi(document([{"tokn": []}]))
    assert imported.document is None
    assert [finding.pointer for finding in imported.findings] == ["/paths/~1/get/security/0/tokn"]


@pytest.mark.parametrize("security", ["token", {"token": []}, [["token"]], [3], [None]])
def test_a_requirement_that_is_none_is_an_error(security):
    assert import_openapi(document(security)).document is None


@pytest.mark.parametrize(
    "members",
    [
        {"security": None},
        {"x-amazon-apigateway-auth": None},
        {"x-amazon-apigateway-auth": {}},
        {"x-amazon-apigateway-auth": {"type": ["AWS_IAM"]}},
        {"x-amazon-apigateway-auth": {"type": True}},
        {"securty": [{"token": []}]},
        {"x-amazon-apigateway-authorizer": REQUEST[AUTHORIZER]},
        {"$ref": "#/components/guarded"},
    ],
    ids=lambda members: f"{next(iter(members))}-{len(str(members))}",
)
def test_a_guard_that_says_nothing_is_an_error(members):
    """A key that somebody left empty must not open what the whole document guards."""
    written = document(None, [{"token": []}])
    written["paths"]["/"]["get"] |= members
    assert import_openapi(written).document is None


@pytest.mark.parametrize(
    ("place", "members"),
    [
        ("item", {"security": [{"token": []}]}),
        ("item", {"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}),
        ("item", {"$ref": "#/paths/~1other"}),
        ("root", {"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}),
        ("root", {"secuirty": [{"token": []}]}),
        ("info", {"x-amazon-apigateway-policy": {"Statement": []}}),
    ],
)
def test_a_guard_where_none_is_looked_for_is_an_error(place, members):
    written = document()
    written["paths"]["/other"] = {"get": operation()}
    {"item": written["paths"]["/"], "root": written, "info": written["info"]}[place].update(members)
    assert import_openapi(written).document is None


@pytest.mark.parametrize("authtype", ["cognito_user_pools", "oauth2", ["awsSigv4"]])
def test_a_scheme_that_asks_for_a_check_and_names_no_authorizer_is_an_error_where_it_is_used(authtype):
    schemes = {"a": {"type": "apiKey", "name": "Authorization", "in": "header", TYPE: authtype}}
    used, unused = ({"/": {"get": operation(**one)}} for one in ({"security": [{"a": []}]}, {}))
    assert import_openapi(openapi(used, components={"securitySchemes": schemes})).document is None
    assert import_openapi(openapi(unused, components={"securitySchemes": schemes})).document is not None


@pytest.mark.parametrize("slip", [f"{AUTHORIZER[:-3]}ser", "x-amazon-apigateway-autype", "x-apigateway-authorizer"])
def test_a_slip_in_the_name_of_a_guard_does_not_open_what_it_was_to_guard(slip: str):
    schemes = {"a": {"type": "apiKey", "name": "Authorization", "in": "header", slip: "awsSigv4"}}
    paths = {"/": {"get": operation(security=[{"a": []}])}}
    made = import_openapi(openapi(paths, components={"securitySchemes": schemes}))
    assert made.document is None
    assert any(f"'a' has {slip} and no authorizer: nothing would guard this" in str(one) for one in made.findings)


def test_an_authorizer_beside_the_reference_of_its_scheme_is_an_error():
    schemes = {"a": {"$ref": "#/components/securitySchemes/plain", AUTHORIZER: REQUEST[AUTHORIZER]}, "plain": PLAIN}
    paths = {"/": {"get": operation(security=[{"a": []}])}}
    assert import_openapi(openapi(paths, components={"securitySchemes": schemes})).document is None


def test_an_http_api_has_no_resource_policy():
    """Whether a document is of an HTTP API may hang on one integration of it."""
    imported = import_openapi(
        http_api({"/": {"get": operation()}}, **{"x-amazon-apigateway-policy": {"Statement": []}})
    )
    assert [one.pointer for one in imported.findings if one.severity == "error"] == ["/x-amazon-apigateway-policy"]


def test_a_scheme_that_nobody_checks_is_a_warning_and_kept():
    imported = import_openapi(document([{"plain": []}]))
    assert [finding.pointer for finding in imported.warnings] == ["/paths/~1/get/security/0/plain"]
    assert method_of(imported)["x-wsgw"]["security"] == [{"plain": []}]


def test_a_second_authorizer_is_left_out_with_a_warning():
    imported = import_openapi(document([{"token": []}, {"cognito": []}]))
    assert method_of(imported)["authorizerId"] == "token"
    assert [finding.pointer for finding in imported.warnings] == ["/paths/~1/get/security/1/cognito"]


@pytest.mark.parametrize(
    "authorizer", [{"type": "jwt"}, {}, "token", {"type": "token", "authorizerResultTtlInSeconds": 4000}]
)
def test_an_authorizer_that_cannot_be_is_an_error(authorizer):
    schemes = {"a": {**REQUEST, AUTHORIZER: authorizer}}
    imported = import_openapi(openapi(components={"securitySchemes": schemes}))
    assert imported.document is None


HTTP = [
    ([{"jwt": ["pets"]}], ("JWT", "jwt", ["pets"])),
    ([{"request": []}], ("CUSTOM", "request", None)),
    ([{"iam": []}], ("AWS_IAM", None, None)),
]


@pytest.mark.parametrize(("security", "guard"), HTTP)
def test_a_requirement_becomes_what_guards_the_route_of_an_http_api(security, guard):
    """Row Authorization."""
    schemes = {"jwt": JWT, "request": REQUEST, "iam": IAM}
    imported = import_openapi(
        http_api({"/": {"get": operation(security=security)}}, components={"securitySchemes": schemes})
    )
    assert imported.document is not None, imported.findings
    (route,) = imported.document["routes"]
    ids = {one["authorizerId"]: one for one in imported.document["authorizers"]}
    authorizer = ids.get(route.get("authorizerId"), {})
    assert (route["authorizationType"], authorizer.get("name"), route.get("authorizationScopes")) == guard
    jwt = next(one for one in ids.values() if one["name"] == "jwt")
    assert jwt["authorizerType"] == "JWT"
    assert jwt["jwtConfiguration"] == {"issuer": "https://issuer.example.com", "audience": ["a"]}
    assert jwt["identitySource"] == ["$request.header.Authorization"]


def test_an_http_api_has_no_api_keys():
    components = {"securitySchemes": {"key": API_KEY}}
    imported = import_openapi(http_api({"/": {"get": operation(security=[{"key": []}])}}, components=components))
    assert imported.document is not None
    assert [finding.pointer for finding in imported.warnings] == ["/paths/~1/get/security"]
    messages = [finding.message for finding in check(freeze(imported.document))]
    assert messages == ["HTTP APIs have no API keys: nothing would ask for one"]


@pytest.mark.parametrize("value", [[], {}, True, ["a"]], ids=repr)
def test_a_validation_expression_that_is_no_text_is_an_error(value):
    """Left out, it would let more callers in."""
    scheme = {**TOKEN, AUTHORIZER: {**TOKEN[AUTHORIZER], "identityValidationExpression": value}}
    data = openapi({"/": {"get": operation(security=[{"a": []}])}}, components={"securitySchemes": {"a": scheme}})
    assert import_openapi(data).document is None


OURS = {"timeoutMs": 500, "jwksUri": "file:keys.json"}


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
def test_what_is_ours_of_an_authorizer_stands_in_its_extension(protocol):
    """And comes out again where it came from."""
    kind = "request" if protocol == "REST" else "jwt"
    scheme = {**(REQUEST if protocol == "REST" else JWT)}
    scheme[AUTHORIZER] = {**scheme[AUTHORIZER], "x-wsgw": OURS}
    data = openapi(
        {"/": {"get": operation(security=[{kind: []}])}},
        components={"securitySchemes": {kind: scheme}},
        **{"x-wsgw-protocol": protocol},
    )
    imported = import_openapi(data)
    assert imported.document is not None, imported.findings
    (authorizer,) = imported.document["authorizers"]
    assert {name: authorizer["x-wsgw"][name] for name in OURS} == OURS
    (frozen,) = freeze(imported.document).authorizers.values()
    assert (frozen.timeout_ms, frozen.jwks_uri) == (500, "file:keys.json")
    written = export_openapi(imported.document, "oas30").document
    assert written is not None
    assert written["components"]["securitySchemes"][kind][AUTHORIZER]["x-wsgw"] == OURS


@pytest.mark.parametrize(
    ("ours", "pointer", "severity"),
    [
        ({"timeoutMs": 10}, "/timeoutMs", "error"),
        ({"timeoutMs": "a"}, "/timeoutMs", "error"),
        ({"jwksUri": 1}, "/jwksUri", "error"),
        ({"timoutMs": 10}, "/timoutMs", "warning"),
        (1, "", "warning"),
    ],
    ids=str,
)
def test_what_is_wrong_with_it_is_said_with_its_place(ours, pointer, severity):
    scheme = {**REQUEST, AUTHORIZER: {**REQUEST[AUTHORIZER], "x-wsgw": ours}}
    data = openapi({"/": {"get": operation(security=[{"a": []}])}}, components={"securitySchemes": {"a": scheme}})
    imported = import_openapi(data)
    found = {finding.pointer: finding.severity for finding in (*imported.findings, *imported.warnings)}
    assert f"/components/securitySchemes/a/{AUTHORIZER}/x-wsgw{pointer}" in found, found


MEMBERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("REST", {"type": "token", "authorizerUri": "lambda:f"}, {"type": "TOKEN", "uri": "f", "result_ttl": 300}),
    ("REST", {"type": "request", "authorizerUri": "https://a.example/"}, {"called": "HTTP", "identity_sources": ()}),
    (
        "REST",
        {"type": "request", "identitySource": "method.request.header.a, context.path", "authorizerCredentials": "r"},
        {"identity_sources": ("method.request.header.a", "context.path"), "credentials": "r"},
    ),
    (
        "REST",
        {"type": "token", "identityValidationExpression": "x", "authorizerResultTtlInSeconds": 0},
        {"identity_validation_expression": "x", "result_ttl": 0},
    ),
    (
        "REST",
        {"type": "cognito_user_pools", "providerARNs": ["a", "b"]},
        {"provider_arns": ("a", "b"), "identity_sources": ("method.request.header.X",)},
    ),
    (
        "HTTP",
        {
            "type": "request",
            "authorizerUri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:f/invocations",
            "authorizerPayloadFormatVersion": "2.0",
            "enableSimpleResponses": True,
            "identitySource": "$request.header.a, $context.routeKey",
        },
        {
            "uri": "arn:f",
            "payload_format_version": "2.0",
            "simple_responses": True,
            "identity_sources": ("$request.header.a", "$context.routeKey"),
            "result_ttl": 0,
        },
    ),
    (
        "HTTP",
        {"type": "request", "identitySource": ["$request.header.a"], "authorizerCredentials": "r"},
        {"identity_sources": ("$request.header.a",), "credentials": "r", "payload_format_version": "1.0"},
    ),
    (
        "HTTP",
        {"type": "jwt", "jwtConfiguration": {"issuer": "https://i", "audience": ["a", "b"]}},
        {"type": "JWT", "issuer": "https://i", "audience": ("a", "b")},
    ),
]


@pytest.mark.parametrize(("protocol", "extension", "expected"), MEMBERS)
def test_each_member_of_an_authorizer_is_what_the_gateway_goes_by(protocol, extension, expected):
    """Row x-amazon-apigateway-authorizer."""
    scheme = {"type": "apiKey", "name": "X", "in": "header", AUTHORIZER: extension}
    data = openapi(
        {"/": {"get": operation(security=[{"a": []}])}},
        components={"securitySchemes": {"a": scheme}},
        **{"x-wsgw-protocol": protocol},
    )
    imported = import_openapi(data)
    assert imported.document is not None, imported.findings
    (frozen,) = freeze(imported.document).authorizers.values()
    assert {name: getattr(frozen, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("protocol", "extension", "member"),
    [
        ("REST", {"type": "token", "authorizerUri": "a b"}, "authorizerUri"),
        ("REST", {"type": "token", "authorizerUri": "f", "identitySource": "x"}, "identitySource"),
        ("REST", {"type": "cognito_user_pools", "providerARNs": ["x"]}, "providerARNs/0"),
        ("REST", {"type": "request", "authorizerUri": "f"}, ""),
        ("HTTP", {"type": "jwt", "jwtConfiguration": {"issuer": "i", "audience": ["a"]}}, "jwtConfiguration/issuer"),
    ],
)
def test_a_finding_about_an_authorizer_points_into_its_scheme(protocol, extension, member):
    scheme = {"type": "apiKey", "name": "X", "in": "header", AUTHORIZER: extension}
    data = openapi(components={"securitySchemes": {"a": scheme}}, **{"x-wsgw-protocol": protocol})
    parsed = parse(orjson.dumps(data), "f", {})
    found = [parsed.placed(one).pointer for one in check(freeze(parsed.documents[0]))]
    assert f"/components/securitySchemes/a/{AUTHORIZER}/{member}".rstrip("/") in found, found
