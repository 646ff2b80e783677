"""Parts of a request: what each FieldToMatch looks at, and what it does with parts that are too large."""

from __future__ import annotations

from typing import Any

import pytest

from tests.firewall.web_acls import blocking, contains, is_blocked, ready, statement
from tests.mapping.request_samples import request
from wsgw.caller import ConnectionFacts
from wsgw.header_fields import HeaderFields
from wsgw.invocation import Invocation

HEAD = [
    ("User-Agent", "curl/8"),
    ("X-Thing", "first"),
    ("x-thing", "second"),
    ("Cookie", "a=one; b=two"),
    ("cookie", "c=three"),
]
MADE: dict[str, Any] = {
    "method": "POST",
    "rest": "/pets/%C3%A9",
    "raw_query": "Name=fido&%71=x%20y&empty;semi=colon",
    "headers": HEAD,
    "body": b'{"name": "fido", "tags": ["small", {"deep": 1.50}], "name": "second"}',
}


def _all(kind: str, scope: str = "ALL", **members: Any) -> dict[str, Any]:
    return {kind: {"MatchPattern": {"All": {}}, "MatchScope": scope, "OversizeHandling": "CONTINUE", **members}}


def _some(kind: str, pattern: str, *names: str, scope: str = "ALL") -> dict[str, Any]:
    return {kind: {"MatchPattern": {pattern: list(names)}, "MatchScope": scope, "OversizeHandling": "CONTINUE"}}


ROWS: list[tuple[Any, str, bool]] = [
    ("Method", "POST", True),
    ("Method", "GET", False),
    ("UriPath", "/dev/pets/%C3%A9", True),
    ("UriPath", "fido", False),
    ("QueryString", "Name=fido&%71=x%20y", True),
    ("AllQueryArguments", "fido", True),
    ("AllQueryArguments", "x%20y", True),
    ("AllQueryArguments", "colon", True),
    ("AllQueryArguments", "Name", False),
    ({"SingleQueryArgument": {"Name": "name"}}, "fido", True),
    ({"SingleQueryArgument": {"Name": "q"}}, "x%20y", True),
    ({"SingleQueryArgument": {"Name": "q"}}, "fido", False),
    ({"SingleQueryArgument": {"Name": "missing"}}, "fido", False),
    ({"SingleHeader": {"Name": "user-agent"}}, "curl", True),
    ({"SingleHeader": {"Name": "X-THING"}}, "second", True),
    ({"SingleHeader": {"Name": "x-thing"}}, "first, second", True),
    ({"SingleHeader": {"Name": "x-forwarded-for"}}, "203.0.113.9", True),
    ({"SingleHeader": {"Name": "missing"}}, "first", False),
    (_all("Headers"), "X-Thing", True),
    (_all("Headers"), "curl", True),
    (_all("Headers", "KEY"), "curl", False),
    (_all("Headers", "VALUE"), "X-Thing", False),
    (_some("Headers", "IncludedHeaders", "User-Agent"), "curl", True),
    (_some("Headers", "IncludedHeaders", "User-Agent"), "first", False),
    (_some("Headers", "ExcludedHeaders", "User-Agent"), "curl", False),
    (_some("Headers", "ExcludedHeaders", "User-Agent"), "first", True),
    (_all("Cookies"), "three", True),
    (_all("Cookies", "VALUE"), "two", True),
    (_all("Cookies", "KEY"), "two", False),
    (_some("Cookies", "IncludedCookies", "b"), "two", True),
    (_some("Cookies", "IncludedCookies", "b"), "one", False),
    (_some("Cookies", "ExcludedCookies", "b"), "two", False),
    ("Body", '"tags": ["small"', True),
    ("Body", "absent", False),
    (_all("JsonBody"), "deep", True),
    (_all("JsonBody"), "1.50", True),
    (_all("JsonBody", "KEY"), "small", False),
    (_all("JsonBody", "VALUE"), "deep", False),
    (_some("JsonBody", "IncludedPaths", "/tags/0"), "small", True),
    (_some("JsonBody", "IncludedPaths", "/tags/1"), "small", False),
    (_some("JsonBody", "IncludedPaths", "/tags"), "1.50", True),
    (_some("JsonBody", "IncludedPaths", "/name"), "fido", True),
    (_some("JsonBody", "IncludedPaths", "/name"), "second", True),
    (_some("JsonBody", "IncludedPaths", "/nam"), "fido", False),
]


@pytest.mark.parametrize(("field", "text", "found"), ROWS, ids=str)
def test_a_field_is_looked_at(field: Any, text: str, found: bool):
    assert is_blocked(ready(blocking(contains(text, field))), **MADE) is found


STATEMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "ByteMatchStatement": ({"SearchString": "<script>alert(1)</script>", "PositionalConstraint": "CONTAINS"}, ""),
    "RegexMatchStatement": ({"RegexString": "<scr.pt>"}, ""),
    "SizeConstraintStatement": ({"ComparisonOperator": "GE", "Size": 25}, ""),
    "XssMatchStatement": ({}, ""),
    "SqliMatchStatement": ({}, "1' OR '1'='1"),
}
XSS = "<script>alert(1)</script>"
FIELDS: dict[str, tuple[Any, Any]] = {
    "SingleHeader": ({"SingleHeader": {"Name": "x"}}, lambda text: {"headers": [("X", text)]}),
    "Headers": (_all("Headers"), lambda text: {"headers": [("X", text)]}),
    "Cookies": (_all("Cookies"), lambda text: {"headers": [("Cookie", f"a={text}")]}),
    "SingleQueryArgument": ({"SingleQueryArgument": {"Name": "q"}}, lambda text: {"raw_query": f"q={text}"}),
    "AllQueryArguments": ("AllQueryArguments", lambda text: {"raw_query": f"q={text}"}),
    "UriPath": ("UriPath", lambda text: {"path": text}),
    "QueryString": ("QueryString", lambda text: {"raw_query": text}),
    "Body": ("Body", lambda text: {"body": text.encode()}),
    "JsonBody": (_all("JsonBody"), lambda text: {"body": b'{"a": ["%s"]}' % text.encode()}),
    "Method": ("Method", lambda text: {"method": text}),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_looks_at_every_field(name: str, field: str):
    if name in ("XssMatchStatement", "SqliMatchStatement"):
        pytest.importorskip("libmodsecurity")
    members, text = STATEMENTS[name]
    to_match, placed = FIELDS[field]
    firewall = ready(blocking(statement(name, to_match, **members)))
    assert is_blocked(firewall, **placed(text or XSS))
    assert not is_blocked(firewall, **placed("plain"))


# ---- what is too large


@pytest.mark.parametrize(("handling", "blocked"), [("CONTINUE", False), ("MATCH", True), ("NO_MATCH", False)])
@pytest.mark.parametrize("kind", ["Body", "JsonBody"])
def test_a_body_beyond_what_is_read_counts_as_the_rule_says(kind: str, handling: str, blocked: bool):
    members = {"OversizeHandling": handling}
    if kind == "JsonBody":
        members = {**_all(kind)[kind], **members, "InvalidFallbackBehavior": "NO_MATCH"}
    firewall = ready(blocking(contains("evil", {kind: members})))
    assert is_blocked(firewall, body=b'"' + b"x" * 9_000 + b'evil"') is blocked
    assert is_blocked(firewall, body=b'"evil"')


def test_the_web_acl_says_how_much_of_a_body_is_read():
    late = b"x" * 20_000 + b"evil"
    assert not is_blocked(ready(blocking(contains("evil", "Body"))), body=late)
    larger = {"RequestBody": {"API_GATEWAY": {"DefaultSizeInspectionLimit": "KB_32"}}}
    assert is_blocked(ready(blocking(contains("evil", "Body"), AssociationConfig=larger)), body=late)
    assert is_blocked(ready(blocking(contains("evil", "Body"), BodyBytes=20_004)), body=late)
    assert not is_blocked(ready(blocking(contains("evil", "Body"), BodyBytes=20_003)), body=late)


@pytest.mark.parametrize(("handling", "blocked"), [("CONTINUE", False), ("MATCH", True), ("NO_MATCH", False)])
@pytest.mark.parametrize("head", [[("X", "y" * 9_000)], [(f"X-{n}", "y") for n in range(201)]], ids=["long", "many"])
def test_large_heads_count_as_the_rule_says(head: list[tuple[str, str]], handling: str, blocked: bool):
    field = _all("Headers", OversizeHandling=handling)
    assert is_blocked(ready(blocking(contains("evil", field))), headers=head) is blocked


@pytest.mark.parametrize(
    ("fallback", "blocked"), [("MATCH", True), ("NO_MATCH", False), ("EVALUATE_AS_STRING", True), (None, True)]
)
def test_what_is_no_json_counts_as_the_rule_says(fallback: str | None, blocked: bool):
    members = {} if fallback is None else {"InvalidFallbackBehavior": fallback}
    firewall = ready(blocking(contains("evil", _all("JsonBody", **members))))
    assert is_blocked(firewall, body=b'{"a": evil') is blocked


def test_json_nested_without_end_is_no_json():
    firewall = ready(blocking(contains("evil", _all("JsonBody", InvalidFallbackBehavior="MATCH")), BodyBytes=65_536))
    assert is_blocked(firewall, body=b"[" * 60_000)


def test_json_in_another_encoding_is_read():
    firewall = ready(blocking(contains("evil", _all("JsonBody", InvalidFallbackBehavior="NO_MATCH"))))
    assert is_blocked(firewall, body='{"a": "evil"}'.encode("utf-16"))
    assert is_blocked(firewall, body=b'{"a": "\\u0065vil"}')


def test_no_body_has_no_json():
    assert not is_blocked(ready(blocking(contains("a", _all("JsonBody", InvalidFallbackBehavior="MATCH")))))


# ---- handshakes


class _Received:
    method, headers, body = "GET", (), b""

    def __init__(self, target: str) -> None:
        self.target = target


def _handshake(target: str, *headers: tuple[str, str]) -> Invocation:
    connection = ConnectionFacts()
    connection.source_ip = "198.51.100.7"
    made = Invocation(request().site, "CONNECT", "$connect", connection, "id", 0)
    made.headers = [*headers, ("X-Amzn-Trace-Id", "Root=evil"), ("X-Forwarded-For", "198.51.100.7")]
    made.received = _Received(target)
    return made


@pytest.mark.parametrize(
    ("field", "text", "found"),
    [
        ("UriPath", "/prod", True),
        ("QueryString", "token=a%20b", True),
        ({"SingleQueryArgument": {"Name": "token"}}, "a%20b", True),
        ({"SingleQueryArgument": {"Name": "token"}}, ";x=evil", True),
        ({"SingleHeader": {"Name": "origin"}}, "evil.example", True),
        (_all("Cookies"), "sid", True),
        (_all("Headers"), "Root=evil", False),
        ("Method", "GET", True),
        ("Body", "x", False),
    ],
    ids=str,
)
def test_a_handshake_has_the_same_parts(field: Any, text: str, found: bool):
    made = _handshake("/prod?token=a%20b;x=evil", ("Origin", "https://evil.example"), ("Cookie", "sid=1"))
    assert is_blocked(ready(blocking(contains(text, field))), made) is found


def test_header_values_are_compared_byte_by_byte():
    made = request()
    made.fields = HeaderFields([("X", "\xe9")])
    search = {"SearchStringBase64": "6Q==", "PositionalConstraint": "EXACTLY"}
    firewall = ready(blocking(statement("ByteMatchStatement", {"SingleHeader": {"Name": "x"}}, **search)))
    assert is_blocked(firewall, made)
