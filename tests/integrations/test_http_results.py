"""What functions behind HTTP APIs answer, row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.errors import FunctionError
from wsgw.integrations.http_results import reply_of_1_0, reply_of_2_0

JSON = [("content-type", "application/json")]
PLAIN = ("content-type", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b'{"message":"Hello"}', b'{"message":"Hello"}'),
        (b'{ "n": 1.10 }', b'{ "n": 1.10 }'),
        (b'"Hello from Lambda!"', b"Hello from Lambda!"),
        (b'"\\u00e9 \\"q\\""', 'é "q"'.encode()),
        (b"[1, 2]", b"[1, 2]"),
        (b"42", b"42"),
        (b"true", b"true"),
        (b"null", b"null"),
        (b"", b"null"),
        (b'{"headers":{"a":"b"},"body":"x"}', b'{"headers":{"a":"b"},"body":"x"}'),
    ],
)
def test_without_a_status_code_the_result_is_the_body_of_a_200(payload: bytes, body: bytes):
    """valid JSON without statusCode"""
    reply = reply_of_2_0(payload)
    assert (reply.status, reply.body, reply.headers) == (200, body, JSON)


def test_a_python_result_is_inferred_as_lambdas_is():
    assert reply_of_2_0({"a": [1]}).body == b'{"a":[1]}'
    assert reply_of_2_0("text").body == b"text"
    with pytest.raises(FunctionError, match="no JSON form"):
        reply_of_2_0(object())


def test_an_explicit_result_is_taken_as_given():
    """object with statusCode"""
    reply = reply_of_2_0(
        {
            "statusCode": 201,
            "headers": {"X-A": 1, "X-B": True, "X-C": None},
            "cookies": ["a=1", "b=2; Path=/"],
            "body": "é",
        }
    )
    assert reply.status == 201
    assert reply.body == "é".encode()
    assert reply.headers == [("X-A", "1"), ("X-B", "true"), ("set-cookie", "a=1"), ("set-cookie", "b=2; Path=/"), PLAIN]


@pytest.mark.parametrize("reader", [reply_of_1_0, reply_of_2_0])
def test_base64_is_decoded_whatever_the_client_accepts(reader: Any):
    reply = reader(
        {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "body": "iVBO", "isBase64Encoded": True}
    )
    assert (reply.body, reply.headers) == (b"\x89PN", [("Content-Type", "image/png")])


@pytest.mark.parametrize("reader", [reply_of_1_0, reply_of_2_0])
def test_a_status_may_be_written_as_digits_and_an_empty_body_has_no_type(reader: Any):
    reply = reader({"statusCode": "204"})
    assert (reply.status, reply.body, reply.headers) == (204, b"", [])


MALFORMED = [
    {"statusCode": None},
    {"statusCode": "abc"},
    {"statusCode": 99},
    {"statusCode": 600},
    {"statusCode": [200]},
    {"statusCode": 200, "body": {"a": 1}},
    {"statusCode": 200, "body": 1},
    {"statusCode": 200, "headers": "a"},
    {"statusCode": 200, "headers": {"a": {}}},
    {"statusCode": 200, "headers": {"a b": "c"}},
    {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
    {"statusCode": 200, "isBase64Encoded": "true"},
    {"statusCode": 200, "isBase64Encoded": True, "body": "%"},
]


@pytest.mark.parametrize("result", MALFORMED, ids=json.dumps)
@pytest.mark.parametrize("reader", [reply_of_1_0, reply_of_2_0])
def test_members_of_a_wrong_type_are_the_functions_fault(reader: Any, result: Any):
    """object with statusCode and invalid member types; 1.0 malformed"""
    with pytest.raises(FunctionError):
        reader(json.dumps(result).encode())


@pytest.mark.parametrize("cookies", ["a=1", [1], {"a": "b"}, ["a\r\nb: c"]])
def test_cookies_are_a_list_of_header_values(cookies: Any):
    with pytest.raises(FunctionError):
        reply_of_2_0({"statusCode": 200, "cookies": cookies})


@pytest.mark.parametrize("payload", [b"not json", b"{"])
@pytest.mark.parametrize("reader", [reply_of_1_0, reply_of_2_0])
def test_what_is_not_json_is_the_functions_fault(reader: Any, payload: bytes):
    with pytest.raises(FunctionError, match="not JSON"):
        reader(payload)


@pytest.mark.parametrize("payload", [b'"text"', b"{}", b"[]", b"null", b"", b'{"message": "x"}'])
def test_format_1_0_infers_nothing(payload: bytes):
    """1.0: missing statusCode"""
    with pytest.raises(FunctionError):
        reply_of_1_0(payload)


def test_format_1_0_has_headers_of_one_and_of_several_values():
    reply = reply_of_1_0(
        {
            "statusCode": 200,
            "headers": {"X-A": "1", "Content-Type": "a/b"},
            "multiValueHeaders": {"x-a": ["1", "2"]},
            "body": "x",
        }
    )
    assert sorted(reply.headers) == [("Content-Type", "a/b"), ("x-a", "1"), ("x-a", "2")]


JSON_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
MEMBERS = st.sampled_from(["statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded"])


@given(st.dictionaries(MEMBERS, JSON_VALUES))
def test_any_result_is_a_sound_reply_or_the_functions_fault(result: dict[str, Any]):
    for reader in (reply_of_1_0, reply_of_2_0):
        try:
            reply = reader(json.dumps(result).encode())
        except FunctionError:
            continue
        assert 200 <= reply.status < 600
        assert not any(set(value) & set("\r\n\0") for _, value in reply.headers)
