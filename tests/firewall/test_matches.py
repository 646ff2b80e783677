"""Statements: what each says of a request, one row for each of its options."""

from __future__ import annotations

from typing import Any

import pytest

from tests.firewall.web_acls import blocking, contains, is_blocked, ready, rule, statement, web_acl
from wsgw.firewall.matches import compiled_pattern

POSITIONS = [
    ("EXACTLY", "q=abc", True),
    ("EXACTLY", "q=abcd", False),
    ("STARTS_WITH", "q=abcd", True),
    ("STARTS_WITH", "xq=abc", False),
    ("ENDS_WITH", "xq=abc", True),
    ("ENDS_WITH", "q=abcd", False),
    ("CONTAINS", "xq=abcd", True),
    ("CONTAINS", "q=ab", False),
    ("CONTAINS_WORD", "q=abc", True),
    ("CONTAINS_WORD", "x&q=abc&y", True),
    ("CONTAINS_WORD", "q=abc-x", True),
    ("CONTAINS_WORD", "q=abcd", False),
    ("CONTAINS_WORD", "q=abc_", False),
    ("CONTAINS_WORD", "xq=abc", False),
    ("CONTAINS_WORD", "q=abcd q=abc", True),
]


@pytest.mark.parametrize(("position", "query", "found"), POSITIONS)
def test_a_text_stands_where_it_is_asked_for(position: str, query: str, found: bool):
    firewall = ready(blocking(contains("q=abc", "QueryString", position=position)))
    assert is_blocked(firewall, raw_query=query) is found


COMPARISONS = [("EQ", "010"), ("NE", "101"), ("LE", "110"), ("LT", "100"), ("GE", "011"), ("GT", "001")]


@pytest.mark.parametrize(("comparison", "expected"), COMPARISONS)
def test_a_size_is_compared(comparison: str, expected: str):
    what = statement("SizeConstraintStatement", "Body", ComparisonOperator=comparison, Size=3)
    firewall = ready(blocking(what))
    assert "".join(str(int(is_blocked(firewall, body=b"x" * size))) for size in (2, 3, 4)) == expected


def test_the_size_of_a_body_is_its_own_however_little_of_it_is_read():
    what = statement("SizeConstraintStatement", "Body", ComparisonOperator="GT", Size=50_000)
    assert is_blocked(ready(blocking(what)), body=b"x" * 50_001)
    assert not is_blocked(ready(blocking(what)), body=b"x" * 50_000)


def test_a_pattern_is_found_anywhere():
    firewall = ready(blocking(statement("RegexMatchStatement", "UriPath", RegexString=r"/v\d+/admin$")))
    assert is_blocked(firewall, path="/dev/v2/admin")
    assert not is_blocked(firewall, path="/dev/v2/admin/x")


def test_one_of_a_set_of_patterns_is_enough():
    sets = {"bots": {"RegularExpressionList": [{"RegexString": "(?i)crawler"}, {"RegexString": "^curl/"}]}}
    arn = "arn:aws:wafv2:us-east-1:123456789012:regional/regexpatternset/bots/4a1b"
    what = statement("RegexPatternSetReferenceStatement", {"SingleHeader": {"Name": "user-agent"}}, ARN=arn)
    firewall = ready(blocking(what, RegexPatternSets=sets))
    assert is_blocked(firewall, headers=[("User-Agent", "curl/8")])
    assert is_blocked(firewall, headers=[("User-Agent", "My Crawler")])
    assert not is_blocked(firewall, headers=[("User-Agent", "a browser")])


def test_a_pattern_looks_at_bytes():
    assert compiled_pattern(r"^(?:\xc3\xa9)+$").search("éé".encode())
    assert compiled_pattern("a.b").search(b"a\xffb")


@pytest.mark.parametrize(
    ("pattern", "why"), [("(", "missing"), (r"(a)\1", "escape"), ("(?=a)", "operator"), ("é+", "UTF-8 bytes")]
)
def test_a_pattern_that_cannot_be_compiled_is_refused(pattern: str, why: str):
    with pytest.raises(ValueError, match=why):
        ready(blocking(statement("RegexMatchStatement", "UriPath", RegexString=pattern)))


# ---- who is calling

OFFICE = {"IpSets": {"office": {"Addresses": ["203.0.113.0/24", "2001:db8::/32"], "IPAddressVersion": "IPV4"}}}
ARN = "arn:aws:wafv2:us-east-1:123456789012:regional/ipset/office/4a1b"


@pytest.mark.parametrize("reference", ["office", ARN])
def test_a_set_of_addresses_is_referred_to_by_its_name_or_arn(reference: str):
    firewall = ready(blocking({"IPSetReferenceStatement": {"ARN": reference}}, **OFFICE))
    assert is_blocked(firewall)


def _from(header: str, *, position: str = "FIRST", fallback: str = "NO_MATCH") -> Any:
    config = {"HeaderName": header, "FallbackBehavior": fallback, "Position": position}
    return {"IPSetReferenceStatement": {"ARN": "office", "IPSetForwardedIPConfig": config}}


FORWARDED = [
    ("203.0.113.5", {}, True),
    ("198.51.100.1", {}, False),
    ("203.0.113.5, 198.51.100.1", {}, True),
    ("198.51.100.1, 203.0.113.5", {}, False),
    ("198.51.100.1, 203.0.113.5", {"position": "LAST"}, True),
    ("198.51.100.1, 203.0.113.5, 198.51.100.2", {"position": "ANY"}, True),
    ("2001:db8::7", {}, True),
    ("nonsense", {}, False),
    ("nonsense", {"fallback": "MATCH"}, True),
    (None, {"fallback": "MATCH"}, False),
]


@pytest.mark.parametrize(("value", "options", "found"), FORWARDED, ids=str)
def test_an_address_may_stand_in_a_header(value: str | None, options: dict[str, str], found: bool):
    firewall = ready(blocking(_from("True-Client-IP", **options), **OFFICE))
    headers = [] if value is None else [("True-Client-IP", value)]
    assert is_blocked(firewall, headers=headers) is found


def test_of_a_forwarding_chain_only_what_the_gateway_believes_is_looked_at():
    """The edge leaves out what an untrusted client says in X-Forwarded-For."""
    firewall = ready(blocking(_from("X-Forwarded-For"), **OFFICE))
    assert is_blocked(firewall, forwarded=[("X-Forwarded-For", "203.0.113.9")])
    assert not is_blocked(firewall, forwarded=[("X-Forwarded-For", "198.51.100.9")])


COUNTRIES = {"203.0.113.9": "AT", "198.51.100.1": "DE"}


def _country(address: str) -> str:
    return COUNTRIES.get(address, "")


@pytest.mark.parametrize(("codes", "found"), [(["AT"], True), (["DE", "AT"], True), (["DE"], False)])
def test_a_country_is_that_of_the_source_address(codes: list[str], found: bool):
    firewall = ready(blocking({"GeoMatchStatement": {"CountryCodes": codes}}), countries=_country)
    assert is_blocked(firewall) is found


@pytest.mark.parametrize(
    ("value", "fallback", "found"),
    [("198.51.100.1", "NO_MATCH", True), ("nonsense", "NO_MATCH", False), ("nonsense", "MATCH", True)],
)
def test_a_country_may_be_that_of_an_address_in_a_header(value: str, fallback: str, found: bool):
    config = {"HeaderName": "ip", "FallbackBehavior": fallback}
    what = {"GeoMatchStatement": {"CountryCodes": ["DE"], "ForwardedIPConfig": config}}
    firewall = ready(blocking(what), countries=_country)
    assert is_blocked(firewall, headers=[("IP", value)]) is found


def test_a_country_labels_the_request():
    first = rule("look", {"GeoMatchStatement": {"CountryCodes": ["US"]}}, "Count")
    what = {"LabelMatchStatement": {"Scope": "LABEL", "Key": "awswaf:clientip:geo:country:AT"}}
    assert is_blocked(ready(web_acl(first, rule("it", what)), countries=_country))


# ---- together

A, B = contains("a=1", "QueryString"), contains("b=1", "QueryString")
LOGIC = [
    ({"AndStatement": {"Statements": [A, B]}}, {"a=1": False, "b=1": False, "a=1&b=1": True, "": False}),
    ({"OrStatement": {"Statements": [A, B]}}, {"a=1": True, "b=1": True, "a=1&b=1": True, "": False}),
    ({"NotStatement": {"Statement": A}}, {"a=1": False, "b=1": True, "": True}),
    (
        {"AndStatement": {"Statements": [A, {"NotStatement": {"Statement": B}}]}},
        {"a=1": True, "b=1": False, "a=1&b=1": False},
    ),
]


@pytest.mark.parametrize(("what", "rows"), LOGIC, ids=["and", "or", "not", "and-not"])
def test_statements_are_combined(what: dict[str, Any], rows: dict[str, bool]):
    firewall = ready(blocking(what))
    assert {query: is_blocked(firewall, raw_query=query) for query in rows} == rows


LABELS = [
    ("LABEL", "bad:bot", True),
    ("LABEL", "bad", False),
    ("LABEL", "awswaf:123456789012:webacl:acl:bad:bot", True),
    ("LABEL", "awswaf:123456789012:webacl:other:bad:bot", False),
    ("NAMESPACE", "bad:", True),
    ("NAMESPACE", "bad", True),
    ("NAMESPACE", "ba", False),
    ("NAMESPACE", "awswaf:123456789012:webacl:acl:", True),
]


@pytest.mark.parametrize(("scope", "key", "found"), LABELS)
def test_a_rule_sees_the_labels_of_those_before(scope: str, key: str, found: bool):
    first = rule("mark", A, "Count", RuleLabels=[{"Name": "bad:bot"}])
    firewall = ready(web_acl(first, rule("it", {"LabelMatchStatement": {"Scope": scope, "Key": key}})))
    assert is_blocked(firewall, raw_query="a=1") is found
    assert not is_blocked(firewall, raw_query="b=1")
