"""Reserved header names in both directions: each row of the tables. Source: recorded on the service."""

from __future__ import annotations

import pytest

from wsgw.errors import ApiConfigurationError
from wsgw.pipeline.rest_headers import (
    TO_AWS,
    TO_HTTP,
    allowed_mapping,
    answer_mapping,
    answered_name,
    field_lines,
    permitted,
    replace,
)

APPLIED, DROPPED, REFUSED = "applied", "dropped", "refused"
ALWAYS_APPLIED = [
    "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding", "Content-MD5", "Content-Type", "Host",
    "Max-Forwards", "Pragma", "Range", "Server", "Trailer", "Upgrade", "User-Agent", "Warn", "WWW-Authenticate",
    "X-Own",
]  # fmt: skip
RESERVED = [
    ("Content-Length", REFUSED, REFUSED),
    ("Transfer-Encoding", REFUSED, REFUSED),
    ("X-Amzn-Trace-Id", REFUSED, REFUSED),
    ("X-Amzn-Apigateway-Api-Id", REFUSED, REFUSED),
    ("Expect", DROPPED, REFUSED),
    ("Proxy-Authenticate", DROPPED, REFUSED),
    ("TE", DROPPED, REFUSED),
    ("Authorization", APPLIED, REFUSED),
    ("Connection", DROPPED, REFUSED),
    ("Via", DROPPED, DROPPED),
    ("Referer", APPLIED, DROPPED),
    *((name, APPLIED, APPLIED) for name in ALWAYS_APPLIED),
]
REMAPPED = [
    "Authorization", "Connection", "Content-Length", "Content-MD5", "Date", "Expect", "Host", "Max-Forwards",
    "Proxy-Authenticate", "Server", "Trailer", "Upgrade", "User-Agent", "WWW-Authenticate",
]  # fmt: skip
UNCHANGED = [
    "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding", "Content-Type", "Pragma", "Range",
    "Referer", "TE", "Via", "Warn", "X-Own",
]  # fmt: skip


def outcome(name, reserved):
    key = f"integration.request.header.{name}"
    kept, refused = allowed_mapping({key: "'x'", "integration.request.path.id": "'y'"}, reserved)
    if refused is not None:
        assert refused == key
        return REFUSED
    assert kept["integration.request.path.id"] == "'y'"
    return APPLIED if key in kept else DROPPED


@pytest.mark.parametrize(("name", "to_http", "to_aws"), RESERVED)
def test_a_mapping_to_a_reserved_header_is_applied_dropped_or_refused(name, to_http, to_aws):
    assert outcome(name, TO_HTTP) == outcome(name.lower(), TO_HTTP) == to_http
    assert outcome(name, TO_AWS) == outcome(name.upper(), TO_AWS) == to_aws


@pytest.mark.parametrize(("name", "to_http"), [(name, to_http) for name, to_http, _ in RESERVED])
def test_a_template_may_set_what_a_mapping_may(name, to_http):
    if to_http == REFUSED:
        with pytest.raises(ApiConfigurationError):
            permitted({name: "x"}, TO_HTTP)
    else:
        assert permitted({name: "x"}, TO_HTTP) == ({name: "x"} if to_http == APPLIED else {})


@pytest.mark.parametrize("name", REMAPPED)
def test_a_mapped_header_of_an_answer_is_renamed(name):
    assert answered_name(name) == f"x-amzn-Remapped-{name}"
    mapping = answer_mapping({f"method.response.header.{name}": "'x'"})
    assert mapping == {f"method.response.header.x-amzn-Remapped-{name}": "'x'"}


@pytest.mark.parametrize("name", UNCHANGED)
def test_a_mapped_header_of_an_answer_keeps_its_name(name):
    assert answered_name(name) == name


def test_transfer_encoding_is_never_answered():
    assert answered_name("Transfer-Encoding") is None
    assert answer_mapping({"method.response.header.Transfer-Encoding": "'chunked'"}) == {}


def test_values_take_the_place_of_headers_of_the_same_name():
    assert replace([("A", "1"), ("b", "2"), ("B", "3")], {"B": "4"}) == [("A", "1"), ("B", "4")]


@pytest.mark.parametrize(
    ("name", "value"), [("X\r\nY", "1"), ("X Y", "1"), ("", "1"), ("X", "1\r\nY: 2"), ("X", "\0"), ("X", "\x1b")]
)
def test_no_override_ends_its_header(name, value):
    """S-05"""
    with pytest.raises(ApiConfigurationError):
        replace([], {name: value})


def test_lines_are_latin_1_or_where_they_cannot_be_utf_8():
    assert field_lines([("A", "ü"), ("B", "x")]) == b"A: \xfc\r\nB: x\r\n"
    assert field_lines([("A", "ü"), ("B", "€")]) == b"A: \xfc\r\nB: " + "€".encode() + b"\r\n"


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", "a\x7fb"])
def test_no_value_starts_a_line(value):
    """S-05"""
    with pytest.raises(ApiConfigurationError):
        field_lines([("A", value)])
