"""Parameter mapping of REST APIs. Sources: developer guide, "Parameter mapping"; recorded on the service."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.request_samples import REQUEST_ID, request
from wsgw.caller import Principal
from wsgw.errors import ApiConfigurationError, BadRequestBody, BadRequestParameters
from wsgw.invocation import HttpInvocation, Reply
from wsgw.mapping.parameters import ParameterError
from wsgw.mapping.rest_parameters import (
    compile_request_parameters,
    compile_response_parameters,
    required_request_parameters,
)

HEADERS = (("X-One", "1"), ("x-one", "2"), ("Accept", "text/plain"), ("X-Empty", ""))
BODY = b'{"name": "Rex", "age": 3, "good": true, "tags": ["a", "b"], "owner": {"id": 7}, "none": null}'

SOURCES: list[tuple[str, list[str]]] = [
    ("method.request.path.id", ["a%2Fb"]),
    ("method.request.path.other", []),
    ("method.request.querystring.q", ["two words"]),
    ("method.request.querystring.Q", []),
    ("method.request.querystring.bare", [""]),
    ("method.request.multivaluequerystring.q", ["1,two words"]),
    ("method.request.header.X-One", ["2"]),
    ("method.request.header.x-ONE", ["2"]),
    ("method.request.header.X-Missing", []),
    ("method.request.header.X-Forwarded-Proto", ["https"]),
    ("method.request.multivalueheader.X-One", ["1,2"]),
    ("method.request.body", [BODY.decode()]),
    ("method.request.body.name", ["Rex"]),
    ("method.request.body.age", ["3"]),
    ("method.request.body.good", ["true"]),
    ("method.request.body.tags", ['["a","b"]']),
    ("method.request.body.tags[1]", ["b"]),
    ("method.request.body.owner", ['{"id":7}']),
    ("method.request.body.none", []),
    ("method.request.body.missing", []),
    ("stageVariables.version", ["v1"]),
    ("stageVariables.missing", []),
    ("context.requestId", [REQUEST_ID]),
    ("context.identity.sourceIp", ["203.0.113.9"]),
    ("context.authorizer.principalId", ["user-1"]),
    ("context.authorizer.missing", []),
    ("'a literal'", ["a literal"]),
]


def asked(**fields: Any) -> HttpInvocation:
    usual: dict[str, Any] = {
        "raw_query": "q=1&q=two+words&bare",
        "headers": HEADERS,
        "body": BODY,
        "stage_variables": {"version": "v1"},
        "principal": Principal("user-1", {}),
        "path_parameters": {"id": "a%2Fb"},
    }
    return request(**{**usual, **fields})


@pytest.mark.parametrize(("source", "values"), SOURCES, ids=[source for source, _ in SOURCES])
def test_a_source_of_a_request_gives_its_value_or_leaves_the_target_out(source: str, values: list[str]) -> None:
    mapped = compile_request_parameters({"integration.request.header.X": source})(asked())
    assert [value for _, value in mapped.headers] == values


def test_all_values_of_a_repeated_query_parameter_are_repeated_in_a_query() -> None:
    mapped = compile_request_parameters(
        {
            "integration.request.querystring.all": "method.request.multivaluequerystring.q",
            "integration.request.querystring.last": "method.request.querystring.q",
        }
    )(asked())
    assert mapped.query == [("all", "1"), ("all", "two words"), ("last", "two words")]


PATH_VALUES = [
    ("method.request.path.proxy", "a/b%20c", "a/b%20c"),
    ("method.request.querystring.q", None, "two%20words"),
    ("method.request.body.tags", None, "%5B%22a%22%2C%22b%22%5D"),
    ("'a/b c'", None, "a/b%20c"),
    ("stageVariables.base", None, "v1/x"),
]


@pytest.mark.parametrize(("source", "variable", "value"), PATH_VALUES)
def test_what_was_sent_in_a_path_or_is_configured_keeps_its_slashes_in_a_path_and_all_else_is_encoded(
    source: str, variable: str | None, value: str
) -> None:
    mapped = compile_request_parameters({"integration.request.path.x": source})
    assert mapped(asked(path_parameters={"proxy": variable or ""}, stage_variables={"base": "v1/x"})).path == {
        "x": value
    }


def test_a_path_variable_is_decoded_for_a_query() -> None:
    mapped = compile_request_parameters({"integration.request.querystring.x": "method.request.path.id"})
    assert mapped(asked()).query == [("x", "a/b")]


EMPTY_BODY = [("method.request.body", ["{}"]), ("method.request.body.name", [])]


@pytest.mark.parametrize(("source", "values"), EMPTY_BODY)
def test_an_empty_body_is_an_empty_object(source: str, values: list[str]) -> None:
    mapped = compile_request_parameters({"integration.request.header.X": source})(asked(body=b""))
    assert [value for _, value in mapped.headers] == values


@pytest.mark.parametrize("body", [b'{"name":', b"[1, 2", b'"text', b'{"name": NaN}', b"[" * 100_000])
def test_a_part_of_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    mapped = compile_request_parameters({"integration.request.header.X": "method.request.body.name"})
    with pytest.raises(BadRequestBody) as raised:
        mapped(asked(body=body))
    assert raised.value.message == "Invalid JSON in request body"


def test_a_part_of_a_plain_text_is_nothing() -> None:
    mapped = compile_request_parameters({"integration.request.header.X": "method.request.body.name"})
    assert mapped(asked(body=b"name=Rex")).headers == []


INJECTIONS = [
    ("method.request.querystring.q", {"raw_query": "q=a%0d%0aX-Evil:+1"}),
    ("method.request.body.name", {"body": b'{"name": "a\\nX-Evil: 1"}'}),
    ("method.request.body.name", {"body": b'{"name": "a\\u0000"}'}),
    ("stageVariables.version", {"stage_variables": {"version": "a\rb"}}),
    ("context.authorizer.role", {"principal": Principal("u", {"role": "a\r\nX-Evil: 1"})}),
]


@pytest.mark.parametrize(("source", "fields"), INJECTIONS)
def test_no_value_starts_another_header(source: str, fields: dict[str, Any]) -> None:
    """S-05."""
    mapped = compile_request_parameters({"integration.request.header.X": source})
    with pytest.raises(ApiConfigurationError):
        mapped(asked(**fields))


@given(st.text(max_size=20))
def test_whatever_a_query_holds_a_mapped_header_is_one_line(value: str) -> None:
    """S-05."""
    mapped = compile_request_parameters({"integration.request.header.X": "method.request.querystring.q"})
    one = request()
    one._query = [("q", value)]
    try:
        headers = mapped(one).headers
    except ApiConfigurationError:
        return
    assert headers == [("X", value)]
    assert not set("\r\n\0") & set(value)


BAD_REQUEST_MAPPINGS = [
    ({"integration.request.body.x": "'1'"}, "is no target; write integration.request.path"),
    ({"integration.request.header.x": "method.request.cookie.x"}, "is no source; there are method.request"),
    ({"integration.request.header.x": "integration.response.header.x"}, "is no source"),
    ({"integration.request.header.x": "''"}, "is no source"),
    ({"integration.request.header.x": "context.requestID"}, "did you mean $context.requestId"),
    ({"integration.request.header.x": "method.request.body.a["}, "method.request.body.a["),
    ({"integration.request.header.x": "method.request.bodyx"}, "is no source"),
]


@pytest.mark.parametrize(("mapping", "text"), BAD_REQUEST_MAPPINGS)
def test_a_request_mapping_that_cannot_be_says_why(mapping: dict[str, str], text: str) -> None:
    with pytest.raises(ParameterError) as raised:
        compile_request_parameters(mapping)
    assert text in str(raised.value)


# ---- answers

REPLY = Reply(200, b'{"id": 5, "pet": {"name": "Rex"}}', [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("ETag", "x")])
REPLY_SOURCES = [
    ("integration.response.header.etag", ["x"]),
    ("integration.response.header.set-cookie", ["b=2"]),
    ("integration.response.multivalueheader.Set-Cookie", ["a=1,b=2"]),
    ("integration.response.header.missing", []),
    ("integration.response.body", ['{"id": 5, "pet": {"name": "Rex"}}']),
    ("integration.response.body.id", ["5"]),
    ("integration.response.body.pet", ['{"name":"Rex"}']),
    ("integration.response.body.missing", []),
    ("stageVariables.version", ["v1"]),
    ("context.requestId", [REQUEST_ID]),
    ("'*'", ["*"]),
]


@pytest.mark.parametrize(("source", "values"), REPLY_SOURCES, ids=[source for source, _ in REPLY_SOURCES])
def test_a_source_of_an_answer_gives_its_value_or_leaves_the_header_out(source: str, values: list[str]) -> None:
    mapped = compile_response_parameters({"method.response.header.X-It": source})
    assert mapped(asked(), REPLY) == [("X-It", value) for value in values]


@pytest.mark.parametrize(("body", "values"), [(b"", []), (b"<html>", []), (b"{", [])])
def test_a_part_of_an_answer_that_is_no_json_is_nothing(body: bytes, values: list[str]) -> None:
    mapped = compile_response_parameters({"method.response.header.X": "integration.response.body.id"})
    assert mapped(asked(), Reply(200, body)) == values


def test_an_answer_never_starts_another_header() -> None:
    """S-05."""
    mapped = compile_response_parameters({"method.response.header.X": "integration.response.body.id"})
    with pytest.raises(ApiConfigurationError):
        mapped(asked(), Reply(200, b'{"id": "1\\r\\nSet-Cookie: a=1"}'))


BAD_RESPONSE_MAPPINGS = [
    ({"method.response.body": "'1'"}, "is no target; write method.response.header"),
    ({"method.response.header.x": "method.request.header.x"}, "is no source; there are integration.response"),
    ({"method.response.header.x": "context.nothing"}, "$context has no variable"),
]


@pytest.mark.parametrize(("mapping", "text"), BAD_RESPONSE_MAPPINGS)
def test_a_response_mapping_that_cannot_be_says_why(mapping: dict[str, str], text: str) -> None:
    with pytest.raises(ParameterError) as raised:
        compile_response_parameters(mapping)
    assert text in str(raised.value)


# ---- required parameters

DECLARED = {
    "method.request.querystring.b": True,
    "method.request.querystring.a": True,
    "method.request.path.id": True,
    "method.request.header.x-key": True,
    "method.request.header.x-optional": False,
}


def test_what_is_missing_is_named_headers_first_then_paths_then_the_query() -> None:
    """Recorded on the service (2026): bare names in the order of the full keys."""
    with pytest.raises(BadRequestParameters) as raised:
        required_request_parameters(DECLARED)(request())
    assert raised.value.message == "Missing required request parameters: [x-key, id, a, b]"


COMPLETE: dict[str, Any] = {
    "headers": (("X-KEY", "k"),),
    "raw_query": "a=1&b=2",
    "path_parameters": {"id": "42"},
}


def test_a_request_with_all_of_them_passes_and_header_names_have_no_case() -> None:
    required_request_parameters(DECLARED)(request(**COMPLETE))


@pytest.mark.parametrize(
    ("fields", "missing"),
    [({"headers": (("x-key", ""),)}, "x-key"), ({"raw_query": "a=&b=2"}, "a"), ({"raw_query": "a=1&B=2"}, "b")],
)
def test_an_empty_value_counts_as_missing(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(BadRequestParameters) as raised:
        required_request_parameters(DECLARED)(request(**{**COMPLETE, **fields}))
    assert raised.value.message == f"Missing required request parameters: [{missing}]"


def test_a_declared_parameter_that_is_none_is_refused_at_deployment() -> None:
    with pytest.raises(ParameterError, match=r"write method\.request\.path"):
        required_request_parameters({"route.request.header.x": True})
