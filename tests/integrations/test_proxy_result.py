"""T-11, for functions: what a result means for a handshake, a message and a disconnect."""

from __future__ import annotations

import json
from base64 import b64encode
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgw.errors import FunctionError
from wsgw.integrations.proxy_result import proxy_reply

STATUSES = [(200, 200), ("200", 200), (401, 401), ("403", 403), (301, 301), (599, 599), (HTTPStatus.ACCEPTED, 202)]


@pytest.mark.parametrize(("given_status", "status"), STATUSES)
def test_statuscode_decides_the_handshake(given_status, status):
    assert proxy_reply({"statusCode": given_status}, "CONNECT").status == status


UNUSABLE = [
    b"",
    b"null",
    b"not json",
    b'"text"',
    b"[200]",
    b"{}",
    b'{"statusCode": null}',
    b'{"statusCode": true}',
    b'{"statusCode": 200.5}',
    b'{"statusCode": "ok"}',
    b'{"statusCode": "20"}',
    b'{"statusCode": 101}',
    b'{"statusCode": 600}',
    b'{"statusCode": -200}',
    b'{"statusCode": "200\\r\\nX: y"}',
    b'{"statusCode": "\xd9\xa2\xd9\xa0\xd9\xa0"}',
    b'{"statusCode": 200, "body": {"a": 1}}',
    b'{"statusCode": 200, "body": 7}',
    b'{"statusCode": 200, "body": "%", "isBase64Encoded": true}',
    b'{"statusCode": 200, "body": "\xc3\xa4", "isBase64Encoded": true}',
    b'{"statusCode": 200, "headers": []}',
    b'{"statusCode": 200, "headers": {"a": ["b"]}}',
    b'{"statusCode": 200, "multiValueHeaders": {"a": "b"}}',
]


@pytest.mark.parametrize("payload", UNUSABLE)
def test_a_handshake_whose_result_cannot_be_used_is_502(payload):
    with pytest.raises(FunctionError) as caught:
        proxy_reply(payload, "CONNECT")
    assert (caught.value.status, caught.value.message) == (502, "Internal server error")


def test_a_handler_that_returns_nothing_refuses_the_handshake():
    with pytest.raises(FunctionError, match="null"):
        proxy_reply(None, "CONNECT")


def test_headers_come_in_order_and_as_text():
    result = {
        "statusCode": 401,
        "headers": {"X-A": "a", "X-Number": 7, "X-Bool": True, "X-None": None, "X-Both": "same", "x-more": "single"},
        "multiValueHeaders": {"X-Both": ["same", "other"], "X-More": ["1", 2.5]},
    }
    assert list(proxy_reply(result, "CONNECT").headers) == [
        ("X-A", "a"),
        ("X-Number", "7"),
        ("X-Bool", "true"),
        ("x-more", "single"),
        ("X-Both", "same"),
        ("X-Both", "other"),
        ("X-More", "1"),
        ("X-More", "2.5"),
    ]


def test_the_subprotocol_reaches_the_handshake():
    reply = proxy_reply(b'{"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "v1"}}', "CONNECT")
    assert reply.header("sec-websocket-protocol") == "v1"


SPLITTING = [
    ("X-A", "a\r\nSet-Cookie: b=c"),
    ("X-A", "a\nb"),
    ("X-A", "a\r"),
    ("X-A", "a\0b"),
    ("X-A\r\nX-B", "c"),
    ("X-A\n", "c"),
    ("X A", "c"),
    ("X-A:", "c"),
    ("", "c"),
    ("X-Ä", "c"),
]


@pytest.mark.parametrize("member", ["headers", "multiValueHeaders"])
@pytest.mark.parametrize(("name", "value"), SPLITTING)
def test_a_header_that_would_start_another_line_is_refused(member, name, value):
    """S-05"""
    result = {"statusCode": 200, member: {name: [value] if member == "multiValueHeaders" else value}}
    with pytest.raises(FunctionError) as caught:
        proxy_reply(result, "CONNECT")
    assert "Set-Cookie" not in caught.value.detail


MESSAGES = [
    (b'{"statusCode": 200, "body": "hello"}', b"hello"),
    (b'{"statusCode": 500, "body": "sent whatever the status"}', b"sent whatever the status"),
    (b'{"statusCode": "nonsense", "body": "sent"}', b"sent"),
    (b'{"body": "no status"}', b"no status"),
    (b'{"body": "aGVsbG8=", "isBase64Encoded": true}', b"hello"),
    (b'{"body": "aGVsbG8=", "isBase64Encoded": false}', b"aGVsbG8="),
    (b'{"body": "aGVsbG8=", "isBase64Encoded": "true"}', b"aGVsbG8="),
    ('{"body": "Grüße 👋"}'.encode(), "Grüße 👋".encode()),
    (b'{"headers": {"a": ["ignored"]}, "body": "x"}', b"x"),
    (b'{"headers": [], "multiValueHeaders": 1, "body": "x"}', b"x"),
    (b'{"statusCode": 200}', b""),
    (b'{"statusCode": 200, "body": null}', b""),
    (b'{"statusCode": 200, "body": ""}', b""),
    (b"null", b""),
    (b'"a string"', b""),
    (b"[]", b""),
    (b"", b""),
    (None, b""),
]


@pytest.mark.parametrize(("payload", "body"), MESSAGES)
def test_of_a_messages_result_only_the_body_is_sent(payload, body):
    assert proxy_reply(payload, "MESSAGE").body == body


@pytest.mark.parametrize("payload", [b"not json", b'{"body": {}}', b'{"body": "=", "isBase64Encoded": true}'])
def test_a_message_whose_result_is_malformed_is_an_error(payload):
    with pytest.raises(FunctionError):
        proxy_reply(payload, "MESSAGE")


def test_a_message_keeps_its_type_which_may_ask_for_a_binary_frame_and_no_other_header():
    reply = proxy_reply({"headers": {"content-type": "application/octet-stream", "X-A": "b"}, "body": ""}, "MESSAGE")
    assert list(reply.headers) == [("Content-Type", "application/octet-stream")]


def test_a_messages_status_is_kept_for_the_log():
    assert proxy_reply(b'{"statusCode": 404, "body": "x"}', "MESSAGE").status == 404
    assert proxy_reply(b'{"body": "x"}', "MESSAGE").status == 200


@pytest.mark.parametrize("payload", [*UNUSABLE, None])
def test_what_a_disconnect_answers_is_ignored(payload):
    reply = proxy_reply(payload, "DISCONNECT")
    assert (reply.status, reply.body, list(reply.headers)) == (200, b"", [])


@given(st.binary())
def test_a_base64_body_reads_back_as_the_bytes_it_was_made_of(data):
    result = {"statusCode": 200, "body": b64encode(data).decode(), "isBase64Encoded": True}
    assert proxy_reply(json.dumps(result).encode(), "CONNECT").body == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "statusCode": JSON | st.just(200),
        "headers": JSON | st.dictionaries(st.text(), st.text(), max_size=2),
        "multiValueHeaders": JSON | st.dictionaries(st.text(), st.lists(st.text(), max_size=2), max_size=2),
        "body": JSON,
        "isBase64Encoded": JSON,
    },
)


@given(RESULTS | JSON, st.sampled_from(["CONNECT", "MESSAGE"]))
def test_any_result_is_a_reply_or_a_function_error(result, event_type):
    try:
        reply = proxy_reply(result, event_type)
    except FunctionError:
        return
    assert 200 <= reply.status <= 599
    for name, value in reply.headers:
        assert name
        assert not set("\r\n\0") & set(name + value)
