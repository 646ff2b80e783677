"""Parameter mapping of HTTP APIs: targets, values, what is refused, and that a value never becomes more than one."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.request_samples import REQUEST_ID, request
from wsgw.errors import ApiConfigurationError, BadRequest
from wsgw.invocation import HttpInvocation, Reply
from wsgw.mapping.http_parameters import (
    RESERVED_HEADERS,
    MappedRequest,
    ResponseMapping,
    compile_request_mapping,
    compile_response_mappings,
)
from wsgw.mapping.http_values import BODY_BYTES, compile_value
from wsgw.mapping.parameters import ParameterError


def mapped(parameters: dict[str, str], invocation: HttpInvocation) -> MappedRequest:
    mapping = compile_request_mapping(parameters)
    assert mapping is not None
    return mapping.apply(invocation)


def answered(parameters: dict[str, str], reply: Reply, invocation: HttpInvocation | None = None) -> Reply:
    compile_response_mappings({str(reply.status): parameters})[reply.status].apply(invocation or request(), reply)
    return reply


SAMPLE = {
    "rest": "/pets/a%20b",
    "raw_query": "Q=1&q=2&q=%C3%A9",
    "headers": [("X-A", "one"), ("x-a", "two"), ("Host", "h")],
    "body": b'{"pet": {"id": 7, "tags": ["a", "b"], "none": null, "ok": true}, "a..b": 1}',
    "path_parameters": {"id": "a%20b", "proxy": "x/y%2Fz"},
    "stage_variables": {"env": "test"},
}

VALUES = [
    ("$request.header.X-a", "one,two"),
    ("$request.header.x-forwarded-for", "203.0.113.9"),
    ("$request.header.nothing", None),
    ("$request.querystring.q", "2,é"),
    ("$request.querystring.Q", "1"),
    ("$request.querystring.nothing", None),
    ("$request.body", SAMPLE["body"].decode()),  # type: ignore[attr-defined]
    ("$request.body.pet.id", "7"),
    ("$request.body.pet.ok", "true"),
    ("$request.body.pet.tags", '["a","b"]'),
    ("$request.body.pet.tags[1]", "b"),
    ("$request.body.pet.none", None),
    ("$request.body.nothing", None),
    ("$request.path", "/pets/a%20b"),
    ("$request.path.id", "a b"),
    ("$request.path.nothing", None),
    ("$context.requestId", REQUEST_ID),
    ("$context.httpMethod", "GET"),
    ("$stageVariables.env", "test"),
    ("$stageVariables.nothing", None),
    ("text", "text"),
    ("$5.00 and 'quotes'", "$5.00 and 'quotes'"),
    ("${request.header.x-a} ${request.path.id}!", "one,two a b!"),
    ("${request.header.nothing}", ""),
    ("<${stageVariables.nothing}>${context.requestId}", f"<>{REQUEST_ID}"),
]


@pytest.mark.parametrize(("expression", "value"), VALUES, ids=[one for one, _ in VALUES])
def test_each_value_of_a_request_reads_what_it_names(expression: str, value: str | None):
    assert compile_value(expression, "request").read(request(**SAMPLE), None) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("$request.body..id", "no recursive descent"),
        ("$request.body.pets[?(@.id)]", "no filters"),
        ("$request.cookie.a", "has no $request.cookie.a"),
        ("$response.header.a", "a request mapping has no $response.header.a"),
        ("$context.nothing", "nothing"),
        ("a $request.header.a", "in braces"),
        ("${request.header.a} $context.requestId", "in braces"),
        ("${request.header.a} ${", "in braces"),
        ("$request.header.", "has no"),
        ("$request.body.[", ""),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_a_remedy(expression: str, says: str):
    with pytest.raises(ParameterError) as refused:
        compile_request_mapping({"append:header.x": expression})
    assert says in str(refused.value)
    assert "append:header.x" in str(refused.value)


@pytest.mark.parametrize("name", [*sorted(RESERVED_HEADERS), "Access-Control-Allow-Origin", "X-Amz-Date", "x-amzn-a"])
@pytest.mark.parametrize("operation", ["append", "overwrite", "remove"])
def test_reserved_headers_are_mapped_in_neither_direction(name: str, operation: str):
    with pytest.raises(ParameterError, match="reserved"):
        compile_request_mapping({f"{operation}:header.{name}": "x"})
    with pytest.raises(ParameterError, match="reserved"):
        compile_response_mappings({"200": {f"{operation}:header.{name}": "x"}})


@pytest.mark.parametrize(
    "key", ["header.a", "append:path", "overwrite:path.x", "append:cookie.a", "append:header.", "append:header.a b", ""]
)
def test_a_request_target_that_cannot_be_is_refused(key: str):
    with pytest.raises(ParameterError, match=re.escape(repr(key))):
        compile_request_mapping({key: "x"})


@pytest.mark.parametrize(
    "key", ["append:querystring.a", "overwrite:path", "remove:statuscode", "append:header.a b", "statuscode"]
)
def test_a_response_target_that_cannot_be_is_refused(key: str):
    with pytest.raises(ParameterError, match=re.escape(repr(key))):
        compile_response_mappings({"200": {key: "200"}})


@pytest.mark.parametrize("code", ["default", "199", "600", "2xx", ""])
def test_response_parameters_are_of_a_status_from_200_to_599(code: str):
    with pytest.raises(ParameterError, match="200 to 599"):
        compile_response_mappings({code: {}})


@pytest.mark.parametrize("status", ["99", "600", "teapot", ""])
def test_a_constant_status_is_one_from_200_to_599(status: str):
    with pytest.raises(ParameterError, match="no status code"):
        compile_response_mappings({"200": {"overwrite:statuscode": status}})


def test_what_reads_the_body_says_so():
    for expression in ("$request.body", "$request.body.a", "${request.body.a}x", "$request.body[0]"):
        assert compile_value(expression, "request").needs_body
    for expression in ("$request.header.body", "$request.path.body", "body", "${context.requestId}"):
        assert not compile_value(expression, "request").needs_body


def test_nothing_mapped_is_no_mapping():
    assert compile_request_mapping({}) is None
    assert compile_response_mappings({}) == {}


def test_a_body_is_cut_off_at_100_kb():
    text = request(body=b"x" * (BODY_BYTES + 1))
    assert compile_value("$request.body", "request").read(text, None) == "x" * BODY_BYTES
    body = b'{"a": 1, "b": "' + b"x" * BODY_BYTES + b'"}'
    assert compile_value("$request.body.a", "request").read(request(body=body), None) is None


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_has_no_parts(body: bytes):
    assert compile_value("$request.body.a", "request").read(request(body=body), None) is None


# ---- the path


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("$request.path", "/pets/a%20b"),
        ("/x/${request.path.id}", "/x/a%20b"),
        ("/x/${request.path.proxy}/y", "/x/x/y%2Fz/y"),
        ("/x/${request.querystring.q}", "/x/2,%C3%A9"),
        ("no/slash", "/no/slash"),
        ("/a b?c#d", "/a%20b%3Fc%23d"),
        ("/already%20encoded", "/already%20encoded"),
        ("$request.header.nothing", None),
    ],
)
def test_a_path_is_sent_encoded_once(expression: str, path: str | None):
    assert mapped({"overwrite:path": expression}, request(**SAMPLE)).path == path  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["..", ".", "a/../b", "..;x", "a/.."])
def test_a_value_makes_no_dot_segment_of_a_path(value: str):
    """S-53"""
    with pytest.raises(BadRequest):
        mapped({"overwrite:path": "/x/${request.header.a}"}, request(headers=[("a", value)]))


@given(st.text())
def test_whatever_a_value_is_a_path_stays_one_visible_path(value: str):
    try:
        path = mapped({"overwrite:path": "/x/${request.body}"}, request(body=value.encode("utf-8", "replace"))).path
    except BadRequest:
        assert "." in value
        return
    assert path is not None
    assert re.fullmatch(r"/[!-~]*", path)
    assert not set("?#") & set(path)
    assert unquote(path) == "/x/" + value.encode("utf-8", "replace").decode("utf-8", "replace")


# ---- headers and queries


def test_host_can_be_overwritten_with_a_host_only():
    assert mapped({"overwrite:header.Host": "a.example:8080"}, request()).authority == "a.example:8080"
    for bad in ("a b", "a/b", "a@b", "a\r\nb"):
        with pytest.raises(BadRequest):
            mapped({"overwrite:header.host": "$request.header.x"}, request(headers=[("x", bad)]))
    with pytest.raises(ParameterError, match="only be overwritten"):
        compile_request_mapping({"remove:header.host": "''"})


def test_appended_values_come_behind_overwritten_ones():
    made = mapped({"append:header.a": "2", "overwrite:header.a": "1", "append:querystring.q": "x"}, request())
    assert made.headers == [("a", "1"), ("a", "2")]
    assert made.query == [("q", "x")]


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({"remove:querystring.a": "''"}, "b=%20"),
        ({"overwrite:querystring.a": "n w"}, "b=%20&a=n+w"),
        ({"append:querystring.a": "3"}, "a=1&b=%20&%61=2&a=3"),
        ({"overwrite:querystring.a": "$request.header.nothing"}, "b=%20"),
        ({"remove:querystring.A": "''"}, "a=1&b=%20&%61=2"),
    ],
    ids=["remove", "overwrite", "append", "overwrite-without-value", "case-sensitive"],
)
def test_a_query_is_changed_by_name_and_otherwise_left_as_it_was_sent(parameters: dict[str, str], query: str):
    invocation = request(raw_query="a=1&b=%20&%61=2")
    mapping = compile_request_mapping(parameters)
    assert mapping is not None
    assert mapping.query_of(invocation.raw_query, mapping.apply(invocation).query) == query


@given(st.text(alphabet="ab=&;%+61 x", max_size=30))
def test_a_removed_name_is_gone_however_it_is_written(raw_query: str):
    mapping = compile_request_mapping({"remove:querystring.a": "''"})
    assert mapping is not None
    left = mapping.query_of(raw_query.replace(" ", ""), [])
    assert "a" not in {name for name, _ in parse_qsl(left.replace(";", "&"), keep_blank_values=True)}


@given(st.text())
def test_no_value_ends_the_header_that_it_is_for(value: str):
    """S-05"""
    body = value.encode("utf-8", "replace")
    try:
        ((_, text),) = mapped({"append:header.x": "v${request.body}"}, request(body=body)).headers
    except BadRequest:
        assert any(character < " " or character == "\x7f" for character in value)
        return
    assert not set(text) & set("\r\n\0")


# ---- answers


def test_an_answers_mapping_reads_its_headers_and_body():
    reply = Reply(200, b'{"id": 7, "list": [1]}', [("X-A", "1"), ("x-a", "2"), ("Gone", "3"), ("Kept", "4")])
    parameters = {
        "append:header.all": "$response.header.x-a",
        "append:header.id": "${response.body.id}-${context.requestId}-${stageVariables.env}",
        "append:header.list": "$response.body.list",
        "overwrite:header.x-a": "new",
        "remove:header.gone": "''",
        "append:header.nothing": "$response.header.nothing",
        "overwrite:statuscode": "203",
    }
    answered(parameters, reply, request(stage_variables={"env": "test"}))
    assert reply.status == 203
    assert reply.headers == [
        ("Kept", "4"),
        ("x-a", "new"),
        ("all", "1,2"),
        ("id", f"7-{REQUEST_ID}-test"),
        ("list", "[1]"),
    ]


@pytest.mark.parametrize("expression", ["$request.header.a", "${request.path}", "$response.body", "$response.path"])
def test_an_answers_mapping_reads_nothing_else(expression: str):
    with pytest.raises(ParameterError, match="a response mapping has no"):
        compile_response_mappings({"200": {"append:header.a": expression}})


def test_the_models_spelling_of_statuscode_is_taken_too():
    assert answered({"overwrite.statuscode": "404"}, Reply(200)).status == 404


@pytest.mark.parametrize("body", [b'{"s": "x"}', b'{"s": 600}', b'{"s": 99}'])
def test_a_status_of_an_answer_that_is_none_is_refused(body: bytes):
    with pytest.raises(ApiConfigurationError):
        answered({"overwrite:statuscode": "$response.body.s"}, Reply(200, body))


def test_values_beyond_latin_1_go_out_as_utf_8():
    reply = answered({"append:header.x": "$response.body.x"}, Reply(200, '{"x": "€"}'.encode()))
    assert reply.headers[0][1].encode("latin-1") == "€".encode()


@given(st.text())
def test_no_value_of_an_answer_ends_its_header(value: str):
    """S-05"""
    mapping: ResponseMapping = compile_response_mappings({"200": {"append:header.x": "$response.header.y"}})[200]
    reply = Reply(200, b"", [("Y", value)])
    try:
        mapping.apply(request(), reply)
    except ApiConfigurationError:
        return
    sent: Any = dict(reply.headers)["x"]
    assert not set(sent) & set("\r\n\0")
    sent.encode("latin-1")
