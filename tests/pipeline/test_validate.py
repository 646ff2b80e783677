"""The validate steps of REST APIs. Sources: developer guide, "Request validation"; recorded on the service (2026)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping.request_samples import request
from wsgw.definitions.model import Model
from wsgw.errors import BadRequestBody, BadRequestParameters
from wsgw.invocation import UNPARSED
from wsgw.mapping.rest_parameters import required_request_parameters
from wsgw.mapping.variables import context_reader
from wsgw.pipeline.validate import required, schema_check, validate_body

SUM = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number", "minimum": 0, "exclusiveMinimum": True}},
    "required": ["a", "b"],
}
FAMILY = {
    "$ref": "#/definitions/Person",
    "definitions": {
        "Person": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "house": {"$ref": "#/definitions/House"}},
            "required": ["name"],
        },
        "House": {
            "type": "object",
            "properties": {"people": {"type": "array", "items": {"$ref": "#/definitions/Person"}}},
        },
    },
}
NULLABLE = {"type": "object", "properties": {"x": {"oneOf": [{"type": "null"}, {"type": "array", "minItems": 1}]}}}
JSON = (("Content-Type", "application/json"),)
GOOD = b'{"a": 1, "b": 2}'


async def checked(
    schema: dict[str, Any], body: bytes, headers: Any = JSON, key: str = "application/json"
) -> str | None:
    """The detail of the refusal, None if the body passes."""
    step = validate_body({key: Model(name="M", schema=schema)})
    try:
        await step(request("POST", headers=headers, body=body))
    except BadRequestBody as error:
        refusal = error
    else:
        return None
    assert refusal.message == "Invalid request body"
    assert (refusal.response_type, refusal.status) == ("BAD_REQUEST_BODY", 400)
    assert refusal.detail
    return refusal.detail


PASSES = [
    ("a body as the model has it", SUM, GOOD),
    ("members that no one named", SUM, b'{"a": 1, "b": 2, "c": []}'),
    ("references in a circle", FAMILY, b'{"name": "x", "house": {"people": [{"name": "y"}]}}'),
    ("oneOf with null", NULLABLE, b'{"x": null}'),
    ("oneOf with an array", NULLABLE, b'{"x": [[1]]}'),
    (
        "a format that is none",
        {"properties": {"x": {"type": "string", "format": "byte"}}},
        b'{"x": "this is no base64"}',
    ),
    ("int32 has no meaning", {"properties": {"x": {"type": "integer", "format": "int32"}}}, b'{"x": 99999999999}'),
    ("a model of nothing", {}, b"[]"),
]
REFUSED = [
    ("what is required is not there", SUM, b'{"a": 1}'),
    ("of the wrong type", SUM, b'{"a": 1, "b": "2"}'),
    ("draft 4's exclusiveMinimum", SUM, b'{"a": 1, "b": 0}'),
    ("deep in a circle", FAMILY, b'{"name": "x", "house": {"people": [{"nam": "y"}]}}'),
    ("an empty body is {}", SUM, b""),
    ("an empty body is no array", {"type": "array"}, b""),
    ("malformed", SUM, b'{"a": 1, "b": 2'),
    ("only white space", SUM, b"  "),
    ("not UTF-8", SUM, b'{"a": 1, "b": 2, "c": "\xff"}'),
    ("NaN", SUM, b'{"a": NaN, "b": 2}'),
    ("a byte order mark", SUM, b"\xef\xbb\xbf" + GOOD),
    ("nested 100,000 deep", {}, b"[" * 100_000 + b"]" * 100_000),
]


@pytest.mark.parametrize(("schema", "body"), [case[1:] for case in PASSES], ids=[case[0] for case in PASSES])
async def test_a_body_that_passes(schema: dict[str, Any], body: bytes) -> None:
    assert await checked(schema, body) is None


@pytest.mark.parametrize(("schema", "body"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_a_body_that_is_refused(schema: dict[str, Any], body: bytes) -> None:
    """S-28 among them."""
    assert await checked(schema, body) is not None


WHICH_MODEL = [
    ("no Content-Type is JSON's", (), "application/json", True),
    ("parameters don't count", (("content-type", "Application/JSON; charset=utf-8"),), "application/json", True),
    ("another type is not checked", (("Content-Type", "text/plain"),), "application/json", False),
    ("$default is for all", (("Content-Type", "text/plain"),), "$default", True),
    ("an exact key with capitals", (("Content-Type", "application/vnd.x+json"),), "application/vnd.X+json", True),
]


@pytest.mark.parametrize(
    ("headers", "key", "refused"), [case[1:] for case in WHICH_MODEL], ids=[c[0] for c in WHICH_MODEL]
)
async def test_the_model_is_the_one_of_the_content_type(headers: Any, key: str, refused: bool) -> None:
    assert (await checked(SUM, b"{}", headers, key) is not None) == refused


async def test_an_exact_type_goes_before_the_default() -> None:
    step = validate_body(
        {"$default": Model(name="D", schema={"type": "array"}), "application/json": Model(name="S", schema=SUM)}
    )
    await step(request("POST", headers=JSON, body=GOOD))


async def test_the_faults_are_a_list_in_brackets_without_a_value_of_the_client() -> None:
    detail = await checked(SUM, b'{"a": "secret-1", "b": "secret-2"}')
    assert detail is not None
    assert detail.startswith("[[a] ")
    assert ", [b] " in detail
    assert detail.endswith("]")
    assert "secret" not in detail


async def test_no_more_than_a_few_faults_are_listed() -> None:
    detail = await checked({"items": {"type": "string"}}, b"[" + b",".join([b"1"] * 100) + b"]")
    assert detail is not None
    assert detail.count("is not of type") == 8


FAULTS_OF_MANY = [
    ({"items": {"type": "string"}}, '[[0] the value is not of type "string"]'),
    ({"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "null"}}]}, "too long to be told why]"),
]


@pytest.mark.parametrize(("schema", "end"), FAULTS_OF_MANY)
async def test_a_large_body_full_of_faults_costs_no_more_than_a_sound_one(schema: dict[str, Any], end: str) -> None:
    """S-28: listing them all would take a minute."""
    started = time.process_time()
    detail = await checked(schema, b"[" + b",".join([b"1"] * 1_000_000) + b"]")
    assert time.process_time() - started < 1.5
    assert str(detail).endswith(end)


async def test_the_faults_are_a_variable() -> None:
    one = request("POST", body=b"{}")
    with pytest.raises(BadRequestBody) as raised:
        await validate_body({"application/json": Model(name="S", schema=SUM)})(one)
    one.error = raised.value
    assert context_reader("error.validationErrorString", "REST")(one) == raised.value.detail


async def test_a_body_is_parsed_once_for_validation_and_mapping() -> None:
    one = request("POST", body=GOOD)
    assert one.document is UNPARSED
    await validate_body({"application/json": Model(name="S", schema=SUM)})(one)
    assert one.document == {"a": 1, "b": 2}


async def test_a_body_of_a_type_without_a_model_is_not_parsed() -> None:
    one = request("POST", headers=(("Content-Type", "image/png"),), body=b"\x89PNG")
    await validate_body({"application/json": Model(name="S", schema=SUM)})(one)
    assert one.document is UNPARSED


def test_a_schema_that_is_none_and_one_that_reaches_out_are_refused_at_deployment() -> None:
    with pytest.raises(ValueError, match="not valid"):
        validate_body({"application/json": Model(name="S", schema={"type": "nothing"})})
    with pytest.raises(ValueError, match=r"169\.254"):
        validate_body({"application/json": Model(name="S", schema={"$ref": "http://169.254.169.254/x"})})


async def test_parameters_are_checked_by_a_step_of_their_own() -> None:
    step = required(required_request_parameters({"method.request.header.x-key": True}))
    await step(request(headers=(("X-Key", "1"),)))
    with pytest.raises(BadRequestParameters):
        await step(request())


def test_a_message_gets_only_its_first_fault() -> None:
    fault = schema_check(Model(name="S", schema=SUM))({"a": "x", "b": "y"}, 20)
    assert fault is not None
    assert fault.startswith("[a] ")


@settings(max_examples=60)
@given(st.binary(max_size=60))
async def test_whatever_bytes_come_the_step_passes_or_refuses(body: bytes) -> None:
    await checked(SUM, body)


LOOK_AHEAD = {"properties": {"password": {"type": "string", "pattern": "^(?=.*[0-9])(?=.*[a-z]).{8,64}$"}}}


async def test_patterns_with_look_ahead_work_in_bodies_of_a_usual_size() -> None:
    assert await checked(LOOK_AHEAD, b'{"password": "abcdefg1"}') is None
    assert "does not match" in str(await checked(LOOK_AHEAD, b'{"password": "abcdefgh"}'))


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(?=a)a+b", r"^(a|aa)+\1$", "(?!b)(a|a?)+$"])
@pytest.mark.parametrize("length", [16_000, 1_000_000])
async def test_no_pattern_keeps_the_gateway_busy(pattern: str, length: int) -> None:
    """S-29: some of these took half a minute."""
    body = json.dumps({"x": "a" * length + "!"}).encode()
    started = time.process_time()
    await checked({"properties": {"x": {"pattern": pattern}}}, body)
    assert time.process_time() - started < 1.5
