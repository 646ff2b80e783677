"""Request validation of a method, and the models it validates against.

Sources: developer guide, "Use request validation in API Gateway" and "Data models for REST APIs"; messages as recorded.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.gateway import TestGateway
from tests.harness.rest_api import JSON, ask, mock, rest_api
from wsgw.definitions.api import GatewayResponse
from wsgw.definitions.model import Model, RequestValidator
from wsgw.definitions.model_schema import self_contained
from wsgw.errors import DefinitionError

ALL = RequestValidator(name="all", validate_request_body=True, validate_request_parameters=True)
BODY = RequestValidator(name="body-only", validate_request_body=True)
PARAMETERS = RequestValidator(name="params-only", validate_request_parameters=True)
NEITHER = RequestValidator(name="neither")
PET = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
REQUIRED = (
    "method.request.querystring.q",
    "method.request.path.id",
    "method.request.header.X-B",
    "method.request.header.X-A",
    "method.request.querystring.b",
)
INVALID = (400, "Invalid request body")
OK = (200, "")


def model(name: str, schema: dict[str, Any], content_type: str = JSON) -> Model:
    return Model(name=name, schema=schema, content_type=content_type)


async def asked(gateway: TestGateway, verb: str, path: str, *lines: str, body: bytes = b"") -> tuple[int, str]:
    response = await ask(gateway, verb, path, *lines, body=body)
    if response.status == 400:
        assert response.header("x-amzn-errortype") == "BadRequestException"
        return 400, json.loads(response.body)["message"]
    return response.status, ""


VALIDATORS = [
    pytest.param(ALL, "/1", b"{", "Missing required request parameters: [X-A, X-B, b, q]", id="parameters first"),
    pytest.param(PARAMETERS, "/1?b=1&q=2", b"{", "Missing required request parameters: [X-A, X-B]", id="params-only"),
    pytest.param(BODY, "/1", b"{", "Invalid request body", id="body-only"),
    pytest.param(NEITHER, "/1", b"{", "", id="both flags false"),
    pytest.param(None, "/1", b"{", "", id="no validator"),
]


@pytest.mark.parametrize(("validator", "path", "body", "message"), VALIDATORS)
async def test_a_validator_says_what_is_checked(
    gateway: TestGateway, validator: RequestValidator | None, path: str, body: bytes, message: str
):
    route = mock(
        "POST /{id}", required=REQUIRED, validator=validator, request_models={JSON: "Pet"}, passthrough_behavior="NEVER"
    )
    gateway.deploy(rest_api(route, models={"Pet": model("Pet", PET)}))
    assert await asked(gateway, "POST", path, body=body) == ((400, message) if message else OK)


PRESENCE = [
    pytest.param("/?q=x", [], OK, id="there"),
    pytest.param("/?q=abc&q=def", [], OK, id="repeated"),
    pytest.param("/?q=", [], (400, "Missing required request parameters: [q]"), id="empty counts as missing"),
    pytest.param("/?Q=x", [], (400, "Missing required request parameters: [q]"), id="names have a case"),
]


@pytest.mark.parametrize(("path", "lines", "answer"), PRESENCE)
async def test_a_required_parameter_is_there(gateway: TestGateway, path: str, lines: list[str], answer: Any):
    gateway.deploy(rest_api(mock("GET /", required=("method.request.querystring.q",), validator=PARAMETERS)))
    assert await asked(gateway, "GET", path, *lines) == answer


BODIES = [
    pytest.param("POST", "", b'{"name": "Rex"}', OK, id="valid, no content type is JSON"),
    pytest.param("POST", f"{JSON}; charset=utf-8", b"{}", INVALID, id="parameters of the media type are stripped"),
    pytest.param("POST", JSON, b'{"name": 1}', INVALID, id="against the model"),
    pytest.param("POST", JSON, b'{"name": ', INVALID, id="malformed JSON"),
    pytest.param("POST", JSON, b"", INVALID, id="an empty body is an empty object"),
    pytest.param("GET", "", b"", INVALID, id="every verb, GET included"),
    pytest.param("POST", "text/plain", b"{", OK, id="no model of that type: no validation"),
]


@pytest.mark.parametrize(("verb", "content_type", "body", "answer"), BODIES)
async def test_a_body_is_validated_against_the_model_of_its_type(
    gateway: TestGateway, verb: str, content_type: str, body: bytes, answer: Any
):
    route = mock(
        "ANY /", validator=BODY, request_models={JSON: "Pet"}, request_templates={"$default": "{statusCode: 200}"}
    )
    gateway.deploy(rest_api(route, models={"Pet": model("Pet", PET)}))
    lines = [f"Content-Type: {content_type}"] if content_type else []
    assert await asked(gateway, verb, "/", *lines, body=body) == answer


async def test_a_default_model_is_for_other_types(gateway: TestGateway):
    """Unconfirmed: the fallback."""
    route = mock("POST /", validator=BODY, request_models={"$default": "Pet"})
    gateway.deploy(rest_api(route, models={"Pet": model("Pet", PET)}))
    assert await asked(gateway, "POST", "/", "Content-Type: text/csv", body=b"{}") == INVALID


async def test_the_detailed_messages_are_a_variable_of_the_gateway_response(gateway: TestGateway):
    telling = GatewayResponse(
        response_type="BAD_REQUEST_BODY", response_templates={JSON: "$context.error.validationErrorString"}
    )
    route = mock("POST /", validator=BODY, request_models={JSON: "Pet"})
    gateway.deploy(rest_api(route, models={"Pet": model("Pet", PET)}, gateway_responses={"BAD_REQUEST_BODY": telling}))
    body = (await ask(gateway, "POST", "/", body=b"{}")).body.decode()
    assert body.startswith("[")
    assert body.endswith("]")
    assert "name" in body


async def test_a_model_that_is_not_there_is_refused_when_deployed(gateway: TestGateway):
    with pytest.raises(DefinitionError, match="petModel"):
        gateway.deploy(rest_api(mock("POST /", validator=BODY, request_models={JSON: "petModel"})))


# ---- models

REF = "https://apigateway.amazonaws.com/restapis/pets/models/"
SCHEMAS = [
    pytest.param(
        {"$ref": "#/definitions/n", "definitions": {"n": {"type": "string"}}}, b'"x"', b"1", id="internal $ref"
    ),
    pytest.param({"type": "array", "items": {"$ref": f"{REF}Pet"}}, b'[{"name": "x"}]', b"[{}]", id="$ref to a model"),
    pytest.param({"$ref": f"{REF}A"}, b'{"b": {"a": {}}}', b'{"b": {"a": 1}}', id="mutual and circular references"),
    pytest.param({"oneOf": [{"type": "string"}, {"type": "null"}]}, b"null", b"1", id="oneOf and the null type"),
    pytest.param({"anyOf": [{"minimum": 5}, {"type": "boolean"}]}, b"true", b"1", id="anyOf"),
    pytest.param({"allOf": [{"minimum": 5}, {"maximum": 7}]}, b"6", b"8", id="allOf"),
    pytest.param({"items": {"items": {"type": "integer"}}}, b"[[1]]", b'[["x"]]', id="nested arrays"),
    pytest.param({"minimum": 5, "exclusiveMinimum": True}, b"6", b"5", id="draft 4: exclusiveMinimum is a boolean"),
    pytest.param({"required": ["a"]}, b'{"a": 1, "more": 2}', b'{"more": 2}', id="additional properties are allowed"),
    pytest.param({"additionalProperties": False, "properties": {"a": {}}}, b'{"a": 1}', b'{"b": 1}', id="unless not"),
    pytest.param({"enum": ["a", "b"]}, b'"a"', b'"c"', id="enum"),
    pytest.param({"pattern": "^a+$"}, b'"aa"', b'"b"', id="pattern"),
]
OTHERS = {
    "Pet": PET,
    "A": {"type": "object", "properties": {"b": {"$ref": f"{REF}B"}}},
    "B": {"type": "object", "properties": {"a": {"$ref": f"{REF}A"}}},
}


@pytest.mark.parametrize(("schema", "good", "bad"), SCHEMAS)
async def test_a_model_is_json_schema_draft_4(gateway: TestGateway, schema: dict[str, Any], good: bytes, bad: bytes):
    route = mock("POST /", validator=BODY, request_models={JSON: "M"})
    whole = self_contained({"M": schema, **OTHERS})
    gateway.deploy(rest_api(route, models={name: model(name, one) for name, one in whole.items()}))
    assert await asked(gateway, "POST", "/", body=good) == OK
    assert await asked(gateway, "POST", "/", body=bad) == INVALID


async def test_numbers_format_does_not_matter(gateway: TestGateway):
    """`format: int32` has no meaning for the validator."""
    route = mock("POST /", validator=BODY, request_models={JSON: "M"})
    schema = {"type": "integer", "format": "int32"}
    gateway.deploy(rest_api(route, models={"M": model("M", schema)}))
    assert await asked(gateway, "POST", "/", body=b"99999999999") == OK
